-- Every row carries its tenant, and who acts for one sees no other's: row-level security, which denies
-- where nothing is said (docs/decisions/tenants.md). The API and the commands run their statements as
-- the role graphmill_tenant; workers serve all tenants and stay the owner of the tables, whom policies
-- do not bind.

-- Roles are the server's, not this database's: others may have made it before, or make it just now.
DO $$
DECLARE
    to_do constant text := format(
        'CREATE ROLE graphmill_tenant NOLOGIN; GRANT graphmill_tenant TO %I;', current_user);
    found pg_roles;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'graphmill_tenant') THEN
        BEGIN
            CREATE ROLE graphmill_tenant NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE insufficient_privilege USING MESSAGE = format(
                    'the role graphmill_tenant is missing, and %I may not make it; an administrator'
                    ' of PostgreSQL has to run: %s', current_user, to_do);
        END;
    END IF;
    BEGIN
        -- Tried, not asked: who makes a role is a member, and may not become it from PostgreSQL 16 on.
        SET LOCAL ROLE graphmill_tenant;
        RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
        BEGIN
            GRANT graphmill_tenant TO CURRENT_USER;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE insufficient_privilege USING MESSAGE = format(
                '%I may not act as the role graphmill_tenant; an administrator of PostgreSQL has to'
                ' run: GRANT graphmill_tenant TO %I;', current_user, current_user);
        END;
    END;
    SELECT * INTO found FROM pg_roles WHERE rolname = 'graphmill_tenant';
    IF found.rolsuper OR found.rolbypassrls
        OR pg_has_role('graphmill_tenant', current_user, 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            'policies do not bind the role graphmill_tenant: it is superuser, has BYPASSRLS or is a'
            ' member of the tables'' owner; an administrator of PostgreSQL has to take that from it';
    END IF;
    IF NOT has_schema_privilege('graphmill_tenant', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO graphmill_tenant', current_schema());
    END IF;
END
$$;

-- Rows that knew their tenant by their graph alone. One default for all, which rewrites no table, and
-- then the rows of other tenants. The foreign key holds a row to its graph's tenant.
ALTER TABLE graphs ADD UNIQUE (tenant, id);
ALTER TABLE collections DROP CONSTRAINT collections_graph_id_fkey,
    ADD FOREIGN KEY (tenant, graph_id) REFERENCES graphs (tenant, id);

DO $$
DECLARE
    of_most text := coalesce(
        (SELECT tenant FROM graphs GROUP BY tenant ORDER BY count(*) DESC, tenant LIMIT 1), '');
    of_a_graph text;
BEGIN
    FOREACH of_a_graph IN ARRAY ARRAY['graph_documents', 'graph_text_units', 'entities',
        'relationships', 'covariates', 'communities', 'community_reports', 'entity_resolutions',
        'resolution_decisions', 'model_gaps']
    LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN tenant text NOT NULL DEFAULT %L',
            of_a_graph, of_most);
        EXECUTE format('UPDATE %I t SET tenant = g.tenant FROM graphs g'
            ' WHERE g.id = t.graph_id AND g.tenant <> %L', of_a_graph, of_most);
        EXECUTE format('ALTER TABLE %I ALTER COLUMN tenant DROP DEFAULT, DROP CONSTRAINT %I,'
            ' ADD FOREIGN KEY (tenant, graph_id) REFERENCES graphs (tenant, id) ON DELETE CASCADE',
            of_a_graph, of_a_graph || '_graph_id_fkey');
        -- A graph is one tenant's: its tenant, asked for beside its id, leaves out no row, and a
        -- planner that does not know so takes ten thousand rows for few.
        EXECUTE format('CREATE STATISTICS %I (dependencies) ON tenant, graph_id FROM %I',
            of_a_graph || '_graph_and_tenant', of_a_graph);
        EXECUTE format('ANALYZE %I', of_a_graph);
    END LOOP;
END
$$;

-- What a migration does with a new table that has rows of tenants. Without it the role may not even
-- name the table; a test looks that no table is forgotten.
CREATE FUNCTION guard_by_tenant(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    -- In a subselect it is read once a statement, not once a row. Nobody is ''.
    EXECUTE format('CREATE POLICY of_its_tenant ON %s'
        ' USING (tenant = (SELECT nullif(current_setting(''graphmill.tenant'', true), '''')))'
        ' WITH CHECK (tenant = (SELECT nullif(current_setting(''graphmill.tenant'', true), '''')))',
        guarded);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO graphmill_tenant', guarded);
END
$$;
REVOKE EXECUTE ON FUNCTION guard_by_tenant FROM PUBLIC;

SELECT guard_by_tenant(guarded::regclass) FROM unnest(ARRAY['collections', 'contents', 'documents',
    'parsed_documents', 'text_units', 'extractions', 'graphs', 'graph_documents', 'graph_text_units',
    'entities', 'relationships', 'covariates', 'communities', 'community_reports', 'vectors', 'runs',
    'model_calls', 'model_claims', 'model_accounts', 'model_batches', 'model_batch_questions',
    'model_gaps', 'standard_options', 'model_extractions', 'claim_extractions', 'entity_resolutions',
    'resolution_decisions', 'resolution_verdicts', 'text_vectors', 'vector_dimensions',
    'embedding_gaps', 'collection_prompts', 'prompt_tunings']) AS guarded;
GRANT USAGE ON SEQUENCE queue_positions TO graphmill_tenant;
-- Who asks a model for a question's vector has to know whether others that ask it still live.
GRANT SELECT ON model_sessions TO graphmill_tenant;

-- Sums of all tenants, which nobody else writes or reads: the trigger does as the tables' owner.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION keep_gone_accounts SECURITY DEFINER'
        ' SET search_path = %I, pg_temp', current_schema());
END
$$;

-- Search by words. Under a policy no index finds them, since @@ is not leakproof: PostgreSQL would
-- stem every text of the tenant. So this reads as the tables' owner, and keeps to the tenant itself.
-- The words' matches are materialized first and filtered by collection after: the planner may not turn
-- the index condition into a filter. Names in such a body are bound once, whatever the search_path.
-- ROWS: as few as the planner takes @@ to find, so that what is found is looked up and not hashed.
CREATE FUNCTION text_units_with_words(the_collection text, asked text[])
RETURNS TABLE (i bigint, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH words AS (
        SELECT place - 1 AS i,
            plainto_tsquery('pg_catalog.english', word)
                && quote_literal(current_setting('graphmill.tenant', true) || '/' || the_collection)
                    ::tsquery AS query
        FROM unnest(asked) WITH ORDINALITY AS each (word, place)
        WHERE numnode(plainto_tsquery('pg_catalog.english', word)) > 0
    ), hits AS MATERIALIZED (
        SELECT words.i, t.tenant, t.collection, t.id
        FROM words
        JOIN text_units t ON text_unit_terms(t.tenant, t.collection, t.text) @@ words.query
    )
    SELECT hits.i, hits.id FROM hits
    WHERE hits.tenant = nullif(current_setting('graphmill.tenant', true), '')
        AND hits.collection = the_collection;
END;
REVOKE EXECUTE ON FUNCTION text_units_with_words FROM PUBLIC;
GRANT EXECUTE ON FUNCTION text_units_with_words TO graphmill_tenant;
