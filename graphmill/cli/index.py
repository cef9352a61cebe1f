"""`graphmill index`: upload what is new or changed, start or join the run, wait for its end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphmill.application.documents import collection_key
from graphmill.application.folder import FoundFiles, LeftOut, find_files, printable
from graphmill.application.run_workflows import RunHandle
from graphmill.cli.console import emit_json, plain, say
from graphmill.cli.progress import file_progress, follow
from graphmill.cli.running import DOCUMENTS_FAILED, ERROR
from graphmill.cli.session import BasicSession, open_basics, settings_for
from graphmill.cli.summary import exit_code_of, show_summary
from graphmill.embedded.stack import Parts
from graphmill.index_request import IndexRequest, check_budget
from graphmill.models import CollectionKey, Method
from graphmill.run_status import RunStatus
from graphmill.uploads import UnreadableUpload

_SHOWN_LEFT_OUT = 20


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """The options of `graphmill index`."""

    paths: tuple[Path, ...]
    collection: str
    method: str | None
    wait: bool
    force_rebuild: bool
    priority: int
    budget_usd: float | None
    batch: bool
    estimate: bool
    prune: bool
    tenant: str | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Uploaded:
    """How many documents were new, changed, left alone and forgotten, and which were left out."""

    new: int
    changed: int
    unchanged: int
    forgotten: int
    # Whether the run finds other bytes or dates than the one before.
    anything: bool
    left_out: tuple[LeftOut, ...]


async def index(options: IndexOptions) -> int:
    settings = settings_for(options.tenant)
    key = collection_key(settings.tenant, options.collection)
    request = IndexRequest(
        key.name,
        key.tenant,
        None if options.method is None else Method(options.method),
        options.force_rebuild,
        options.priority,
        check_budget(options.budget_usd),
        options.batch,
    )
    settings.priorities.check(request.priority)
    # Before anything is started: a path that does not exist should cost nobody a second.
    found = await asyncio.to_thread(find_files, options.paths, settings.limits.document_bytes)
    if options.estimate:
        # Imported when it is needed: the pool of processes and the clients of models.
        from graphmill.cli.estimate import show_estimate

        return await show_estimate(
            found, key, request.method, settings, batch=request.batch, as_json=options.as_json
        )
    start = Parts.RUN if options.wait else None
    async with open_basics(settings, start=start) as session:
        uploaded = await upload_files(session, key, found, prune=options.prune)
        if not options.wait:
            run = await session.app.runs.start(request)
            _show_started(run, uploaded, as_json=options.as_json)
            return left_out_code(0, uploaded)
        status = await run_to_end(session, request)
        if status is None:
            return ERROR
        if not (uploaded.anything or status.processed or options.force_rebuild):
            say(f"nothing to do: none of the {len(found.files):,} files is new or has changed")
        if options.as_json:
            emit_json(status.to_json() | _left_out_to_json(uploaded))
        else:
            show_summary(status)
        return left_out_code(exit_code_of(status), uploaded)


async def upload_files(
    session: BasicSession, key: CollectionKey, found: FoundFiles, *, prune: bool
) -> Uploaded:
    """Upload what is new or changed, and say what was left out.

    With prune, documents are forgotten whose files are neither found nor left out.
    """
    if prune:
        found.check_prunable()
    files = found.files
    documents = session.app.documents
    unreadable: list[UnreadableUpload] = []
    with file_progress() as progress:
        comparing = progress.add_task("comparing files", total=len(files))
        plan = await documents.plan_upload(key, files, lambda file: progress.advance(comparing))
        uploading = progress.add_task("uploading", total=len(plan.uploads))
        counts = await documents.upload(
            key,
            plan.uploads,
            lambda count: progress.advance(uploading, count),
            unreadable.append,
        )
    left_out = (*found.left_out, *plan.left_out, *_left_out_late(found, unreadable))
    gone: tuple[str, ...] = ()
    if prune:
        gone = await documents.names_beyond(key, (file.name for file in files), left_out)
        if gone:
            await session.app.prune(key, gone)
    uploaded = Uploaded(
        new=counts.new,
        changed=counts.changed,
        unchanged=plan.unchanged + counts.unchanged,
        forgotten=len(gone),
        anything=bool(plan.uploads or gone),
        left_out=left_out,
    )
    _say_uploaded(found, uploaded)
    return uploaded


def left_out_code(code: int, uploaded: Uploaded) -> int:
    """The exit code of a command: what was left out is missing from the graph as what failed is."""
    return DOCUMENTS_FAILED if code == 0 and uploaded.left_out else code


def _left_out_late(
    found: FoundFiles, unreadable: Sequence[UnreadableUpload]
) -> tuple[LeftOut, ...]:
    if not unreadable:
        return ()
    paths = {file.name: file.path for file in found.files}
    return tuple(
        LeftOut(printable(paths[error.name]), error.words, error.name) for error in unreadable
    )


def _say_uploaded(found: FoundFiles, uploaded: Uploaded) -> None:
    forgotten = f", {uploaded.forgotten:,} forgotten" if uploaded.forgotten else ""
    left_out = f", {len(uploaded.left_out):,} left out" if uploaded.left_out else ""
    say(
        f"{len(found.files):,} files: {uploaded.new:,} new, {uploaded.changed:,} changed,"
        f" {uploaded.unchanged:,} unchanged{forgotten}{left_out}"
    )
    for file in uploaded.left_out[:_SHOWN_LEFT_OUT]:
        # A line each, whatever the name holds.
        say(" ".join(plain(f"left out: {file.path}: {file.reason}").split("\n")))
    more = len(uploaded.left_out) - _SHOWN_LEFT_OUT
    if more > 0:
        say(f"and {more:,} more left out (--json names all)")
    passed_over = [
        f"{count:,} {words}"
        for count, words in (
            (found.hidden, "hidden files and folders"),
            (found.outward, "links that lead out of the folder"),
            (found.special, "pipes, sockets and devices"),
        )
        if count
    ]
    if passed_over:
        say(f"passed over: {', '.join(passed_over)}")


def _left_out_to_json(uploaded: Uploaded) -> dict[str, list[dict[str, str]]]:
    return {"left_out": [file.to_json() for file in uploaded.left_out]}


async def run_to_end(session: BasicSession, request: IndexRequest) -> RunStatus | None:
    """Start or join a collection's run and show it until it ends. Interrupted, it says what becomes
    of the run."""
    try:
        run = await session.app.runs.start(request)
        if run.joined:
            say("a run of this collection is under way and takes these documents in")
        return await follow(session.app.runs.wait(run))
    except asyncio.CancelledError:
        if session.own_stack:
            say("stopping; the same command goes on where this one stopped")
        else:
            say(
                f"the run goes on. Watch it: graphmill status {request.collection} --watch."
                f" End it: graphmill cancel {request.collection}"
            )
        raise


def _show_started(run: RunHandle, uploaded: Uploaded, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "run_id": run.run_id,
                "workflow_id": run.workflow_id,
                "collection": run.collection,
                "joined": run.joined,
                "uploaded": {
                    "new": uploaded.new,
                    "changed": uploaded.changed,
                    "unchanged": uploaded.unchanged,
                    "forgotten": uploaded.forgotten,
                },
            }
            | _left_out_to_json(uploaded)
        )
        return
    say(
        f"run {run.run_id} {'was joined' if run.joined else 'has started'};"
        f" watch it: graphmill status {run.collection} --watch"
    )
