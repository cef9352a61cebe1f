-- The fold: all live extractions of a collection into one graph (GraphRAG's fast method: counts,
-- PMI weights, pruning). Run statement by statement in one transaction. Parameters, by name:
-- {graph_id} {tenant} {collection} {min_node_freq} {min_edge_weight_pct} {min_node_degree}
-- Everything is counted in integers and ordered by code point, so that equal input gives equal rows.

INSERT INTO graph_documents (graph_id, document_id, human_readable_id)
SELECT {graph_id}, id, row_number() OVER (ORDER BY name) - 1
FROM documents WHERE tenant = {tenant} AND collection = {collection} AND state = 'done';

CREATE TEMP TABLE units ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY g.human_readable_id, t.position) - 1)::int AS number,
    t.id, t.document_id
FROM graph_documents g
JOIN text_units t ON t.tenant = {tenant} AND t.collection = {collection}
    AND t.document_id = g.document_id AND t.live
WHERE g.graph_id = {graph_id};

CREATE TEMP TABLE mentions ON COMMIT DROP AS
SELECT u.number, m.title COLLATE "C" AS title, m.type, m.sentence
FROM units u
JOIN extractions e ON e.tenant = {tenant} AND e.collection = {collection} AND e.text_unit_id = u.id
CROSS JOIN LATERAL unnest(e.titles, e.types, e.entity_sentences) AS m (title, type, sentence);

-- frequency: text units that mention it. The type that most of them saw; of equals the smallest.
CREATE TEMP TABLE frequent ON COMMIT DROP AS
SELECT title, count(*)::int AS frequency, min(number) AS first_unit,
    coalesce(mode() WITHIN GROUP (ORDER BY type COLLATE "C") FILTER (WHERE type <> ''), '') AS type
FROM mentions GROUP BY title HAVING count(*) >= {min_node_freq};

ANALYZE frequent;

CREATE TEMP TABLE pairs ON COMMIT DROP AS
SELECT u.number, p.sentence, p.weight,
    e.titles[p.source + 1] COLLATE "C" AS source, e.titles[p.target + 1] COLLATE "C" AS target
FROM units u
JOIN extractions e ON e.tenant = {tenant} AND e.collection = {collection} AND e.text_unit_id = u.id
CROSS JOIN LATERAL unnest(e.sources, e.targets, e.weights, e.relationship_sentences)
    AS p (source, target, weight, sentence);

CREATE TEMP TABLE edges ON COMMIT DROP AS
SELECT p.source, p.target, sum(p.weight) AS times, min(p.number) AS first_unit
FROM pairs p JOIN frequent s ON s.title = p.source JOIN frequent t ON t.title = p.target
GROUP BY p.source, p.target;

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
    JOIN frequent s ON s.title = e.source
    JOIN frequent t ON t.title = e.target
    CROSS JOIN (
        SELECT (SELECT sum(times) FROM edges) AS times,
            (SELECT sum(frequency)::float8 FROM frequent) AS frequency
    ) AS total
) AS pmi WHERE weight > 0;

CREATE TEMP TABLE strong ON COMMIT DROP AS
SELECT source, target, first_unit, weight FROM weighed
WHERE weight >= (
    SELECT percentile_cont({min_edge_weight_pct} / 100.0::float8) WITHIN GROUP (ORDER BY weight)
    FROM weighed
);

CREATE TEMP TABLE kept ON COMMIT DROP AS
SELECT f.title, f.type, f.frequency, f.first_unit
FROM frequent f LEFT JOIN (
    SELECT title, count(*) AS degree
    FROM (SELECT source AS title FROM strong UNION ALL SELECT target FROM strong) AS ends
    GROUP BY title
) AS d USING (title)
WHERE coalesce(d.degree, 0) >= {min_node_degree};

CREATE TEMP TABLE bonds ON COMMIT DROP AS
SELECT s.source, s.target, s.first_unit, s.weight
FROM strong s JOIN kept a ON a.title = s.source JOIN kept b ON b.title = s.target;

CREATE TEMP TABLE degrees ON COMMIT DROP AS
SELECT title, count(*)::int AS degree
FROM (SELECT source AS title FROM bonds UNION ALL SELECT target FROM bonds) AS ends
GROUP BY title;

ANALYZE kept;
ANALYZE bonds;
ANALYZE degrees;

-- Descriptions are the sentences in which a thing first occurs.
INSERT INTO entities (graph_id, id, human_readable_id, title, type, description, text_unit_ids,
    frequency, degree, embedding_id)
SELECT {graph_id}, content_id('entity', k.title),
    row_number() OVER (ORDER BY k.title) - 1, k.title, k.type, d.description, a.ids, k.frequency,
    coalesce(g.degree, 0), content_id('entity_description', k.title || ': ' || d.description)
FROM kept k
LEFT JOIN degrees g USING (title)
JOIN (
    SELECT m.title, array_agg(u.id ORDER BY m.number) AS ids
    FROM mentions m JOIN kept USING (title) JOIN units u USING (number)
    GROUP BY m.title
) AS a USING (title)
JOIN (
    SELECT m.title, btrim(substr(t.text, e.sentence_starts[m.sentence + 1] + 1,
        e.sentence_ends[m.sentence + 1] - e.sentence_starts[m.sentence + 1])) AS description
    FROM mentions m
    JOIN kept ON kept.title = m.title AND kept.first_unit = m.number
    JOIN units u ON u.number = m.number
    JOIN text_units t ON t.tenant = {tenant} AND t.collection = {collection} AND t.id = u.id
    JOIN extractions e
        ON e.tenant = {tenant} AND e.collection = {collection} AND e.text_unit_id = u.id
) AS d USING (title);

INSERT INTO relationships (graph_id, id, human_readable_id, source, target, description, weight,
    combined_degree, text_unit_ids)
SELECT {graph_id}, content_id('relationship', b.source, b.target),
    row_number() OVER (ORDER BY b.source, b.target) - 1, b.source, b.target, d.description,
    b.weight, s.degree + t.degree, a.ids
FROM bonds b
JOIN degrees s ON s.title = b.source
JOIN degrees t ON t.title = b.target
JOIN (
    SELECT p.source, p.target, array_agg(u.id ORDER BY p.number) AS ids
    FROM pairs p JOIN bonds USING (source, target) JOIN units u ON u.number = p.number
    GROUP BY p.source, p.target
) AS a ON a.source = b.source AND a.target = b.target
JOIN (
    SELECT p.source, p.target, btrim(substr(t.text, e.sentence_starts[p.sentence + 1] + 1,
        e.sentence_ends[p.sentence + 1] - e.sentence_starts[p.sentence + 1])) AS description
    FROM pairs p
    JOIN bonds f ON f.source = p.source AND f.target = p.target AND f.first_unit = p.number
    JOIN units u ON u.number = p.number
    JOIN text_units t ON t.tenant = {tenant} AND t.collection = {collection} AND t.id = u.id
    JOIN extractions e
        ON e.tenant = {tenant} AND e.collection = {collection} AND e.text_unit_id = u.id
) AS d ON d.source = b.source AND d.target = b.target;

INSERT INTO graph_text_units (graph_id, text_unit_id, document_id, human_readable_id, entity_ids,
    relationship_ids)
SELECT {graph_id}, u.id, u.document_id, u.number, coalesce(e.ids, '{{}}'), coalesce(r.ids, '{{}}')
FROM units u
LEFT JOIN (
    SELECT m.number, array_agg(content_id('entity', m.title) ORDER BY m.title) AS ids
    FROM mentions m JOIN kept USING (title) GROUP BY m.number
) AS e USING (number)
LEFT JOIN (
    SELECT p.number,
        array_agg(content_id('relationship', p.source, p.target) ORDER BY p.source, p.target) AS ids
    FROM pairs p JOIN bonds b USING (source, target) GROUP BY p.number
) AS r USING (number);
