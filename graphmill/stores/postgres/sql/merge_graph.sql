-- The fold: all live extractions of a collection into one graph (GraphRAG's fast method: counts,
-- PMI weights, pruning). Run as one script in one transaction. What stands in braces is filled in:
-- {graph_id} {tenant} {collection} {min_node_freq} {min_edge_weight_pct} {min_node_degree}
--
-- Everything is counted in integers and ordered by code point, so that equal input gives equal rows.
-- Titles become numbers as soon as they can (a node is the place of its title in order), and each
-- step is a temporary table of its own with statistics: joins guessed from nothing become loops.

INSERT INTO graph_documents (graph_id, document_id, human_readable_id)
SELECT {graph_id}, id, row_number() OVER (ORDER BY name) - 1
FROM documents WHERE tenant = {tenant} AND collection = {collection} AND state = 'done';

CREATE TEMP TABLE units ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY g.human_readable_id, t.position) - 1)::int AS unit,
    t.id, t.document_id
FROM graph_documents g
JOIN text_units t ON t.tenant = {tenant} AND t.collection = {collection}
    AND t.document_id = g.document_id AND t.live
WHERE g.graph_id = {graph_id};
ANALYZE units;

CREATE TEMP TABLE found ON COMMIT DROP AS
SELECT u.unit, e.*
FROM units u
JOIN extractions e ON e.tenant = {tenant} AND e.collection = {collection} AND e.text_unit_id = u.id;
ANALYZE found;

-- Entities ------------------------------------------------------------------------------------

CREATE TEMP TABLE titles ON COMMIT DROP AS
SELECT f.unit, (m.place - 1)::int AS place, m.title COLLATE "C" AS title, m.type, m.sentence
FROM found f
CROSS JOIN LATERAL ROWS FROM (unnest(f.titles), unnest(f.types), unnest(f.entity_sentences))
    WITH ORDINALITY AS m (title, type, sentence, place);
ANALYZE titles;

-- frequency: text units that mention it. The type that most of them saw; of equals the smallest.
CREATE TEMP TABLE nodes ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY title)::int AS node, title, count(*)::int AS frequency,
    min(unit) AS first_unit,
    coalesce(mode() WITHIN GROUP (ORDER BY type COLLATE "C") FILTER (WHERE type <> ''), '') AS type
FROM titles GROUP BY title HAVING count(*) >= {min_node_freq};
ANALYZE nodes;

CREATE TEMP TABLE mentions ON COMMIT DROP AS
SELECT t.unit, t.place, t.sentence, n.node FROM titles t JOIN nodes n USING (title);
ANALYZE mentions;

-- Relationships -------------------------------------------------------------------------------

CREATE TEMP TABLE pairs ON COMMIT DROP AS
SELECT f.unit, p.source AS source_place, p.target AS target_place, p.weight, p.sentence
FROM found f
CROSS JOIN LATERAL unnest(f.sources, f.targets, f.weights, f.relationship_sentences)
    AS p (source, target, weight, sentence);
ANALYZE pairs;

CREATE TEMP TABLE meetings ON COMMIT DROP AS
SELECT p.unit, s.node AS source, t.node AS target, p.weight, p.sentence
FROM pairs p
JOIN mentions s ON s.unit = p.unit AND s.place = p.source_place
JOIN mentions t ON t.unit = p.unit AND t.place = p.target_place;
ANALYZE meetings;

CREATE TEMP TABLE edges ON COMMIT DROP AS
SELECT source, target, sum(weight) AS times, min(unit) AS first_unit
FROM meetings GROUP BY source, target;
ANALYZE edges;

-- GraphRAG's calculate_pmi_edge_weights: p(edge) * log2(p(edge) / (p(source) * p(target))).
-- What meets no more often than by chance is no relationship (and Leiden takes no weight below 0).
CREATE TEMP TABLE weighed ON COMMIT DROP AS
SELECT source, target, first_unit, weight FROM (
    SELECT e.source, e.target, e.first_unit,
        (e.times / total.times::float8) * (
            ln((e.times / total.times::float8) * total.frequency * total.frequency
               / (s.frequency::float8 * t.frequency)) / ln(2.0::float8)
        ) AS weight
    FROM edges e
    JOIN nodes s ON s.node = e.source
    JOIN nodes t ON t.node = e.target
    CROSS JOIN (
        SELECT (SELECT sum(times) FROM edges) AS times,
            (SELECT sum(frequency)::float8 FROM nodes) AS frequency
    ) AS total
) AS pmi WHERE weight > 0;
ANALYZE weighed;

CREATE TEMP TABLE strong ON COMMIT DROP AS
SELECT source, target, first_unit, weight FROM weighed
WHERE weight >= (
    SELECT percentile_cont({min_edge_weight_pct} / 100.0::float8) WITHIN GROUP (ORDER BY weight)
    FROM weighed
);
ANALYZE strong;

CREATE TEMP TABLE kept ON COMMIT DROP AS
SELECT n.* FROM nodes n LEFT JOIN (
    SELECT node, count(*) AS degree
    FROM (SELECT source AS node FROM strong UNION ALL SELECT target FROM strong) AS ends
    GROUP BY node
) AS d USING (node)
WHERE coalesce(d.degree, 0) >= {min_node_degree};
ANALYZE kept;

CREATE TEMP TABLE bonds ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY s.source, s.target)::int AS bond, s.*,
    a.title AS source_title, b.title AS target_title,
    content_id('relationship', a.title, b.title) AS id
FROM strong s JOIN kept a ON a.node = s.source JOIN kept b ON b.node = s.target;
ANALYZE bonds;

CREATE TEMP TABLE degrees ON COMMIT DROP AS
SELECT node, count(*)::int AS degree
FROM (SELECT source AS node FROM bonds UNION ALL SELECT target FROM bonds) AS ends
GROUP BY node;
ANALYZE degrees;

CREATE TEMP TABLE bond_meetings ON COMMIT DROP AS
SELECT b.bond, m.unit, m.sentence, m.unit = b.first_unit AS first
FROM meetings m JOIN bonds b USING (source, target);
ANALYZE bond_meetings;

-- Descriptions: the sentence in which a thing first occurs ------------------------------------

CREATE TEMP TABLE first_mentions ON COMMIT DROP AS
SELECT k.node, m.unit, m.sentence
FROM kept k JOIN mentions m ON m.node = k.node AND m.unit = k.first_unit;
ANALYZE first_mentions;

-- "|| ''" under OFFSET 0 unpacks a text once, not once a sentence.
CREATE TEMP TABLE sentences ON COMMIT DROP AS
SELECT w.unit, w.sentence, btrim(substr(f.text, f.sentence_starts[w.sentence + 1] + 1,
    f.sentence_ends[w.sentence + 1] - f.sentence_starts[w.sentence + 1])) AS text
FROM (
    SELECT f.unit, f.sentence_starts, f.sentence_ends, t.text || '' AS text
    FROM found f JOIN text_units t
        ON t.tenant = {tenant} AND t.collection = {collection} AND t.id = f.text_unit_id
    OFFSET 0
) AS f
JOIN (
    SELECT unit, sentence FROM first_mentions
    UNION SELECT unit, sentence FROM bond_meetings WHERE first
) AS w USING (unit);
ANALYZE sentences;

CREATE TEMP TABLE entity_descriptions ON COMMIT DROP AS
SELECT m.node, s.text FROM first_mentions m JOIN sentences s USING (unit, sentence);
ANALYZE entity_descriptions;

CREATE TEMP TABLE relationship_descriptions ON COMMIT DROP AS
SELECT m.bond, s.text FROM bond_meetings m JOIN sentences s USING (unit, sentence)
WHERE m.first;
ANALYZE relationship_descriptions;

-- The graph's rows ----------------------------------------------------------------------------

CREATE TEMP TABLE entity_units ON COMMIT DROP AS
SELECT m.node, array_agg(u.id ORDER BY m.unit) AS ids
FROM mentions m JOIN kept USING (node) JOIN units u USING (unit) GROUP BY m.node;
ANALYZE entity_units;

INSERT INTO entities (graph_id, id, human_readable_id, title, type, description, text_unit_ids,
    frequency, degree, embedding_id)
SELECT {graph_id}, content_id('entity', k.title),
    row_number() OVER (ORDER BY k.node) - 1, k.title, k.type, d.text, u.ids, k.frequency,
    coalesce(g.degree, 0), content_id('entity_description', k.title || ': ' || d.text)
FROM kept k
JOIN entity_descriptions d USING (node)
JOIN entity_units u USING (node)
LEFT JOIN degrees g USING (node);

CREATE TEMP TABLE relationship_units ON COMMIT DROP AS
SELECT m.bond, array_agg(u.id ORDER BY m.unit) AS ids
FROM bond_meetings m JOIN units u USING (unit) GROUP BY m.bond;
ANALYZE relationship_units;

INSERT INTO relationships (graph_id, id, human_readable_id, source, target, description, weight,
    combined_degree, text_unit_ids)
SELECT {graph_id}, b.id, b.bond - 1, b.source_title, b.target_title, d.text, b.weight,
    s.degree + t.degree, u.ids
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

INSERT INTO graph_text_units (graph_id, text_unit_id, document_id, human_readable_id, entity_ids,
    relationship_ids)
SELECT {graph_id}, u.id, u.document_id, u.unit, coalesce(e.ids, '{{}}'), coalesce(r.ids, '{{}}')
FROM units u LEFT JOIN unit_entities e USING (unit) LEFT JOIN unit_relationships r USING (unit);
