-- Stores that hold the vectors of published graphs too.

-- A graph may be published again as it stands: embedded by another model, or with vectors that were
-- missing. Its rows are the same, and what those stores hold of its vectors is not, so they need more
-- than its id to tell what they hold.
ALTER TABLE graphs ADD COLUMN publications int NOT NULL DEFAULT 0;
UPDATE graphs SET publications = 1 WHERE published;
ALTER TABLE graphs ADD COLUMN version text NOT NULL
    GENERATED ALWAYS AS (id::text || CASE WHEN publications > 1 THEN '.' || publications ELSE '' END)
    STORED;

-- So that comparing them does not read them; NULL: zeros (a text without tokens), near to nothing.
ALTER TABLE vectors ADD COLUMN digest uuid
    GENERATED ALWAYS AS (CASE WHEN vector_norm(embedding) > 0
        THEN md5(vector_send(embedding))::uuid END)
    STORED;
