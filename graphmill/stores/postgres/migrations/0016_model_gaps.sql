-- Reports and summaries that no model gave: an extractive report, or a list of descriptions, stands in
-- their place. They are told wherever a graph is, and asked for again by the next run, which makes the
-- graph anew. Of graphs from before nobody knows.

CREATE TABLE model_gaps (
    graph_id    bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('report', 'summary')),
    id          uuid NOT NULL,      -- of the report; of the entity or relationship that is described
    reason      text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (graph_id, kind, id)
);
