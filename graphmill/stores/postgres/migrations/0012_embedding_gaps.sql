-- Texts that an endpoint's model refuses for good, or of which it takes only the beginning: they are
-- told wherever a graph is, and those without a vector are asked for again by the next run.

-- Beside `vectors`, and gone when what was to be embedded goes.
CREATE TABLE embedding_gaps (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    vector_index    text NOT NULL,
    model           text NOT NULL,
    id              uuid NOT NULL,
    reason          text NOT NULL,      -- why there is no vector; '': there is one, of the beginning
    PRIMARY KEY (tenant, collection, vector_index, model, id),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
-- Every run looks whether there are any; those that are cut may be as many as the texts.
CREATE INDEX embedding_gaps_missing ON embedding_gaps (tenant, collection) WHERE reason <> '';

-- graphmill.llm.vectors.TextVector.cut, for whoever has the same text. Of vectors from before nobody
-- knows.
ALTER TABLE text_vectors ADD COLUMN cut boolean NOT NULL DEFAULT false;
