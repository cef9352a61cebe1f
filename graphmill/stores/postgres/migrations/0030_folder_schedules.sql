-- Folders that are indexed again and again (graphmill.folder_schedules). When is Temporal's to know.
CREATE TABLE folder_schedules (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    paths           text[] NOT NULL,        -- on the machines of the store workers
    every           interval NOT NULL,
    prune           boolean NOT NULL,
    request         jsonb NOT NULL,         -- graphmill.index_request.IndexRequest
    -- How often something has changed, and up to which change a run was started: after a crash in
    -- between, or beside another upload, it is still known that a run has something to do.
    changes         bigint NOT NULL DEFAULT 0,
    started         bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, collection),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);
SELECT guard_by_tenant('folder_schedules');
