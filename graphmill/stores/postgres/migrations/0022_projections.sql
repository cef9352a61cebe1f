-- Stores that hold published graphs too (graphmill.projections).

-- When queries saw it first: how far a projection is behind is counted from here.
ALTER TABLE graphs ADD COLUMN published_at timestamptz;
UPDATE graphs SET published_at = created_at WHERE published;
-- What the collection asked for when the graph was made; of graphs from before nobody knows.
ALTER TABLE graphs ADD COLUMN entity_types text[] NOT NULL DEFAULT '{}';

-- What each store that is set holds of a collection. It outlives its collection, until the store has
-- let go of that too.
CREATE TABLE projections (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    store           text NOT NULL,              -- graphmill.projections.ports.Projection.name
    version         text NOT NULL DEFAULT '',   -- the graph it holds whole; '': none
    synced_at       timestamptz,
    failing_since   timestamptz,
    tries           int NOT NULL DEFAULT 0,     -- in vain, since then
    reason          text NOT NULL DEFAULT '',   -- why the last was
    PRIMARY KEY (tenant, collection, store)
);
SELECT guard_by_tenant('projections');
