-- Questions that are asked through an endpoint's Batch API: which wait, which batch holds which, and
-- answers that came in one and that nobody has read yet.

-- Such an answer is stored when it comes (it is paid for); whoever asks its question reads it first,
-- and says whether it is valid.
ALTER TABLE model_calls ADD COLUMN batched boolean NOT NULL DEFAULT false;
ALTER TABLE model_calls ADD COLUMN unread boolean NOT NULL DEFAULT false;

ALTER TABLE runs ADD COLUMN batch boolean NOT NULL DEFAULT false;

-- graphmill.llm.batches.Batch: a file of questions at an endpoint. The row is there before the file,
-- and its digest in the metadata of the batch at the endpoint, where it is found again after a crash.
CREATE SEQUENCE model_batch_numbers;
CREATE TABLE model_batches (
    digest              text PRIMARY KEY,           -- of the run, a number, and the questions' keys
    tenant              text NOT NULL,
    collection          text NOT NULL,
    run_id              uuid NOT NULL,
    endpoint            text NOT NULL,
    model               text NOT NULL,
    lines               int NOT NULL,
    reserved_nano_usd   bigint NOT NULL,            -- what it is taken to cost until it is collected
    input_file          text NOT NULL DEFAULT '',   -- the endpoint's ids; '' while unknown
    remote_id           text NOT NULL DEFAULT '',
    form                text NOT NULL DEFAULT '',   -- graphmill.llm.manners.Manners it was asked with
    completion_bound    boolean NOT NULL DEFAULT false,
    temperature         boolean NOT NULL DEFAULT true,
    formed_at           timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX model_batches_by_collection ON model_batches (tenant, collection);

-- Questions of a run. They go when their answer is stored, the rest with the next run.
CREATE TABLE model_batch_questions (
    run_id              uuid NOT NULL,
    key                 bytea NOT NULL,             -- graphmill.llm.calls.Question.key
    tenant              text NOT NULL,
    collection          text NOT NULL,
    document_id         uuid,
    step                text NOT NULL,
    model               text NOT NULL,
    question            text NOT NULL,              -- JSON of graphmill.llm.calls.Question
    size                int NOT NULL,               -- bytes of its line, at most
    prompt_tokens       int NOT NULL,
    batch               text REFERENCES model_batches ON DELETE SET NULL,
    tries               int NOT NULL DEFAULT 0,     -- batches that brought no answer
    PRIMARY KEY (run_id, key),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
CREATE INDEX model_batch_questions_by_batch ON model_batch_questions (batch, key);
CREATE INDEX model_batch_questions_by_collection ON model_batch_questions (tenant, collection);
