-- Claims (covariates) of method standard, where a collection asks for them: what was found in each
-- text unit, and the rows of a graph that the fold makes of it.

-- graphmill.standard.claims.ExtractedClaims, one row a text unit: claim k is subjects[k], objects[k]
-- and so on. In canonical order. Apart from model_extractions, because they come and go apart.
CREATE TABLE claim_extractions (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    text_unit_id    uuid NOT NULL,
    made_by         text NOT NULL,            -- StandardOptions.claims_digest
    failure         text NOT NULL DEFAULT '', -- why there are no claims
    subjects        text[] NOT NULL,
    objects         text[] NOT NULL,          -- '' where there is none
    types           text[] NOT NULL,
    descriptions    text[] NOT NULL,
    statuses        text[] NOT NULL,
    start_dates     text[] NOT NULL,          -- ISO 8601, or ''
    end_dates       text[] NOT NULL,
    source_texts    text[] NOT NULL,          -- as it stands in the text unit, or ''
    left_out        jsonb NOT NULL,           -- ExtractedClaims.left_out
    PRIMARY KEY (tenant, collection, text_unit_id),
    FOREIGN KEY (tenant, collection, text_unit_id) REFERENCES text_units ON DELETE CASCADE
);

-- subject_id and object_id are titles, as in GraphRAG; of entities, or of what the graph has not.
CREATE TABLE covariates (
    graph_id            bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    id                  uuid NOT NULL,
    human_readable_id   int NOT NULL,
    type                text NOT NULL,
    description         text NOT NULL,
    subject_id          text COLLATE "C" NOT NULL,
    object_id           text COLLATE "C" NOT NULL,
    status              text NOT NULL CHECK (status IN ('TRUE', 'FALSE', 'SUSPECTED')),
    start_date          text NOT NULL,
    end_date            text NOT NULL,
    source_text         text NOT NULL,
    text_unit_id        uuid NOT NULL,
    PRIMARY KEY (graph_id, id)
);
CREATE INDEX covariates_by_subject ON covariates (graph_id, subject_id);
CREATE INDEX covariates_by_object ON covariates (graph_id, object_id);

ALTER TABLE graph_text_units ADD COLUMN covariate_ids uuid[] NOT NULL DEFAULT '{}';
