"""Queue, timeouts and retries of every activity, and the sizes of windows: read it as a table.

A worker that dies is noticed when its heartbeat stops; start-to-close ends what hangs for ever.
Retries have no last attempt here: activities/failures.py alone says what is not retried, and a
server that is down comes back or somebody cancels the run.
"""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

from workflows.queues import (
    CPU_QUEUE,
    EMBEDDING_QUEUE,
    FOLDER_QUEUE,
    LLM_QUEUE,
    PROJECTION_QUEUE,
    STORE_QUEUE,
)


class Policy(TypedDict):
    """The keyword arguments of workflow.execute_activity that are the same at each call."""

    task_queue: str
    start_to_close_timeout: timedelta
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy


def _policy(queue: str, start_to_close: timedelta, heartbeat: timedelta | None) -> Policy:
    return Policy(
        task_queue=queue,
        start_to_close_timeout=start_to_close,
        heartbeat_timeout=heartbeat,
        retry_policy=_RETRIES,
    )


_RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
)
_BEAT = timedelta(seconds=10)

# activity                            queue            start to close        heartbeat
OPEN_RUN = _policy(                   STORE_QUEUE,     timedelta(minutes=10), _BEAT)  # fmt: skip
RECORD_RUN = _policy(                 STORE_QUEUE,     timedelta(seconds=10), None)  # fmt: skip
NEXT_PAGE = _policy(                  STORE_QUEUE,     timedelta(minutes=10), _BEAT)  # fmt: skip
FAIL_DOCUMENT = _policy(              STORE_QUEUE,     timedelta(seconds=10), None)  # fmt: skip
PROCESS_DOCUMENT = _policy(           CPU_QUEUE,       timedelta(minutes=10), _BEAT)  # fmt: skip
EXTRACT_DOCUMENT = _policy(           LLM_QUEUE,       timedelta(hours=24),   _BEAT)  # fmt: skip
MERGE_GRAPH = _policy(                STORE_QUEUE,     timedelta(hours=6),    _BEAT)  # fmt: skip
OPEN_GRAPH = _policy(                 STORE_QUEUE,     timedelta(hours=6),    _BEAT)  # fmt: skip
FOLD_GRAPH = _policy(                 STORE_QUEUE,     timedelta(hours=6),    _BEAT)  # fmt: skip
RESOLVE_ENTITIES = _policy(           LLM_QUEUE,       timedelta(hours=24),   _BEAT)  # fmt: skip
SUMMARIZE_DESCRIPTIONS = _policy(     LLM_QUEUE,       timedelta(hours=24),   _BEAT)  # fmt: skip
CLUSTER_GRAPH = _policy(              CPU_QUEUE,       timedelta(hours=2),    _BEAT)  # fmt: skip
WRITE_REPORTS = _policy(              CPU_QUEUE,       timedelta(hours=6),    _BEAT)  # fmt: skip
WRITE_MODEL_REPORTS = _policy(        LLM_QUEUE,       timedelta(hours=24),   _BEAT)  # fmt: skip
QUEUE_QUESTIONS = _policy(            LLM_QUEUE,       timedelta(hours=24),   _BEAT)  # fmt: skip
RECOVER_BATCHES = _policy(            LLM_QUEUE,       timedelta(hours=1),    _BEAT)  # fmt: skip
SUBMIT_BATCHES = _policy(             LLM_QUEUE,       timedelta(hours=12),   _BEAT)  # fmt: skip
COLLECT_BATCHES = _policy(            LLM_QUEUE,       timedelta(hours=12),   _BEAT)  # fmt: skip
CANCEL_BATCHES = _policy(             LLM_QUEUE,       timedelta(hours=1),    _BEAT)  # fmt: skip
EMBED = _policy(                      EMBEDDING_QUEUE, timedelta(hours=6),    _BEAT)  # fmt: skip
PUBLISH_GRAPH = _policy(              STORE_QUEUE,     timedelta(hours=1),    _BEAT)  # fmt: skip
EXPECT_PROJECTIONS = _policy(         PROJECTION_QUEUE, timedelta(seconds=30), None)  # fmt: skip
PROJECT_TO_STORE = _policy(           PROJECTION_QUEUE, timedelta(hours=24),  _BEAT)  # fmt: skip
CHECK_DOCUMENTS = _policy(            STORE_QUEUE,     timedelta(minutes=1),  None)  # fmt: skip
DELETE_BATCH = _policy(               STORE_QUEUE,     timedelta(minutes=10), _BEAT)  # fmt: skip
START_RUN = _policy(                  STORE_QUEUE,     timedelta(minutes=1),  None)  # fmt: skip
UPLOAD_FOLDER = _policy(              FOLDER_QUEUE,    timedelta(hours=6),    _BEAT)  # fmt: skip
START_FOLDER_RUN = _policy(           STORE_QUEUE,     timedelta(minutes=1),  None)  # fmt: skip
DRAFT_PROMPTS = _policy(              LLM_QUEUE,       timedelta(hours=1),    _BEAT)  # fmt: skip

# Temporal's: it goes first.
HIGHEST_PRIORITY = 1

# One page is one IndexPage workflow; so many of them are open at once in a collection, each with
# so many documents in flight. A page ends with at most 10 events a document in its history: far
# from the 4,096 at which the server suggests continue-as-new; its input stays under 50 kB. In
# flight: enough to keep a worker's queue filled over a round trip, few enough that priorities,
# decided when a task is queued, still count.
PAGE_DOCUMENTS = 100
OPEN_PAGES = 2
IN_FLIGHT_PER_PAGE = 16
# Of method standard a document in flight mostly waits for a model, and an endpoint may have some
# hundred places to be kept full by documents of a page each.
IN_FLIGHT_PER_PAGE_STANDARD = PAGE_DOCUMENTS
OPEN_PAGES_STANDARD = 4
# Pages after which IndexCollection goes on as new: up to 20 events each.
PAGES_PER_RUN = 100

# A graph in which uploaded documents are missing is folded anew once they are read. So many times:
# who uploads for hours without starting a run must not put off what others wait for.
MOST_FOLDS = 5

# What a model has to summarise or to report on in a graph goes to so many activities at most, each
# with about so many items: workers share it, and each keeps many calls in the air.
ITEMS_PER_SHARD = 1_000
MOST_SHARDS = 64

# Batches are looked at less and less often. An endpoint ends a batch within 24 h; one that it does
# not end is cancelled, and then given up. A cancelled run waits BATCH_CANCEL_WITHIN at most for its
# endpoint to take the word, and as long for answers that are there by then.
BATCH_FIRST_LOOK = timedelta(seconds=1)
BATCH_LOOKS_GROW = 1.5
BATCH_LONGEST_LOOK = timedelta(minutes=5)
BATCH_CANCEL_AFTER = timedelta(hours=25)
BATCH_GIVE_UP_AFTER = timedelta(hours=26)
BATCH_CANCEL_WITHIN = timedelta(seconds=15)
# Questions that follow from answers, and questions that are asked again, make further rounds. They
# end by themselves; so many say that something is wrong, and what is left is asked directly.
MOST_BATCH_ROUNDS = 100
