"""What the log tells of an activity that ended well: each document, each phase of a run."""

import logging

from graphmill.messages import IndexDocumentResult, Recipe, RunRecord
from graphmill.models import DocumentState, RunState

_WARNED = (DocumentState.FAILED, DocumentState.PARTIAL)
_ON_ITS_WAY = (RunState.RUNNING, RunState.PAUSED)


def told_of(result: object) -> tuple[int, str]:
    """The level and words of its line. Reasons may be told: they are in Temporal's history."""
    match result:
        case IndexDocumentResult(DocumentState.PENDING):
            return logging.DEBUG, "the document is read, and waits for a model"
        case IndexDocumentResult(DocumentState.DONE, _, text_units, entities):
            return logging.INFO, f"document done: {text_units} text units, {entities} entities"
        case IndexDocumentResult(state, reason):
            level = logging.WARNING if state in _WARNED else logging.INFO
            return level, f"document {state}: {reason}"
        case Recipe(method):
            return logging.INFO, f"run opened: method {method}"
        case RunRecord(_, state, phase) if state in _ON_ITS_WAY:
            return logging.INFO, f"run {state}: {phase}"
        case RunRecord(_, state, _, reason):
            level = logging.INFO if state is RunState.COMPLETED else logging.WARNING
            return level, f"run {state}" + (f": {reason}" if reason else "")
        case _:
            return logging.DEBUG, "ended"
