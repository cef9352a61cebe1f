"""A workflow that people start goes by the id of what its input names: tenant and collection."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError


def check_own_id_or_below(expected: str) -> None:
    """That, or with "/" and a word behind it: several may go on at once.

    Raises:
        ApplicationError: it is another; not retryable.
    """
    actual = workflow.info().workflow_id
    if actual != expected and not actual.startswith(f"{expected}/"):
        raise ApplicationError(
            f"the workflow id is {actual!r}; for this input it must be {expected!r}, or that with"
            " '/' and a word of your own behind it",
            type="InvalidRequest",
            non_retryable=True,
        )


def check_own_id(expected: str, so_that: str) -> None:
    """
    Raises:
        ApplicationError: it is another; not retryable.
    """
    actual = workflow.info().workflow_id
    if actual != expected:
        raise ApplicationError(
            f"the workflow id is {actual!r}; for this input it must be {expected!r}, so that"
            f" {so_that}",
            type="InvalidRequest",
            non_retryable=True,
        )
