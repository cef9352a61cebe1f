"""The activity that finds entities which are the same under several titles."""

from temporalio import activity

from graphmill.llm.caller import ModelCaller
from graphmill.messages import GraphRef
from graphmill.ports import ResolutionStore
from graphmill.standard.options import OptionsStore


class ResolutionActivities:
    """Queue: llm."""

    def __init__(self, store: ResolutionStore, options: OptionsStore, caller: ModelCaller) -> None:
        self._store = store
        self._options = options
        self._caller = caller

    @activity.defn
    async def resolve_entities(self, graph: GraphRef) -> int:
        """Decide which titles of the live extractions mean one thing; returns how many go."""
        raise NotImplementedError
