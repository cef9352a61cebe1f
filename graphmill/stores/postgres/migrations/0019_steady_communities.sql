-- Communities are clustered from those that the published graph has. What clustered them
-- (graphmill.clustering.CLUSTERING_VERSION; NULL: an older release, so they are clustered afresh),
-- whether steadily, and the modularity of level 0 beside that of clustering afresh.
ALTER TABLE graphs ADD COLUMN clustering text;
ALTER TABLE graphs ADD COLUMN steady boolean;
ALTER TABLE graphs ADD COLUMN modularity double precision;
ALTER TABLE graphs ADD COLUMN fresh_modularity double precision;
