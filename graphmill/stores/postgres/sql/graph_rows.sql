-- A fold ends: the graph's rows, of the tables units (graph_units.sql) and, by a method's own script:
--     kept (node, title, type, frequency)             the entities, numbered in the order of titles
--     mentions (unit, node)                           once a text unit
--     entity_descriptions (node, text, descriptions)  of every entity
--     bonds (bond, source, target, source_title, target_title, id, weight)
--     bond_meetings (bond, unit)                      once a text unit
--     relationship_descriptions (bond, text, descriptions)
-- What stands in braces is filled in: {graph_id} {tenant}

CREATE TEMP TABLE degrees ON COMMIT DROP AS
SELECT node, count(*)::int AS degree
FROM (SELECT source AS node FROM bonds UNION ALL SELECT target FROM bonds) AS ends
GROUP BY node;
ANALYZE degrees;

CREATE TEMP TABLE entity_units ON COMMIT DROP AS
SELECT m.node, array_agg(u.id ORDER BY m.unit) AS ids
FROM mentions m JOIN kept USING (node) JOIN units u USING (unit) GROUP BY m.node;
ANALYZE entity_units;

INSERT INTO entities (tenant, graph_id, id, human_readable_id, title, type, description,
    descriptions, text_unit_ids, frequency, degree, embedding_id)
SELECT {tenant}, {graph_id}, content_id('entity', k.title),
    row_number() OVER (ORDER BY k.node) - 1, k.title, k.type, d.text, d.descriptions, u.ids,
    k.frequency, coalesce(g.degree, 0),
    content_id('entity_description', k.title || ': ' || d.text)
FROM kept k
JOIN entity_descriptions d USING (node)
JOIN entity_units u USING (node)
LEFT JOIN degrees g USING (node);

CREATE TEMP TABLE relationship_units ON COMMIT DROP AS
SELECT m.bond, array_agg(u.id ORDER BY m.unit) AS ids
FROM bond_meetings m JOIN units u USING (unit) GROUP BY m.bond;
ANALYZE relationship_units;

INSERT INTO relationships (tenant, graph_id, id, human_readable_id, source, target, description,
    descriptions, weight, combined_degree, text_unit_ids)
SELECT {tenant}, {graph_id}, b.id, b.bond - 1, b.source_title, b.target_title, d.text,
    d.descriptions, b.weight, s.degree + t.degree, u.ids
FROM bonds b
JOIN relationship_descriptions d USING (bond)
JOIN relationship_units u USING (bond)
JOIN degrees s ON s.node = b.source
JOIN degrees t ON t.node = b.target;

CREATE TEMP TABLE unit_entities ON COMMIT DROP AS
SELECT m.unit, array_agg(content_id('entity', k.title) ORDER BY m.node) AS ids
FROM mentions m JOIN kept k USING (node) GROUP BY m.unit;
ANALYZE unit_entities;

CREATE TEMP TABLE unit_relationships ON COMMIT DROP AS
SELECT m.unit, array_agg(b.id ORDER BY b.bond) AS ids
FROM bond_meetings m JOIN bonds b USING (bond) GROUP BY m.unit;
ANALYZE unit_relationships;

INSERT INTO graph_text_units (tenant, graph_id, text_unit_id, document_id, human_readable_id,
    entity_ids, relationship_ids)
SELECT {tenant}, {graph_id}, u.id, u.document_id, u.unit, coalesce(e.ids, '{{}}'),
    coalesce(r.ids, '{{}}')
FROM units u LEFT JOIN unit_entities e USING (unit) LEFT JOIN unit_relationships r USING (unit);
