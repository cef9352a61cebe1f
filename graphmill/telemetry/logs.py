"""The log of a process: lines for people, or JSON for what gathers them; each with the ids of what
is worked on, and of its trace."""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Generator
from enum import StrEnum
from types import TracebackType
from typing import Any, TypeAlias, cast

from graphmill.errors import GraphmillError
from graphmill.telemetry.spans import current_ids
from graphmill.telemetry.subjects import subject

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

# Of what the SDK of Temporal tells beside a line of its own.
_TEMPORAL_IDS = {
    "workflow_id": "workflow_id",
    "workflow_run_id": "workflow_run_id",
    "workflow_type": "workflow_type",
    "activity_type": "activity",
    "attempt": "attempt",
}

# asyncio names the callback, and what it was given; the SDK's core what made a workflow's task
# fail; warnings end with words of their own.
_HARMLESS = {
    "asyncio": re.compile(r"[^(<'\n]*"),
    "temporalio.core": re.compile(r"[^{\n]*"),
    "py.warnings": re.compile(r".*?:\d+: \w+"),
}

_logger = logging.getLogger("graphmill")


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logs(form: LogFormat, level: LogLevel) -> None:
    """Of the whole process, to stderr; once, at its start. What nobody caught is a line too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if form is LogFormat.JSON else _Lines())
    handler.addFilter(_prepare)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "neo4j"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.root.level))
    # Those of activities have our own (activities/subjects.py), with more ids.
    logging.getLogger("temporalio.activity").addFilter(_is_not_told_twice)
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: _logger.critical(
        "nobody caught this", exc_info=(kind, error, trace)
    )
    threading.excepthook = lambda found: _logger.error(
        "a thread ended with this", exc_info=found.exc_value
    )


def _is_not_told_twice(record: logging.LogRecord) -> bool:
    return getattr(record, "__temporal_error_identifier", None) != "ActivityFailure"


def _prepare(record: logging.LogRecord) -> bool:
    """Its ids, and no words that hold what somebody was given."""
    ids: dict[str, str] = {}
    for extra in ("temporal_workflow", "temporal_activity"):
        told: dict[str, Any] = getattr(record, extra, None) or {}
        ids |= {ours: str(told[name]) for name, ours in _TEMPORAL_IDS.items() if name in told}
    ids |= subject()
    if traced := current_ids():
        ids["trace_id"], ids["span_id"] = traced
    record.ids = ids
    harmless = _HARMLESS.get(record.name)
    if harmless is not None and not _tells_words():
        found = harmless.match(record.getMessage())
        record.msg, record.args = found.group().strip() if found else record.name, None
    return True


def _tells_words() -> bool:
    return logging.root.level <= logging.DEBUG


class _Discreet(logging.Formatter):
    """Of an error that nobody expected: which it was and where, without its words. Those of a
    driver or a parser may hold what it was given. At level debug they are told too."""

    def formatException(self, ei: _ExcInfo) -> str:
        if _tells_words() or ei[1] is None:
            return super().formatException(ei)
        return "\nafter:\n".join(_told(error) for error in _chain(ei[1]))


def _chain(error: BaseException) -> Generator[BaseException]:
    """It, what is in it where it is a group, and what came before."""
    seen: set[int] = set()
    left = [error]
    while left:
        now = left.pop(0)
        if id(now) in seen:
            continue
        seen.add(id(now))
        yield now
        if isinstance(now, BaseExceptionGroup):
            left += cast(BaseExceptionGroup[BaseException], now).exceptions
        before = now.__cause__ or (None if now.__suppress_context__ else now.__context__)
        if before is not None:
            left.append(before)


def _told(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    words = f": {error}" if isinstance(error, GraphmillError) else ""
    return f"{frames}{type(error).__name__}{words}"


class _Lines(_Discreet):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        ids: dict[str, str] = getattr(record, "ids", {})
        return f"{line} [{' '.join(f'{name}={id}' for name, id in ids.items())}]" if ids else line


_FIELDS = ("timestamp", "level", "logger", "message", "exception")


def _json() -> logging.Formatter:
    # Imported here: commands and most tests do without.
    from pythonjsonlogger.json import JsonFormatter

    class Documents(_Discreet, JsonFormatter):
        def add_fields(
            self,
            log_data: dict[str, Any],
            record: logging.LogRecord,
            message_dict: dict[str, Any],
        ) -> None:
            super().add_fields(log_data, record, message_dict)
            # What libraries put beside a line stays here: nobody has looked at it.
            told = {name: log_data[name] for name in _FIELDS if name in log_data}
            ids: dict[str, str] = getattr(record, "ids", {})
            log_data.clear()
            log_data.update(told | ids)

    return Documents(
        ("levelname", "name", "message"),
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        timestamp=True,
    )
