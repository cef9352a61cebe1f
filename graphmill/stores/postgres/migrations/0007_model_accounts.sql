-- What runs spend on models: their budgets, and sums that are kept up to date with the answers, so
-- that nobody has to add up millions of model_calls to know how a run stands.

-- The most that a run may spend, in 1e-9 dollars; NULL: as much as it takes.
ALTER TABLE runs ADD COLUMN budget_nano_usd bigint CHECK (budget_nano_usd >= 0);

-- Sums of model_calls (calls to nano_usd), written in the transaction of each answer. Each sum is
-- spread over a fixed number of slots, of which a transaction takes any one: a row stays locked
-- until its transaction is on disk, and a single one would let answers in one by one. `cached` is
-- counted apart and may lose a second's worth with a worker that dies.
CREATE TABLE model_accounts (
    run_id              uuid NOT NULL,
    step                text NOT NULL,
    model               text NOT NULL,
    slot                smallint NOT NULL,
    tenant              text NOT NULL,
    collection          text NOT NULL,
    calls               bigint NOT NULL DEFAULT 0,
    cached              bigint NOT NULL DEFAULT 0,   -- questions answered from what was paid before
    prompt_tokens       bigint NOT NULL DEFAULT 0,
    completion_tokens   bigint NOT NULL DEFAULT 0,
    nano_usd            bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, step, model, slot),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
) WITH (fillfactor = 50);                            -- room to write a row anew beside itself
CREATE INDEX model_accounts_by_collection ON model_accounts (tenant, collection);

-- Runs of before.
INSERT INTO model_accounts (run_id, step, model, slot, tenant, collection, calls, prompt_tokens,
    completion_tokens, nano_usd)
SELECT run_id, step, model, 0, min(tenant), min(collection), count(*), sum(prompt_tokens),
    sum(completion_tokens), sum(nano_usd)
FROM model_calls WHERE run_id IS NOT NULL GROUP BY run_id, step, model;

-- What a document cost; with it goes the index on its first two columns alone.
CREATE INDEX model_calls_by_document ON model_calls (tenant, collection, document_id);
DROP INDEX model_calls_by_collection;
