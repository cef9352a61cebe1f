-- A published graph keeps what it says of its documents until the next one is published: a document
-- that was changed or deleted meanwhile is shown and exported as the graph has it.

-- graphmill.models.ParsedDocument, what was read of one version of a document.
CREATE TABLE parsed_documents (
    tenant          text NOT NULL,
    collection      text NOT NULL,
    document_id     uuid NOT NULL,
    digest          bytea NOT NULL,         -- of the version, and of what it was read by
    format          text NOT NULL,
    title           text NOT NULL,
    text            text NOT NULL,
    pages           int NOT NULL,
    PRIMARY KEY (tenant, collection, document_id, digest),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE
);

-- NULL: it was not read, or in vain.
ALTER TABLE documents ADD COLUMN parsed bytea;
UPDATE documents SET parsed = sha256(version || coalesce(read_by, recipe, ''))
WHERE format <> '';
INSERT INTO parsed_documents
SELECT tenant, collection, id, parsed, format, title, text, pages FROM documents
WHERE parsed IS NOT NULL;
ALTER TABLE documents DROP COLUMN format, DROP COLUMN title, DROP COLUMN text, DROP COLUMN pages;

ALTER TABLE graph_documents ADD COLUMN name text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE graph_documents ADD COLUMN version bytea NOT NULL DEFAULT '';
ALTER TABLE graph_documents ADD COLUMN size bigint NOT NULL DEFAULT 0;
ALTER TABLE graph_documents ADD COLUMN creation_date timestamptz NOT NULL DEFAULT 'epoch';
ALTER TABLE graph_documents ADD COLUMN parsed bytea NOT NULL DEFAULT '';
UPDATE graph_documents g
SET name = d.name, version = d.version, size = d.size, creation_date = d.creation_date,
    parsed = coalesce(d.parsed, '')
FROM graphs, documents d
WHERE graphs.id = g.graph_id AND d.tenant = graphs.tenant AND d.collection = graphs.collection
    AND d.id = g.document_id;
