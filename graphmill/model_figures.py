"""What a deployment has spent on models, and how its endpoints fare: figures for monitoring."""

from dataclasses import dataclass

from graphmill.run_status import ModelUse


@dataclass(frozen=True, slots=True)
class StepUse:
    """Of one step by one model, over all runs of all collections, deleted ones too."""

    step: str
    model: str
    use: ModelUse


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """`allowed`: places that the fleet may have in use now; `held`: that living workers have.

    The others count tries, ever: `overloaded` ones were refused because there were too many, or
    had no answer in time as many others; `timed_out`: single ones; `failed`: nothing usable came.
    """

    endpoint: str
    places: int
    allowed: float
    held: int
    answered: int
    overloaded: int
    timed_out: int
    failed: int


@dataclass(frozen=True, slots=True)
class ModelFigures:
    steps: tuple[StepUse, ...]
    endpoints: tuple[EndpointFigures, ...]
