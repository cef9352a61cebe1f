-- What the workers of a deployment do now, as each of them says every few seconds
-- (graphmill.worker_pools). Nothing of it outlives its worker.
CREATE UNLOGGED TABLE worker_pools (
    process     uuid NOT NULL,
    queue       text NOT NULL,
    role        text NOT NULL,
    worker      text NOT NULL,              -- as Temporal knows it
    size        int NOT NULL,
    active      int,                        -- NULL: tasks of workflows
    running     jsonb NOT NULL,             -- those that have run longest
    seen_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process, queue)
);
