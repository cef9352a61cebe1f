-- A collection's own prompts and extraction settings, and what it costs to draft some.

-- graphmill.standard.collection_prompts.CollectionPrompts under their version, which is their
-- digest: written once, never changed. One may be in force; the others were, or are drafts.
CREATE TABLE collection_prompts (
    tenant      text NOT NULL,
    collection  text NOT NULL,
    version     text NOT NULL,
    content     jsonb NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, collection, version),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);

-- The version in force; NULL: prompts as they are shipped, extraction as the workers are set.
ALTER TABLE collections ADD COLUMN prompts text;
ALTER TABLE collections ADD FOREIGN KEY (tenant, name, prompts) REFERENCES collection_prompts;

-- Runs of `graphmill prompts tune`, which are no index runs; their accounts are model_accounts.
CREATE TABLE prompt_tunings (
    id              uuid PRIMARY KEY,
    tenant          text NOT NULL,
    collection      text NOT NULL,
    budget_nano_usd bigint CHECK (budget_nano_usd >= 0),   -- NULL: as much as it takes
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX prompt_tunings_by_collection ON prompt_tunings (tenant, collection);
