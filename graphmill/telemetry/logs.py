"""The log of a process: lines for people, or JSON for what gathers them; each with the ids of what
is worked on, and of its trace."""

import logging
import sys
import traceback
from enum import StrEnum
from types import TracebackType
from typing import Any, TypeAlias

from graphmill.errors import GraphmillError
from graphmill.telemetry.spans import current_ids
from graphmill.telemetry.subjects import subject

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logs(form: LogFormat, level: LogLevel) -> None:
    """Of the whole process, to stderr; once, at its start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if form is LogFormat.JSON else _Lines())
    handler.addFilter(_add_ids)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "neo4j", "opentelemetry.attributes"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.root.level))


def _add_ids(record: logging.LogRecord) -> bool:
    ids = dict(subject())
    # Of a workflow the SDK says it, and no interceptor of ours is there.
    told: dict[str, Any] = getattr(record, "temporal_workflow", None) or {}
    for name in ("workflow_id", "run_id", "workflow_type"):
        if name in told:
            ids.setdefault(name, str(told[name]))
    # They are in ours, and of an activity they hold what only the SDK needs.
    for name in ("temporal_workflow", "temporal_activity"):
        record.__dict__.pop(name, None)
    if traced := current_ids():
        ids["trace_id"], ids["span_id"] = traced
    record.ids = ids
    return True


class _Discreet(logging.Formatter):
    """Of an error that nobody expected: which it was and where, without its words. Those of a
    driver or a parser may hold what it was given. At level debug they are told too."""

    def formatException(self, ei: _ExcInfo) -> str:
        if logging.root.level <= logging.DEBUG or ei[1] is None:
            return super().formatException(ei)
        lines: list[str] = []
        error: BaseException | None = ei[1]
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            words = f": {error}" if isinstance(error, GraphmillError) else ""
            frames = "".join(traceback.format_tb(error.__traceback__))
            lines.append(f"{frames}{type(error).__name__}{words}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\nafter:\n".join(lines)


class _Lines(_Discreet):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        ids: dict[str, str] = getattr(record, "ids", {})
        return f"{line} [{' '.join(f'{name}={id}' for name, id in ids.items())}]" if ids else line


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
            log_data.update(log_data.pop("ids", None) or {})

    return Documents(
        ("levelname", "name", "message"),
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        timestamp=True,
    )
