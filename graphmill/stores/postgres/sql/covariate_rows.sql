-- After graph_rows.sql, where a run of method standard asks for claims: from live claims to the rows
-- of covariates, of the tables units (graph_units.sql) and resolved (merge_model_graph.sql). A script
-- of its own, so that the digest of a graph without claims is what it was. A claim whose subject is no
-- entity of the graph stays, as in GraphRAG. What stands in braces is filled in:
-- {graph_id} {tenant} {collection}

-- Said twice in a text unit counts once, also where two titles became one.
CREATE TEMP TABLE claims ON COMMIT DROP AS
SELECT DISTINCT u.unit, u.id AS text_unit_id,
    coalesce(s.canonical, c.subject) COLLATE "C" AS subject,
    coalesce(o.canonical, c.object) COLLATE "C" AS object,
    c.type COLLATE "C" AS type, c.description COLLATE "C" AS description,
    c.status COLLATE "C" AS status, c.start_date COLLATE "C" AS start_date,
    c.end_date COLLATE "C" AS end_date, c.source_text COLLATE "C" AS source_text
FROM units u
JOIN claim_extractions e ON e.tenant = {tenant} AND e.collection = {collection}
    AND e.text_unit_id = u.id AND e.failure = ''
CROSS JOIN LATERAL unnest(e.subjects, e.objects, e.types, e.descriptions, e.statuses,
    e.start_dates, e.end_dates, e.source_texts)
    AS c (subject, object, type, description, status, start_date, end_date, source_text)
LEFT JOIN resolved s ON s.title = c.subject
LEFT JOIN resolved o ON o.title = c.object;
ANALYZE claims;

INSERT INTO covariates (tenant, graph_id, id, human_readable_id, type, description, subject_id,
    object_id, status, start_date, end_date, source_text, text_unit_id)
SELECT {tenant}, {graph_id},
    content_id('covariate', text_unit_id::text, subject, object, type, status, start_date,
        end_date, source_text, description),
    row_number() OVER (ORDER BY unit, subject, object, type, description, status, start_date,
        end_date, source_text) - 1,
    type, description, subject, object, status, start_date, end_date, source_text, text_unit_id
FROM claims;

UPDATE graph_text_units g SET covariate_ids = c.ids
FROM (
    SELECT text_unit_id, array_agg(id ORDER BY human_readable_id) AS ids
    FROM covariates WHERE graph_id = {graph_id} GROUP BY text_unit_id
) AS c
WHERE g.graph_id = {graph_id} AND g.text_unit_id = c.text_unit_id;
