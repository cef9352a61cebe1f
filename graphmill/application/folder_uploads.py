"""What changed in the folders of a schedule becomes documents, and a run."""

import asyncio

from graphmill.application.deletions import Deletions
from graphmill.application.documents import Documents
from graphmill.application.folder import LeftOut, find_files, printable
from graphmill.application.runs import Runs
from graphmill.deletions import StartedRun
from graphmill.folder_schedules import UploadedFolder
from graphmill.models import CollectionKey
from graphmill.stores.postgres.folder_schedules import PostgresFolderSchedules
from graphmill.uploads import UnreadableUpload


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
        plan = await self._documents.plan_upload(key, found.files)
        if plan.uploads:
            # First: whatever dies, the next one knows that a run has something to do.
            await self._schedules.note_change(key)
        unreadable: list[UnreadableUpload] = []
        counts = await self._documents.upload(key, plan.uploads, on_unreadable=unreadable.append)
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
        run = await self._runs.start(schedule.request)
        if change is not None:
            await self._schedules.note_started(key, change)
        return StartedRun(run.run_id, run.workflow_id, run.joined)
