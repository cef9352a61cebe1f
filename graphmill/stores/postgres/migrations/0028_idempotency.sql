-- What was answered to requests with an Idempotency-Key, for a day: the same request again gets the
-- same answer, and does nothing.
CREATE TABLE idempotent_answers (
    tenant      text NOT NULL,
    key         text NOT NULL,              -- as its sender chose it
    request     bytea NOT NULL,             -- SHA-256 of route and body
    answer      bytea NOT NULL,             -- the body
    answered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotent_answers_by_age ON idempotent_answers (answered_at);
SELECT guard_by_tenant('idempotent_answers');
