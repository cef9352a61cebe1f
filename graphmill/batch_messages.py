"""What crosses Temporal of steps whose questions are asked in batches."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from graphmill.messages import GraphRef, Recipe
from graphmill.models import CollectionKey

ASK_IN_BATCHES = "AskInBatches"
CANCEL_BATCHES = "CancelBatches"


class BatchedStep(StrEnum):
    """Steps whose questions go in batches."""

    EXTRACTIONS = "extractions"
    DESCRIPTIONS = "descriptions"
    REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class BatchRun:
    """The batches of a collection, and which run works on them."""

    key: CollectionKey
    run_id: UUID


@dataclass(frozen=True, slots=True)
class AskInBatchesInput:
    """Ask what a step has no answer for: of extractions, all documents that wait, by this recipe;
    of the others, this graph, in which `items` wait."""

    run: BatchRun
    step: BatchedStep
    recipe: Recipe | None = None
    graph: GraphRef | None = None
    items: int = 0


@dataclass(frozen=True, slots=True)
class QueueExtractions:
    """Put down the questions about all documents that wait."""

    run: BatchRun
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class CollectBatches:
    """Store the answers of batches that have ended; with `give_up` of all, ended or not."""

    run: BatchRun
    give_up: bool = False


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How many batches are open, with how many questions, of which so many have an answer or an
    error."""

    open: int = 0
    questions: int = 0
    answered: int = 0
