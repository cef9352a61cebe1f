-- The whole road: collections and documents (what is to be read), text units and extractions (what
-- was read, immutable), graphs (the fold over them, published whole), runs, and embeddings.

CREATE EXTENSION IF NOT EXISTS vector;

-- graphmill.ids.content_id, in SQL.
CREATE FUNCTION content_id(VARIADIC parts text[]) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT encode(
        substring(sha256(convert_to(array_to_string(parts, E'\x1f'), 'UTF8')) FOR 16), 'hex'
    )::uuid
$$;

CREATE TABLE collections (
    tenant      text NOT NULL,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- The graph that queries see; NULL before the first run ends.
    graph_id    bigint,
    PRIMARY KEY (tenant, name)
);

-- Bytes as they were uploaded, in parts of 1 MB, so that no single value is large.
CREATE TABLE contents (
    tenant      text NOT NULL,
    collection  text NOT NULL,
    version     bytea NOT NULL,
    part        int NOT NULL,
    bytes       bytea NOT NULL,
    PRIMARY KEY (tenant, collection, version, part),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
-- Uploads are compressed already or small; do not spend time on them again.
ALTER TABLE contents ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE SEQUENCE queue_positions;

CREATE TABLE documents (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    id              uuid NOT NULL,
    name            text COLLATE "C" NOT NULL,
    version         bytea NOT NULL,               -- SHA-256 of the bytes
    size            bigint NOT NULL,
    creation_date   timestamptz NOT NULL,
    uploaded_at     timestamptz NOT NULL DEFAULT now(),
    state           text NOT NULL DEFAULT 'uploaded'
                    CHECK (state IN ('uploaded', 'pending', 'done', 'failed', 'skipped')),
    reason          text NOT NULL DEFAULT '',     -- why failed or skipped: "code: words"
    -- Where it waits for a run; a new one whenever it is to be read (again).
    queue_position  bigint NOT NULL DEFAULT nextval('queue_positions'),
    -- What the text units and extractions in place were made by; NULL if there are none.
    recipe          bytea,
    format          text NOT NULL DEFAULT '',
    title           text NOT NULL DEFAULT '',
    text            text NOT NULL DEFAULT '',
    pages           int NOT NULL DEFAULT 0,
    ended_at        timestamptz,                  -- when it last became done, failed or skipped
    PRIMARY KEY (tenant, collection, id),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX documents_waiting ON documents (tenant, collection, queue_position)
    WHERE state IN ('uploaded', 'pending');
CREATE INDEX documents_by_name ON documents (tenant, collection, name);
CREATE INDEX documents_by_version ON documents (tenant, collection, version);
CREATE INDEX documents_by_state ON documents (tenant, collection, state);

CREATE TABLE text_units (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    id              uuid NOT NULL,
    document_id     uuid NOT NULL,
    position        int NOT NULL,
    text            text NOT NULL,
    n_tokens        int NOT NULL,
    first_page      int,
    last_page       int,
    -- false: of a version that was replaced; kept until the next graph is published.
    live            boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant, collection, id),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX text_units_by_document ON text_units (tenant, collection, document_id, position);

-- graphmill.models.Extraction, one row a text unit.
CREATE TABLE extractions (
    tenant                  text NOT NULL,
    collection              text NOT NULL,
    text_unit_id            uuid NOT NULL,
    titles                  text[] NOT NULL,
    types                   text[] NOT NULL,
    counts                  int[] NOT NULL,
    entity_sentences        int[] NOT NULL,
    sources                 int[] NOT NULL,
    targets                 int[] NOT NULL,
    weights                 int[] NOT NULL,
    relationship_sentences  int[] NOT NULL,
    sentence_starts         int[] NOT NULL,
    sentence_ends           int[] NOT NULL,
    PRIMARY KEY (tenant, collection, text_unit_id),
    FOREIGN KEY (tenant, collection, text_unit_id) REFERENCES text_units ON DELETE CASCADE
);

-- A graph is built under its own id and published whole; what is published never changes.
CREATE TABLE graphs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text NOT NULL,
    collection  text NOT NULL,
    digest      bytea NOT NULL,                  -- of all that it is a function of
    published   boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX graphs_by_collection ON graphs (tenant, collection);
ALTER TABLE collections ADD FOREIGN KEY (graph_id) REFERENCES graphs;

CREATE TABLE graph_documents (
    graph_id            bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    document_id         uuid NOT NULL,
    human_readable_id   int NOT NULL,
    PRIMARY KEY (graph_id, document_id)
);

CREATE TABLE graph_text_units (
    graph_id            bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    text_unit_id        uuid NOT NULL,
    document_id         uuid NOT NULL,
    human_readable_id   int NOT NULL,
    entity_ids          uuid[] NOT NULL DEFAULT '{}',
    relationship_ids    uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (graph_id, text_unit_id)
);

CREATE TABLE entities (
    graph_id            bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    id                  uuid NOT NULL,
    human_readable_id   int NOT NULL,
    title               text COLLATE "C" NOT NULL,
    type                text NOT NULL,
    description         text NOT NULL,
    text_unit_ids       uuid[] NOT NULL,
    frequency           int NOT NULL,
    degree              int NOT NULL,
    -- What is embedded, "TITLE: description", has its vector under this id.
    embedding_id        uuid NOT NULL,
    PRIMARY KEY (graph_id, id)
);
CREATE INDEX entities_by_title ON entities (graph_id, title);

CREATE TABLE relationships (
    graph_id            bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    id                  uuid NOT NULL,
    human_readable_id   int NOT NULL,
    source              text COLLATE "C" NOT NULL,
    target              text COLLATE "C" NOT NULL,
    description         text NOT NULL,
    weight              double precision NOT NULL,
    combined_degree     int NOT NULL,
    text_unit_ids       uuid[] NOT NULL,
    PRIMARY KEY (graph_id, id)
);
CREATE INDEX relationships_by_source ON relationships (graph_id, source);
CREATE INDEX relationships_by_target ON relationships (graph_id, target);

CREATE TABLE communities (
    graph_id            bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    id                  uuid NOT NULL,
    community           int NOT NULL,
    level               int NOT NULL,
    parent              int NOT NULL,
    children            int[] NOT NULL,
    title               text NOT NULL,
    entity_ids          uuid[] NOT NULL,
    relationship_ids    uuid[] NOT NULL,
    text_unit_ids       uuid[] NOT NULL,
    period              text NOT NULL,
    size                int NOT NULL,
    PRIMARY KEY (graph_id, community)
);

CREATE TABLE community_reports (
    graph_id            bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    id                  uuid NOT NULL,
    community           int NOT NULL,
    level               int NOT NULL,
    parent              int NOT NULL,
    children            int[] NOT NULL,
    title               text NOT NULL,
    summary             text NOT NULL,
    full_content        text NOT NULL,
    rank                double precision NOT NULL,
    rating_explanation  text NOT NULL,
    findings            jsonb NOT NULL,
    full_content_json   text NOT NULL,
    period              text NOT NULL,
    size                int NOT NULL,
    PRIMARY KEY (graph_id, community)
);

-- Vectors under the id of what was embedded (an id made from content), so none is made twice.
-- Vector indexes: text_unit_text (text unit id), entity_description (entities.embedding_id),
-- community_full_content (community report id).
CREATE TABLE vectors (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    vector_index    text NOT NULL,
    model           text NOT NULL,
    id              uuid NOT NULL,
    embedding       vector NOT NULL,
    PRIMARY KEY (tenant, collection, vector_index, model, id),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);

CREATE TABLE runs (
    id              uuid PRIMARY KEY,            -- the workflow's first execution run id
    tenant          text NOT NULL,
    collection      text NOT NULL,
    workflow_id     text NOT NULL,
    method          text NOT NULL,
    state           text NOT NULL,
    phase           text NOT NULL,
    reason          text NOT NULL DEFAULT '',
    started_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX runs_by_collection ON runs (tenant, collection, started_at DESC);
