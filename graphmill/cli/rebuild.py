"""`graphmill rebuild`: make again what is made of PostgreSQL."""

from graphmill.application.documents import collection_key
from graphmill.cli.console import emit_json, say
from graphmill.cli.session import open_session, settings_for
from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey
from graphmill.settings import Settings
from graphmill.stores.projected import has_projected_stores


async def rebuild(
    collection: str, tenant: str | None, *, communities: bool, wait: bool, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    if communities:
        await _find_communities(settings, key, as_json=as_json)
    else:
        await _write_stores(settings, key, wait=wait, as_json=as_json)
    return 0


async def _find_communities(settings: Settings, key: CollectionKey, *, as_json: bool) -> None:
    async with open_session(settings) as session:
        run = await session.app.runs.find_communities_afresh(key)
    if as_json:
        emit_json(
            {"run_id": run.run_id, "workflow_id": run.workflow_id, "collection": run.collection}
        )
    else:
        say(
            f"run {run.run_id} makes the graph of {key.name} anew, with communities found afresh;"
            f" watch it: graphmill status {key.name} --watch"
        )


async def _write_stores(
    settings: Settings, key: CollectionKey, *, wait: bool, as_json: bool
) -> None:
    if not has_projected_stores(settings):
        raise InvalidRequest(
            "PostgreSQL holds graph and vectors, and no other store is set that could be written"
            " again (NEO4J_URI, QDRANT_URL); --communities finds communities afresh"
        )
    async with open_session(settings) as session:
        workflow_id = await session.app.projections.rebuild(key)
        written = await session.app.projections.wait(workflow_id) if wait else ()
    if as_json:
        stores = [
            {"store": one.store, "written": one.written, "removed": one.removed} for one in written
        ]
        emit_json({"workflow_id": workflow_id, "collection": key.name, "stores": stores})
    elif wait:
        for one in written:
            say(f"{one.store}: {one.written:,} records written, {one.removed:,} removed")
    else:
        say(
            f"workflow {workflow_id} writes the graph of {key.name} again; watch it: graphmill"
            f" status {key.name}; look at the outcome: graphmill check {key.name}"
        )
