-- What reads a whole collection where a few rows are wanted (docs/decisions/postgresql.md).

-- Text units that go when the next graph is published: of millions a handful.
CREATE INDEX text_units_retired ON text_units (tenant, collection, id) WHERE NOT live;

-- How much there is of a published graph, which does not change: counted once, with its publication.
-- NULL: published by an older release, or not yet; then whoever asks counts.
ALTER TABLE graphs ADD COLUMN text_units bigint;
ALTER TABLE graphs ADD COLUMN entities bigint;
ALTER TABLE graphs ADD COLUMN relationships bigint;
ALTER TABLE graphs ADD COLUMN communities bigint;
ALTER TABLE graphs ADD COLUMN reports bigint;
