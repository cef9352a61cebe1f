"""IndexFolder: what changed in the folders of a collection's schedule goes into its graph.

A schedule starts it (`graphmill schedule`), or people do. Two of a collection at once come to the
same: each uploads what differs, and both join one run.
"""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.folders import FolderActivities
    from graphmill.folder_schedules import (
        INDEX_FOLDER,
        FolderRequest,
        IndexedFolder,
        folder_workflow_id,
    )
    from workflows.own_id import check_own_id_or_below
    from workflows.policies import START_FOLDER_RUN, UPLOAD_FOLDER
    from workflows.visibility import show_collection
    from workflows.written_by_hand import read_request


@workflow.defn(name=INDEX_FOLDER)
class IndexFolder:
    @workflow.run
    async def run(self, *inputs: Any) -> IndexedFolder:
        """One input: the JSON of a FolderRequest. Plain, as IndexCollection's is."""
        key = _read_input(inputs).key
        show_collection(key)
        uploaded = await workflow.execute_activity_method(
            FolderActivities.upload_folder, key, summary=key.name, **UPLOAD_FOLDER
        )
        if not uploaded.waits:
            return IndexedFolder(uploaded, None)
        run = await workflow.execute_activity_method(
            FolderActivities.start_folder_run, key, summary=key.name, **START_FOLDER_RUN
        )
        return IndexedFolder(uploaded, run)


def _read_input(inputs: Sequence[Any]) -> FolderRequest:
    request = read_request(inputs, FolderRequest.from_json)
    check_own_id_or_below(folder_workflow_id(request.key))
    return request
