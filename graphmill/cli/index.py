"""`graphmill index`: upload what is new or changed, start or join the run, wait for its end."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from graphmill.application.documents import UploadPlan, collection_key
from graphmill.application.folder import FoundFile, find_files
from graphmill.application.runs import RunHandle
from graphmill.cli.console import emit_json, say
from graphmill.cli.progress import file_progress, follow
from graphmill.cli.running import ERROR
from graphmill.cli.session import Session, open_session, settings_for
from graphmill.cli.summary import exit_code_of, show_summary
from graphmill.embedded.stack import Parts
from graphmill.ids import document_id
from graphmill.messages import IndexRequest
from graphmill.models import CollectionKey, Method
from graphmill.run_status import RunStatus


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """The options of `graphmill index`."""

    paths: tuple[Path, ...]
    collection: str
    method: str
    wait: bool
    force_rebuild: bool
    priority: int
    prune: bool
    tenant: str | None
    as_json: bool


async def index(options: IndexOptions) -> int:
    settings = settings_for(options.tenant)
    key = collection_key(settings.tenant, options.collection)
    # Before anything is started: a path that does not exist should cost nobody a second.
    files = await asyncio.to_thread(find_files, options.paths, settings.limits.document_bytes)
    start = Parts.RUN if options.wait else None
    async with open_session(settings, start=start) as session:
        plan, pruned = await upload_files(session, key, files, prune=options.prune)
        request = IndexRequest(
            key.name, key.tenant, Method(options.method), options.force_rebuild, options.priority
        )
        run = await session.app.runs.start(request)
        if not options.wait:
            _show_started(run, plan, pruned, as_json=options.as_json)
            return 0
        status = await wait_for(session, run)
        if status is None:
            return ERROR
        if not (plan.uploads or pruned or status.processed or options.force_rebuild):
            say(f"nothing to do: none of the {len(files):,} files is new or has changed")
        if options.as_json:
            emit_json(status.to_json())
        else:
            show_summary(status)
        return exit_code_of(status)


async def upload_files(
    session: Session, key: CollectionKey, files: tuple[FoundFile, ...], *, prune: bool
) -> tuple[UploadPlan, int]:
    """Upload what is new or changed; with prune, forget documents whose files are not among these.

    Gives what was uploaded and how many were forgotten.
    """
    documents = session.app.documents
    with file_progress() as progress:
        comparing = progress.add_task("comparing files", total=len(files))
        plan = await documents.plan_upload(key, files, lambda file: progress.advance(comparing))
        uploading = progress.add_task("uploading", total=len(plan.uploads))
        await documents.upload(key, plan.uploads, lambda count: progress.advance(uploading, count))
    gone: tuple[str, ...] = ()
    if prune:
        gone = await documents.names_beyond(key, (file.name for file in files))
        if gone:
            await documents.delete(key, [document_id(name) for name in gone])
    forgotten = f", {len(gone):,} forgotten" if gone else ""
    say(
        f"{len(files):,} files: {plan.new:,} new, {plan.changed:,} changed,"
        f" {plan.unchanged + plan.redated:,} unchanged{forgotten}"
    )
    return plan, len(gone)


async def wait_for(session: Session, run: RunHandle) -> RunStatus | None:
    """Show a run until it ends. Interrupted, it says what becomes of the run."""
    if run.joined:
        say("a run of this collection is under way and takes these documents in")
    try:
        return await follow(session.app.runs.wait(run))
    except asyncio.CancelledError:
        if session.own_stack:
            say("stopping; the same command goes on where this one stopped")
        else:
            say(
                f"the run goes on. Watch it: graphmill status {run.collection} --watch."
                f" End it: graphmill cancel {run.collection}"
            )
        raise


def _show_started(run: RunHandle, plan: UploadPlan, pruned: int, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "run_id": run.run_id,
                "workflow_id": run.workflow_id,
                "collection": run.collection,
                "joined": run.joined,
                "uploaded": {
                    "new": plan.new,
                    "changed": plan.changed,
                    "unchanged": plan.unchanged + plan.redated,
                    "forgotten": pruned,
                },
            }
        )
        return
    say(
        f"run {run.run_id} {'was joined' if run.joined else 'has started'};"
        f" watch it: graphmill status {run.collection} --watch"
    )
