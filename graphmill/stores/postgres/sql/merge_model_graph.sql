-- Method standard, between graph_units.sql and graph_rows.sql: from live extractions by a model to
-- the tables that graph_rows.sql names. Nothing is pruned: a model names what matters. What stands in
-- braces is filled in: {graph_id} {tenant} {collection} {most_joined}

CREATE TEMP TABLE found ON COMMIT DROP AS
SELECT u.unit, e.*
FROM units u
JOIN model_extractions e ON e.tenant = {tenant} AND e.collection = {collection}
    AND e.text_unit_id = u.id AND e.failure = '';
ANALYZE found;

CREATE TEMP TABLE resolved ON COMMIT DROP AS
SELECT title, canonical FROM entity_resolutions WHERE graph_id = {graph_id};
ANALYZE resolved;

-- Entities ------------------------------------------------------------------------------------

CREATE TEMP TABLE titles ON COMMIT DROP AS
SELECT f.unit, (m.place - 1)::int AS place, coalesce(r.canonical, m.title) COLLATE "C" AS title,
    m.type
FROM found f
CROSS JOIN LATERAL ROWS FROM (unnest(f.titles), unnest(f.types))
    WITH ORDINALITY AS m (title, type, place)
LEFT JOIN resolved r ON r.title = m.title;
ANALYZE titles;

-- frequency: text units that mention it, by whatever titles. The type that most of them saw; of
-- equals the smallest.
CREATE TEMP TABLE kept ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY title)::int AS node, title,
    count(DISTINCT unit)::int AS frequency,
    coalesce(mode() WITHIN GROUP (ORDER BY type COLLATE "C") FILTER (WHERE type <> ''), '') AS type
FROM (SELECT DISTINCT unit, title, type FROM titles) AS seen GROUP BY title;
ANALYZE kept;

CREATE TEMP TABLE places ON COMMIT DROP AS
SELECT t.unit, t.place, k.node FROM titles t JOIN kept k USING (title);
ANALYZE places;

CREATE TEMP TABLE mentions ON COMMIT DROP AS
SELECT DISTINCT unit, node FROM places;
ANALYZE mentions;

CREATE TEMP TABLE described ON COMMIT DROP AS
SELECT DISTINCT p.node, d.text COLLATE "C" AS text
FROM found f
CROSS JOIN LATERAL unnest(f.described, f.descriptions) AS d (place, text)
JOIN places p ON p.unit = f.unit AND p.place = d.place
WHERE d.text <> '';
ANALYZE described;

-- One is the description; several wait to become one.
CREATE TEMP TABLE entity_descriptions ON COMMIT DROP AS
SELECT node,
    CASE count(d.text) WHEN 1 THEN min(d.text) ELSE '' END AS text,
    CASE WHEN count(d.text) > 1 THEN array_agg(d.text ORDER BY d.text) ELSE '{{}}' END
        AS descriptions
FROM kept LEFT JOIN described d USING (node) GROUP BY node;
ANALYZE entity_descriptions;

-- Relationships -------------------------------------------------------------------------------

-- Said twice in a text unit counts once, also where two titles became one.
CREATE TEMP TABLE statements ON COMMIT DROP AS
SELECT f.unit, least(a.node, b.node) AS source, greatest(a.node, b.node) AS target,
    s.description COLLATE "C" AS description, max(s.strength) AS strength
FROM found f
CROSS JOIN LATERAL unnest(f.sources, f.targets, f.statement_types, f.statements, f.strengths)
    AS s (source, target, type, description, strength)
JOIN places a ON a.unit = f.unit AND a.place = s.source
JOIN places b ON b.unit = f.unit AND b.place = s.target
WHERE a.node <> b.node
GROUP BY f.unit, least(a.node, b.node), greatest(a.node, b.node), s.type, s.description;
ANALYZE statements;

-- Strengths are whole eighths.
CREATE TEMP TABLE bonds ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY s.source, s.target)::int AS bond, s.source, s.target, s.weight,
    a.title AS source_title, b.title AS target_title,
    content_id('relationship', a.title, b.title) AS id
FROM (
    SELECT source, target, sum(strength) / 8.0::float8 AS weight
    FROM statements GROUP BY source, target
) AS s
JOIN kept a ON a.node = s.source
JOIN kept b ON b.node = s.target;
ANALYZE bonds;

CREATE TEMP TABLE bond_meetings ON COMMIT DROP AS
SELECT DISTINCT b.bond, s.unit FROM statements s JOIN bonds b USING (source, target);
ANALYZE bond_meetings;

CREATE TEMP TABLE stated ON COMMIT DROP AS
SELECT DISTINCT b.bond, s.description AS text
FROM statements s JOIN bonds b USING (source, target) WHERE s.description <> '';
ANALYZE stated;

-- Sentences that are few stand as they are, one a line; more than that wait to become one text.
CREATE TEMP TABLE relationship_descriptions ON COMMIT DROP AS
SELECT bond, CASE WHEN waits THEN '' ELSE joined END AS text,
    CASE WHEN waits THEN descriptions ELSE '{{}}' END AS descriptions
FROM (
    SELECT bond, coalesce(string_agg(s.text, E'\n' ORDER BY s.text), '') AS joined,
        array_agg(s.text ORDER BY s.text) AS descriptions,
        count(s.text) > 1 AND sum(length(s.text) + 1) - 1 > {most_joined} AS waits
    FROM bonds LEFT JOIN stated s USING (bond) GROUP BY bond
) AS each;
ANALYZE relationship_descriptions;
