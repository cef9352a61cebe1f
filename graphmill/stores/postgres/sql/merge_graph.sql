-- Method fast (as GraphRAG's: counts, PMI weights, pruning), between graph_units.sql and
-- graph_rows.sql: from live extractions to the tables kept, mentions, entity_descriptions, bonds,
-- bond_meetings and relationship_descriptions. What stands in braces is filled in:
-- {tenant} {collection} {min_node_freq} {min_edge_weight_pct} {min_node_degree}

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
SELECT m.node, s.text, '{{}}'::text[] AS descriptions
FROM first_mentions m JOIN sentences s USING (unit, sentence);
ANALYZE entity_descriptions;

CREATE TEMP TABLE relationship_descriptions ON COMMIT DROP AS
SELECT m.bond, s.text, '{{}}'::text[] AS descriptions
FROM bond_meetings m JOIN sentences s USING (unit, sentence) WHERE m.first;
ANALYZE relationship_descriptions;
