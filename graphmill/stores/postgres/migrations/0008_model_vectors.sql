-- Vectors by the model of an endpoint: kept by text, before any row of a graph has them, so that a
-- text is embedded once whatever document, run or collection of the tenant it stands in.

-- They go with the collection that paid, as model_calls do. No text stands here, only its hash.
CREATE TABLE text_vectors (
    tenant      text NOT NULL,
    key         bytea NOT NULL,                  -- graphmill.llm.vectors.vector_key
    model       text NOT NULL,
    collection  text NOT NULL,
    endpoint    text NOT NULL,
    embedding   vector NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, key),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX text_vectors_by_collection ON text_vectors (tenant, collection);

-- How many dimensions a model's vectors have: they are never mixed. Found out with the first one.
CREATE TABLE vector_dimensions (
    tenant      text NOT NULL,
    model       text NOT NULL,
    dimensions  int NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, model)
);

-- Which endpoint's model a published graph is embedded with, and so the questions to it; NULL: the
-- local one.
ALTER TABLE graphs ADD COLUMN embedding_model text;

-- graphmill.llm.manners.Manners.plain_vectors
ALTER TABLE model_manners ADD COLUMN plain_vectors boolean NOT NULL DEFAULT false;
