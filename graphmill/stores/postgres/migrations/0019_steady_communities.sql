-- Communities are clustered from those that the published graph has. What clustered them
-- (graphmill.clustering.CLUSTERING_VERSION; NULL: an older release, so they are clustered afresh),
-- whether steadily, and the modularity of level 0 beside that of clustering afresh.
ALTER TABLE graphs ADD COLUMN clustering text;
ALTER TABLE graphs ADD COLUMN steady boolean;
ALTER TABLE graphs ADD COLUMN modularity double precision;
ALTER TABLE graphs ADD COLUMN fresh_modularity double precision;

-- What is embedded of a report, its content without its references, has its vector under this id
-- (graphmill.ids.community_embedding_id): the numbers in references change with every document of the
-- collection, and what is said does not. Reports of older releases have theirs as they stand.
ALTER TABLE community_reports ADD COLUMN embedding_id uuid;
UPDATE community_reports SET embedding_id = id;
ALTER TABLE community_reports ALTER COLUMN embedding_id SET NOT NULL;
CREATE INDEX community_reports_by_embedding ON community_reports (graph_id, embedding_id);
DROP INDEX community_reports_by_id;
