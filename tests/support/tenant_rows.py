"""A row of a tenant in every table that holds rows of tenants."""

import asyncpg

# $1 is the tenant. The next table's row may point to those before.
_GRAPH = "(SELECT id FROM graphs WHERE tenant = $1)"
_UNIT = "(SELECT id FROM text_units WHERE tenant = $1)"
_ROWS = {
    "collections": "(tenant, name) VALUES ($1, 'files')",
    "contents": "(tenant, collection, version, part, bytes) VALUES ($1, 'files', 'v', 0, 'b')",
    "documents": "(tenant, collection, id, name, version, size, creation_date)"
    " VALUES ($1, 'files', gen_random_uuid(), 'a.txt', 'v', 1, now())",
    "parsed_documents": "SELECT $1, 'files', gen_random_uuid(), 'd', 'txt', 't', 'text', 1",
    "text_units": "(tenant, collection, id, document_id, position, text, n_tokens)"
    " VALUES ($1, 'files', gen_random_uuid(), gen_random_uuid(), 0, 'a river', 2)",
    "extractions": f"SELECT $1, 'files', {_UNIT}, '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}',"
    " '{}', '{}', '{}', '{}'",
    "model_extractions": f"SELECT $1, 'files', {_UNIT}, '', '', '{{}}', '{{}}', '{{}}', '{{}}',"
    " '{}', '{}', '{}', '{}', '{}', '{}', 0",
    "claim_extractions": f"SELECT $1, 'files', {_UNIT}, '', '', '{{}}', '{{}}', '{{}}', '{{}}',"
    " '{}', '{}', '{}', '{}', '{}'",
    "graphs": "(tenant, collection, digest) VALUES ($1, 'files', '')",
    "graph_documents": "(tenant, graph_id, document_id, human_readable_id)"
    f" SELECT $1, {_GRAPH}, gen_random_uuid(), 0",
    "graph_text_units": "(tenant, graph_id, text_unit_id, document_id, human_readable_id)"
    f" SELECT $1, {_GRAPH}, {_UNIT}, gen_random_uuid(), 0",
    "entities": "(tenant, graph_id, id, human_readable_id, title, type, description,"
    " text_unit_ids, frequency, degree, embedding_id)"
    f" SELECT $1, {_GRAPH}, gen_random_uuid(), 0, 'A', '', '', '{{}}', 1, 1, gen_random_uuid()",
    "relationships": "(tenant, graph_id, id, human_readable_id, source, target, description,"
    f" weight, combined_degree, text_unit_ids) SELECT $1, {_GRAPH}, gen_random_uuid(), 0, 'A',"
    " 'B', '', 1, 2, '{}'",
    "covariates": "(tenant, graph_id, id, human_readable_id, type, description, subject_id,"
    " object_id, status, start_date, end_date, source_text, text_unit_id)"
    f" SELECT $1, {_GRAPH}, gen_random_uuid(), 0, '', '', 'A', 'B', 'TRUE', '', '', '', {_UNIT}",
    "communities": "(tenant, graph_id, id, community, level, parent, children, title, entity_ids,"
    f" relationship_ids, text_unit_ids, period, size) SELECT $1, {_GRAPH}, gen_random_uuid(), 0,"
    " 0, -1, '{}', '', '{}', '{}', '{}', '', 1",
    "community_reports": "(tenant, graph_id, id, community, level, parent, children, title,"
    " summary, full_content, rank, rating_explanation, findings, full_content_json, period, size,"
    f" embedding_id) SELECT $1, {_GRAPH}, gen_random_uuid(), 0, 0, -1, '{{}}', '', '', '', 1, '',"
    " '[]', '', '', 1, gen_random_uuid()",
    "model_gaps": "(tenant, graph_id, kind, id, reason)"
    f" SELECT $1, {_GRAPH}, 'report', gen_random_uuid(), 'refused'",
    "entity_resolutions": "(tenant, graph_id, title, canonical, step, reason)"
    f" SELECT $1, {_GRAPH}, 'A', 'B', 'person', ''",
    "resolution_decisions": "(tenant, graph_id, title, other, same, step, reason)"
    f" SELECT $1, {_GRAPH}, 'A', 'B', true, 'person', ''",
    "resolution_verdicts": "(tenant, collection, title, other, same)"
    " VALUES ($1, 'files', 'A', 'B', true)",
    "vectors": "VALUES ($1, 'files', 'text_unit_text', 'm', gen_random_uuid(), '[1,2]')",
    "embedding_gaps": "VALUES ($1, 'files', 'text_unit_text', 'm', gen_random_uuid(), 'refused')",
    "projections": "(tenant, collection, store) VALUES ($1, 'files', 'neo4j')",
    "runs": "(id, tenant, collection, workflow_id, method, state, phase)"
    " VALUES (gen_random_uuid(), $1, 'files', '', 'fast', 'completed', 'done')",
    "standard_options": "VALUES ($1, 'files', 'd', '{}')",
    "collection_prompts": "(tenant, collection, version, content) VALUES ($1, 'files', 'v', '{}')",
    "prompt_tunings": "(id, tenant, collection) VALUES (gen_random_uuid(), $1, 'files')",
    "model_calls": "(tenant, key, attempt, valid, answer, collection, step, model, endpoint,"
    " prompt_tokens, completion_tokens, nano_usd)"
    " VALUES ($1, 'k', 0, true, 'an answer', 'files', 's', 'm', 'e', 1, 1, 1)",
    "model_claims": "VALUES ($1, 'k', gen_random_uuid())",
    "model_accounts": "(run_id, step, model, slot, tenant, collection)"
    " VALUES (gen_random_uuid(), 's', 'm', 0, $1, 'files')",
    "model_batches": "(digest, tenant, collection, run_id, endpoint, model, lines,"
    " reserved_nano_usd)"
    " VALUES ('batch of ' || $1, $1, 'files', gen_random_uuid(), 'e', 'm', 1, 0)",
    "model_batch_questions": "(run_id, key, tenant, collection, step, model, question, size,"
    " prompt_tokens) VALUES (gen_random_uuid(), 'k', $1, 'files', 's', 'm', '{}', 1, 1)",
    "text_vectors": "(tenant, key, model, collection, endpoint, embedding)"
    " VALUES ($1, 'k', 'm', 'files', 'e', '[1,2]')",
    "api_keys": "(id, tenant, name, digest, scopes)"
    " VALUES ('key of ' || $1, $1, 'a page', 'd', '{read}')",
    "idempotent_answers": "(tenant, key, request, answer) VALUES ($1, 'k', 'r', 'a')",
    "folder_schedules": "(tenant, collection, paths, every, prune, request)"
    " VALUES ($1, 'files', '{/data}', '1 day', false, '{}')",
    "vector_dimensions": "(tenant, model, dimensions) VALUES ($1, 'm', 2)",
}


async def write_a_row_in_every_table(pool: asyncpg.Pool, tenant: str) -> None:
    """Of a collection `files`; `pool`: the tables' owner's."""
    for table, row in _ROWS.items():
        # Where $1 stands alone in a SELECT nothing tells its type.
        await pool.execute(f"INSERT INTO {table} {row}".replace("$1", "$1::text"), tenant)
