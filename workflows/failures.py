"""What a failure says to people."""

from temporalio.exceptions import FailureError


def words_of(error: BaseException) -> str:
    """The words of the innermost cause: around it Temporal says only where it came through."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return error.message if isinstance(error, FailureError) else str(error)
