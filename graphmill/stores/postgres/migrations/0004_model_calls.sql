-- What models were asked and answered, and the limits of their endpoints, for all workers together.

-- Worker processes that ask models. One that was not seen for 10 s is dead: what it held is free.
CREATE TABLE model_sessions (
    id          uuid PRIMARY KEY,
    seen_at     timestamptz NOT NULL DEFAULT now()
);

-- Answers that were paid for, kept before they are used. They go with the collection that paid.
CREATE TABLE model_calls (
    tenant              text NOT NULL,
    key                 bytea NOT NULL,          -- graphmill.llm.calls.Question.key
    attempt             int NOT NULL,            -- answers before this one, all bad
    valid               boolean NOT NULL,
    answer              text NOT NULL,
    collection          text NOT NULL,
    run_id              uuid,
    document_id         uuid,
    step                text NOT NULL,
    model               text NOT NULL,
    endpoint            text NOT NULL,
    prompt_tokens       int NOT NULL,
    completion_tokens   int NOT NULL,
    nano_usd            bigint NOT NULL,         -- 1e-9 dollars, at the price when it was paid
    answered_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, key, attempt),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX model_calls_by_run ON model_calls (run_id, step);
CREATE INDEX model_calls_by_collection ON model_calls (tenant, collection);

-- Who is asking what just now, so that nobody else asks the same. Lost with a crash of the server,
-- which ends the calls in the air too.
CREATE UNLOGGED TABLE model_claims (
    tenant      text NOT NULL,
    key         bytea NOT NULL,
    session     uuid NOT NULL,
    PRIMARY KEY (tenant, key)
);

-- graphmill.llm.limits.Limits and EndpointState. Limits may be changed here at any time; what the
-- settings say is written when it differs from what they said before. Times: seconds since 1970.
CREATE TABLE model_endpoints (
    name                text PRIMARY KEY,
    configured          jsonb NOT NULL,
    places              int NOT NULL CHECK (places >= 0),
    requests_per_minute double precision CHECK (requests_per_minute > 0),
    tokens_per_minute   double precision CHECK (tokens_per_minute > 0),
    adapts              boolean NOT NULL,
    allowed             double precision NOT NULL,
    step                double precision NOT NULL,
    ceiling             double precision,
    lowered_at          double precision NOT NULL,
    raised_at           double precision NOT NULL,
    closed_until        double precision NOT NULL,
    failures            int NOT NULL,
    next_request        double precision NOT NULL,
    next_token          double precision NOT NULL,
    -- Tokens of the last minute by the half second in which their call started.
    token_window        double precision[] NOT NULL,
    window_end          bigint NOT NULL,
    used_share          double precision NOT NULL
);

CREATE TABLE endpoint_shares (
    endpoint    text NOT NULL REFERENCES model_endpoints ON DELETE CASCADE,
    session     uuid NOT NULL REFERENCES model_sessions ON DELETE CASCADE,
    held        int NOT NULL,
    wanted      int NOT NULL,
    PRIMARY KEY (endpoint, session)
);
