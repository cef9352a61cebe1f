"""What a deployment has spent on models, and how its endpoints fare: figures for monitoring."""

from dataclasses import dataclass

from graphmill.llm.limits import Tries
from graphmill.run_status import ModelUse


@dataclass(frozen=True, slots=True)
class StepUse:
    """Of one step by one model, over all runs and prompt tunings of all collections, deleted ones
    too. What questions to graphs cost is no run's."""

    step: str
    model: str
    use: ModelUse


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """`allowed`: places that the fleet may have in use now; `held`: that living workers have.

    `tries` are those of ever.
    """

    endpoint: str
    places: int
    allowed: int
    held: int
    tries: Tries


@dataclass(frozen=True, slots=True)
class ModelFigures:
    steps: tuple[StepUse, ...]
    endpoints: tuple[EndpointFigures, ...]
