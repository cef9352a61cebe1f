-- A fold begins: which documents and text units are in the graph. After it come a method's own
-- script (merge_graph.sql, merge_model_graph.sql) and graph_rows.sql, all as one script in one
-- transaction. What stands in braces is filled in: {graph_id} {tenant} {collection} {states}
--
-- Everything is counted in integers and ordered by code point, so that equal input gives equal rows.
-- Titles become numbers as soon as they can (a node is the place of its title in order), and each
-- step is a temporary table of its own with statistics: joins guessed from nothing become loops.

INSERT INTO graph_documents (tenant, graph_id, document_id, human_readable_id, name, version,
    size, creation_date, parsed)
SELECT {tenant}, {graph_id}, id, row_number() OVER (ORDER BY name) - 1, name, version, size,
    creation_date, parsed
FROM documents WHERE tenant = {tenant} AND collection = {collection} AND state IN ({states});

CREATE TEMP TABLE units ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY g.human_readable_id, t.position) - 1)::int AS unit,
    t.id, t.document_id
FROM graph_documents g
JOIN text_units t ON t.tenant = {tenant} AND t.collection = {collection}
    AND t.document_id = g.document_id AND t.live
WHERE g.graph_id = {graph_id};
ANALYZE units;
