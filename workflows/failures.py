"""What a failure means to a run, and says to people."""

from temporalio.exceptions import ApplicationError, FailureError

# A model endpoint that will answer no call: to go on would fail every document for nothing.
_ENDS_RUN = "CallRefused"


def words_of(error: BaseException) -> str:
    """The words of the innermost cause: around it Temporal says only where it came through."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return error.message if isinstance(error, FailureError) else str(error)


def ends_run(error: BaseException) -> bool:
    """Whether the run ends with this, instead of one document."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return isinstance(error, ApplicationError) and error.type == _ENDS_RUN
