"""What indexing files by method standard would cost: nothing is stored, run or asked."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from graphmill.application.folder import FoundFile
from graphmill.errors import InvalidDocument
from graphmill.estimates import (
    Assumptions,
    Estimate,
    Limits,
    estimate,
    extraction_calls,
    questions_about,
)
from graphmill.llm.calls import Question
from graphmill.model_settings import EndpointSettings
from graphmill.process_pool import ProcessDied, ProcessPool, TaskTimedOut, TaskTooLarge
from graphmill.processing import ProcessSettings, process_document
from graphmill.settings import Settings
from graphmill.standard.options import StandardOptions
from graphmill.tokens import count_tokens

# Files in hand for each process: while one is parsed the next is read.
_AHEAD = 2


def measure(data: bytes, name: str, settings: ProcessSettings) -> tuple[tuple[bytes, int], ...]:
    """A digest of each text unit's text, and its tokens; for a process that may be killed.

    Raises:
        InvalidDocument: it cannot be read, or has no text.
    """
    units = process_document(data, name, settings).text_units
    return tuple((hashlib.sha256(unit.text.encode()).digest(), unit.n_tokens) for unit in units)


async def estimate_files(
    files: Sequence[FoundFile],
    options: StandardOptions,
    settings: Settings,
    on_read: Callable[[], object] = lambda: None,
    *,
    batch: bool = False,
) -> Estimate:
    """As if nothing were stored yet: files that were indexed before are counted too. `batch`: in
    batches."""
    units: dict[bytes, int] = {}
    unreadable = 0
    waiting = iter(files)
    pool = ProcessPool(
        settings.cpu_workers,
        settings.cpu_tasks_per_process,
        settings.limits.parse_memory_bytes,
        preload=("graphmill.processing_preload",),
    )
    process = ProcessSettings(
        settings.chunk.size, settings.chunk.overlap, settings.limits, extract=False
    )

    async def work() -> None:
        nonlocal unreadable
        for file in waiting:
            try:
                data = await asyncio.to_thread(_read, file.path)
                found = await pool.run(
                    measure,
                    data,
                    file.name,
                    process,
                    timeout_seconds=settings.limits.parse_seconds,
                )
                units.update(found)
            except (OSError, InvalidDocument, TaskTimedOut, TaskTooLarge, ProcessDied):
                unreadable += 1
            on_read()

    try:
        at_once = min(len(files), settings.cpu_workers * _AHEAD)
        await asyncio.gather(*(work() for _ in range(at_once)))
    finally:
        await pool.close()
    assumed = Assumptions()
    asked, gleaned = questions_about("", options)
    question = _tokens(asked)
    calls = extraction_calls(
        tuple(units.values()),
        options,
        assumed,
        {"question": question, "gleaning": _tokens(gleaned) - question},
    )
    models = {options.extraction_model, options.summaries_model, options.reports_model}
    limits = {model: _limits(model, settings) for model in models}
    return estimate(
        len(files), unreadable, calls, len(units), options, limits, assumed, batch=batch
    )


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _tokens(question: Question) -> int:
    return sum(count_tokens(said.content) for said in question.messages)


def _limits(model: str, settings: Settings) -> Limits:
    """Of all endpoints that serve a model; where one has no limit, all together have none."""
    serving = [one for one in settings.model_endpoints if not one.models or model in one.models]

    def total(of: Callable[[EndpointSettings], float | None]) -> float | None:
        given = [of(one) for one in serving]
        known = [value for value in given if value is not None]
        return sum(known) if known and len(known) == len(given) else None

    priced = bool(serving) and all(one.priced for one in serving)
    return Limits(
        sum(one.places or settings.llm_concurrency for one in serving) or 1,
        total(lambda one: one.requests_per_minute),
        total(lambda one: one.tokens_per_minute),
        max((one.prompt_price or 0.0 for one in serving), default=0.0) if priced else None,
        max((one.completion_price or 0.0 for one in serving), default=0.0) if priced else None,
    )
