"""IndexDocument: one document, from its bytes to its text units and extractions."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.documents import DocumentActivities
    from activities.extraction import ExtractionActivities
    from activities.runs import RunActivities
    from graphmill.errors import FailureReason
    from graphmill.messages import (
        INDEX_DOCUMENT,
        FailDocument,
        IndexDocumentInput,
        IndexDocumentResult,
    )
    from graphmill.models import DocumentState
    from workflows.cancelled import raise_if_cancelled
    from workflows.failures import ends_run, words_of
    from workflows.policies import EXTRACT_DOCUMENT, FAIL_DOCUMENT, PROCESS_DOCUMENT
    from workflows.visibility import show_state


@workflow.defn(name=INDEX_DOCUMENT)
class IndexDocument:
    """A bad document ends failed with its reason, which is a result: nothing stops for it."""

    @workflow.run
    async def run(self, input: IndexDocumentInput) -> IndexDocumentResult:
        try:
            result = await workflow.execute_activity_method(
                DocumentActivities.process_document, input, **PROCESS_DOCUMENT
            )
            if result.state is DocumentState.PENDING and not input.read_only:
                raise_if_cancelled()
                result = await workflow.execute_activity_method(
                    ExtractionActivities.extract_document, input, **EXTRACT_DOCUMENT
                )
        except ActivityError as error:
            if is_cancelled_exception(error) or ends_run(error):
                raise
            reason = f"{FailureReason.CRASHED}: {words_of(error)}"
            await workflow.execute_activity_method(
                RunActivities.fail_document,
                FailDocument(input.key, input.recipe, input.document_id, reason),
                **FAIL_DOCUMENT,
            )
            result = IndexDocumentResult(DocumentState.FAILED, reason)
        if result.state not in (DocumentState.DONE, DocumentState.PENDING):
            # Only these: an upsert for each of millions of good ones would cost more than it tells.
            show_state(result.state)
        workflow.set_current_details(
            f"{result.state}, {result.text_units} text units"
            if result.state is DocumentState.DONE
            else f"{result.state}: {result.reason}"
        )
        return result
