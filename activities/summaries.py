"""The activity that makes one description of several."""

from temporalio import activity

from graphmill.llm.caller import ModelCaller
from graphmill.messages import GraphShard
from graphmill.ports import SummaryStore
from graphmill.standard.options import OptionsStore


class SummaryActivities:
    """Queue: llm."""

    def __init__(self, store: SummaryStore, options: OptionsStore, caller: ModelCaller) -> None:
        self._store = store
        self._options = options
        self._caller = caller

    @activity.defn
    async def summarize_descriptions(self, part: GraphShard) -> int:
        """Summarise what waits in this part of the graph; returns how many there were."""
        raise NotImplementedError
