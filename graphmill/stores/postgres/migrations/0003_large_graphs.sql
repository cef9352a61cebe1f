-- What has no vector yet is found page by page in the order of these ids, and a vector that nothing
-- points to by looking each up: without an index both read the whole graph each time.

CREATE INDEX entities_by_embedding ON entities (graph_id, embedding_id);
CREATE INDEX community_reports_by_id ON community_reports (graph_id, id);
