"""Activities of folders that are indexed again and again."""

from collections.abc import Callable

from temporalio import activity
from temporalio.client import Client

from activities.heartbeats import heartbeating
from graphmill.deletions import StartedRun
from graphmill.folder_schedules import ScheduledFolders, UploadedFolder
from graphmill.models import CollectionKey


class FolderActivities:
    """Queues: folder (uploads), store."""

    def __init__(self, folders: Callable[[Client], ScheduledFolders]) -> None:
        """`folders`: over the worker's own client of Temporal."""
        self._folders = folders

    @activity.defn
    async def upload_folder(self, key: CollectionKey) -> UploadedFolder:
        """Upload what is new or changed in the folders of the collection's schedule.

        Raises:
            NotFound: it has none.
            InvalidRequest: a folder is not there, or has nothing to index.
        """
        async with heartbeating():
            return await self._folders(activity.client()).upload(key)

    @activity.defn
    async def start_folder_run(self, key: CollectionKey) -> StartedRun:
        """Start the schedule's run, or join the one under way.

        Raises:
            NotFound: there is no schedule any more.
            RunUnderWay: one is under way that was not asked for the same.
        """
        return await self._folders(activity.client()).start_run(key)
