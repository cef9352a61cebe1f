-- Method standard: text units read by a model, the options of a run, and what the fold leaves for a
-- model to summarise or to decide.

ALTER TABLE documents DROP CONSTRAINT documents_state_check;
ALTER TABLE documents ADD CONSTRAINT documents_state_check
    CHECK (state IN ('uploaded', 'pending', 'done', 'partial', 'failed', 'skipped'));
-- What its live text units were made by (graphmill.processing.reading); NULL if there are none.
ALTER TABLE documents ADD COLUMN read_by bytea;

-- graphmill.llm.manners.Manners by the address of the endpoint and its name for the model.
CREATE TABLE model_manners (
    base_url            text NOT NULL,
    model               text NOT NULL,
    form                text NOT NULL,
    completion_bound    boolean NOT NULL,
    temperature         boolean NOT NULL,
    found_at            timestamptz NOT NULL,
    PRIMARY KEY (base_url, model)
);

-- graphmill.standard.options.StandardOptions under their digest: written once, never changed.
CREATE TABLE standard_options (
    tenant      text NOT NULL,
    collection  text NOT NULL,
    digest      text NOT NULL,
    options     jsonb NOT NULL,
    PRIMARY KEY (tenant, collection, digest),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);

-- graphmill.standard.extract_graph.ModelExtraction, one row a text unit: description k is one of
-- titles[described[k] + 1]; statement k says something of titles[sources[k] + 1] and
-- titles[targets[k] + 1], with a strength of so many eighths. In canonical order.
CREATE TABLE model_extractions (
    tenant              text NOT NULL,
    collection          text NOT NULL,
    text_unit_id        uuid NOT NULL,
    made_by             text NOT NULL,            -- StandardOptions.extraction_digest
    failure             text NOT NULL DEFAULT '', -- why there is no extraction
    titles              text[] NOT NULL,
    types               text[] NOT NULL,
    described           int[] NOT NULL,
    descriptions        text[] NOT NULL,
    sources             int[] NOT NULL,
    targets             int[] NOT NULL,
    statement_types     text[] NOT NULL,
    statements          text[] NOT NULL,
    strengths           int[] NOT NULL,
    pruned              jsonb NOT NULL,           -- graphmill.standard.extract_graph.Pruned
    added_ends          int NOT NULL,
    PRIMARY KEY (tenant, collection, text_unit_id),
    FOREIGN KEY (tenant, collection, text_unit_id) REFERENCES text_units ON DELETE CASCADE
);

-- What a graph's entities are called by other names, and why they were taken for the same.
CREATE TABLE entity_resolutions (
    graph_id    bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    title       text COLLATE "C" NOT NULL,
    canonical   text COLLATE "C" NOT NULL,
    step        text NOT NULL CHECK (step IN ('title', 'similar', 'model', 'person')),
    reason      text NOT NULL,
    PRIMARY KEY (graph_id, title)
);

-- Distinct descriptions, ascending, that wait to be summarised into the one; empty where none do.
ALTER TABLE entities ADD COLUMN descriptions text[] NOT NULL DEFAULT '{}';
ALTER TABLE relationships ADD COLUMN descriptions text[] NOT NULL DEFAULT '{}';
CREATE INDEX entities_to_summarize ON entities (graph_id, id) WHERE descriptions <> '{}';
CREATE INDEX relationships_to_summarize ON relationships (graph_id, id) WHERE descriptions <> '{}';
