"""`graphmill rebuild`: make again what is made of PostgreSQL."""

from graphmill.application.documents import collection_key
from graphmill.cli.console import emit_json, say
from graphmill.cli.session import open_session, settings_for
from graphmill.errors import InvalidRequest


async def rebuild(collection: str, tenant: str | None, *, communities: bool, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    if not communities:
        raise InvalidRequest(
            "PostgreSQL holds graph and vectors, and no other store is set that could be written"
            " again; --communities finds communities afresh"
        )
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
    return 0
