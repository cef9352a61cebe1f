"""What a failure means to a run, and says to people."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

# The run has no money left for a call that it needs.
_OVER_BUDGET = "OverBudget"
# A model endpoint that will answer no call: to go on would fail every document for nothing.
_ENDS_RUN = ("CallRefused", _OVER_BUDGET)


def words_of(error: BaseException) -> str:
    """The words of the innermost cause: around it Temporal says only where it came through."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return error.message if isinstance(error, FailureError) else str(error)


def ends_run(error: BaseException) -> bool:
    """Whether the run ends with this, instead of one document."""
    return _type_of(error) in _ENDS_RUN


def is_over_budget(error: BaseException) -> bool:
    return _type_of(error) == _OVER_BUDGET


def lets_others_end(error: BaseException) -> bool:
    """Whether the run that ends with this waits for what is under way beside it, of which calls
    are in the air and paid for. Only a workflow may ask, when it would wait."""
    if is_over_budget(error):
        return True
    # Runs of before that waited only where the money ended.
    return ends_run(error) and workflow.patched("a-refusal-lets-others-end")


def _type_of(error: BaseException) -> str | None:
    """The name of what an activity raised."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return error.type if isinstance(error, ApplicationError) else None
