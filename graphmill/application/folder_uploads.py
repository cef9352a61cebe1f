"""What changed in the folders of a schedule becomes documents, and a run."""

import asyncio

from graphmill.application.deletions import Deletions
from graphmill.application.documents import Documents
from graphmill.application.folder import LeftOut, find_files, printable
from graphmill.application.runs import Runs, RunUnderWay
from graphmill.deletions import StartedRun
from graphmill.errors import TransientError
from graphmill.folder_schedules import UploadedFolder
from graphmill.models import CollectionKey
from graphmill.stores.postgres.folder_schedules import PostgresFolderSchedules
from graphmill.uploads import UnreadableUpload


class _InTheWay(TransientError):
    """A run is under way that was not asked for the same: it is waited for."""

    retry_in = 30.0


class FolderUploads:
    """graphmill.folder_schedules.ScheduledFolders. `most_bytes`: of a document."""

    def __init__(
        self,
        schedules: PostgresFolderSchedules,
        documents: Documents,
        deletions: Deletions,
        runs: Runs,
        most_bytes: int,
    ) -> None:
        self._schedules = schedules
        self._documents = documents
        self._deletions = deletions
        self._runs = runs
        self._most_bytes = most_bytes

    async def upload(self, key: CollectionKey) -> UploadedFolder:
        schedule = await self._schedules.load(key)
        found = await asyncio.to_thread(find_files, schedule.paths, self._most_bytes)
        if schedule.prune:
            found.check_prunable()
        plan = await self._documents.plan_upload(key, found.files)
        if plan.uploads:
            # First: whatever dies, the next one knows that a run has something to do.
            await self._schedules.note_change(key)
        unreadable: list[UnreadableUpload] = []
        # Not what makes a collection: it may have been deleted meanwhile.
        counts = await self._documents.upload(
            key, plan.uploads, on_unreadable=unreadable.append, create=False
        )
        paths = {file.name: file.path for file in found.files}
        left_out = (
            *found.left_out,
            *plan.left_out,
            *(LeftOut(printable(paths[one.name]), one.words, one.name) for one in unreadable),
        )
        gone: tuple[str, ...] = ()
        if schedule.prune:
            gone = await self._documents.names_beyond(key, paths, left_out)
            if gone:
                await self._schedules.note_change(key)
                await self._deletions.prune(key, gone)
        if plan.uploads or gone:
            # Once more: a run that was started meanwhile may have looked too early.
            await self._schedules.note_change(key)
        return UploadedFolder(
            new=counts.new,
            changed=counts.changed,
            unchanged=plan.unchanged + counts.unchanged,
            forgotten=len(gone),
            left_out=len(left_out),
            waits=await self._schedules.change(key) is not None,
        )

    async def start_run(self, key: CollectionKey) -> StartedRun:
        schedule = await self._schedules.load(key)
        change = await self._schedules.change(key)
        try:
            run = await self._runs.start(schedule.request)
        except RunUnderWay as error:
            raise _InTheWay(str(error)) from error
        if change is not None:
            await self._schedules.note_started(key, change)
        return StartedRun(run.run_id, run.workflow_id, run.joined)
