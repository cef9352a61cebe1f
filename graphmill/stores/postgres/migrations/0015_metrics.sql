-- How calls of an endpoint ended, ever, for GET /metrics (graphmill.llm.limits.Tries).
ALTER TABLE model_endpoints ADD COLUMN answered bigint NOT NULL DEFAULT 0;
ALTER TABLE model_endpoints ADD COLUMN overloaded bigint NOT NULL DEFAULT 0;
ALTER TABLE model_endpoints ADD COLUMN timed_out bigint NOT NULL DEFAULT 0;
ALTER TABLE model_endpoints ADD COLUMN failed bigint NOT NULL DEFAULT 0;
ALTER TABLE model_endpoints ADD COLUMN refused bigint NOT NULL DEFAULT 0;

-- What collections that are deleted had spent on models: sums over all that was spent never fall.
-- Some ten rows a collection, none of which another deletion has to wait for.
CREATE TABLE model_accounts_gone (
    step                text NOT NULL,
    model               text NOT NULL,
    calls               bigint NOT NULL,
    cached              bigint NOT NULL,
    prompt_tokens       bigint NOT NULL,
    completion_tokens   bigint NOT NULL,
    nano_usd            bigint NOT NULL
);

CREATE FUNCTION keep_gone_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO model_accounts_gone
    SELECT step, model, sum(calls), sum(cached), sum(prompt_tokens), sum(completion_tokens),
        sum(nano_usd)
    FROM gone GROUP BY step, model;
    RETURN NULL;
END
$$;

CREATE TRIGGER keep_gone_accounts AFTER DELETE ON model_accounts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION keep_gone_accounts();
