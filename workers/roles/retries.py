"""Tries of a call, told in the log and in Temporal."""

import logging

from activities.heartbeats import note_retry
from graphmill.llm.pool import Retried


def tell_retry(retried: Retried) -> None:
    logging.getLogger(__name__).info("try %d: %s", retried.tries, retried.error)
    note_retry(str(retried.error))
