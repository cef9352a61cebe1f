-- Search by words. One GIN index serves all collections, so the collection is a lexeme of its own in
-- every row: a word of one collection is found without reading the matches of all others.
-- 'english' also serves other languages: what its stemmer does not know it leaves as it is.
-- left(): a tsvector holds 1 MB at most, and a larger one would refuse the row.
CREATE FUNCTION text_unit_terms(tenant text, collection text, text text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector('pg_catalog.english', left(text, 200000))
       || array_to_tsvector(ARRAY[tenant || '/' || collection]);

CREATE INDEX text_units_by_terms ON text_units
    USING gin (text_unit_terms(tenant, collection, text));
