"""The activity that has a model write community reports."""

from temporalio import activity

from graphmill.llm.caller import ModelCaller
from graphmill.messages import GraphShard
from graphmill.ports import ModelReportStore
from graphmill.standard.options import OptionsStore


class ModelReportActivities:
    """Queue: llm."""

    def __init__(self, store: ModelReportStore, options: OptionsStore, caller: ModelCaller) -> None:
        self._store = store
        self._options = options
        self._caller = caller

    @activity.defn
    async def write_model_reports(self, part: GraphShard) -> int:
        """Write the reports that are missing in this part of the graph; returns how many."""
        raise NotImplementedError
