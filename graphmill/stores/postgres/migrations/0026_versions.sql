-- Stores that hold published graphs too know each by a version that never comes again. Ids and counts
-- do: in a database that was made anew, or came back from a backup, beside stores that stayed.
ALTER TABLE graphs DROP COLUMN version;
ALTER TABLE graphs DROP COLUMN publications;
ALTER TABLE graphs ADD COLUMN version text NOT NULL DEFAULT '';
UPDATE graphs SET version = id || '-' || left(md5(gen_random_uuid()::text), 12) WHERE published;

-- Since when the store has not held what queries see; NULL: it does, or since that was published.
ALTER TABLE projections ADD COLUMN behind_since timestamptz;

-- Records of a graph are read by their ids.
CREATE UNIQUE INDEX communities_by_id ON communities (graph_id, id);
