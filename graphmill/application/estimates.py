"""What indexing files would cost: nothing is stored, run or asked."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from graphmill.application.folder import FoundFile
from graphmill.errors import InvalidDocument
from graphmill.estimates import (
    EXTRACT_GRAPH,
    Assumptions,
    Calls,
    Estimate,
    Limits,
    claims_calls,
    embedding_calls,
    estimate,
    extraction_calls,
    graph_calls,
    questions_about,
)
from graphmill.llm.calls import Question
from graphmill.model_settings import EndpointSettings, ModelRole
from graphmill.process_pool import ProcessDied, ProcessPool, TaskTimedOut, TaskTooLarge
from graphmill.processing import ProcessSettings, process_document
from graphmill.settings import Settings
from graphmill.standard.claims import claims_question
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
    options: StandardOptions | None,
    settings: Settings,
    on_read: Callable[[], object] = lambda: None,
    *,
    batch: bool = False,
) -> Estimate:
    """As if nothing were stored yet: files that were indexed before are counted too. `options`: of
    method standard, None for method fast; `batch`: in batches."""
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
    tokens = tuple(units.values())
    asked = () if options is None else _standard_calls(tokens, options, assumed)
    if embedding := settings.model_for(ModelRole.EMBEDDINGS):
        asked += (embedding_calls(tokens, embedding, assumed),)
    limits = {calls.model: _limits(calls.model, settings) for calls in asked}
    rounds = {} if options is None else {EXTRACT_GRAPH: 1 + options.gleanings}
    return estimate(
        len(files),
        unreadable,
        len(units),
        asked,
        limits,
        assumed,
        rounds=rounds if batch else None,
    )


def _standard_calls(
    unit_tokens: Sequence[int], options: StandardOptions, assumed: Assumptions
) -> tuple[Calls, ...]:
    first, gleaned = questions_about("", options)
    question = _tokens(first)
    tokens_of = {"question": question, "gleaning": _tokens(gleaned) - question}
    asked = [extraction_calls(unit_tokens, options, assumed, tokens_of)]
    if options.claims is not None:
        question = _tokens(claims_question("", options.extraction_model, options.claims))
        asked.append(claims_calls(unit_tokens, options, assumed, question))
    return (*asked, *graph_calls(len(unit_tokens), options, assumed))


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _tokens(question: Question) -> int:
    return sum(count_tokens(said.content) for said in question.messages)


def _limits(model: str, settings: Settings) -> Limits:
    """Of all endpoints that serve a model; where one has no limit, all together have none."""
    serving = [one for one in settings.model_endpoints if one.serves(model)]

    def total(of: Callable[[EndpointSettings], float | None]) -> float | None:
        given = [of(one) for one in serving]
        known = [value for value in given if value is not None]
        return sum(known) if known and len(known) == len(given) else None

    prices = [price for one in serving if (price := one.price_of(model)) is not None]
    priced = bool(serving) and len(prices) == len(serving)
    return Limits(
        sum(one.places or settings.llm_concurrency for one in serving) or 1,
        total(lambda one: one.requests_per_minute),
        total(lambda one: one.tokens_per_minute),
        max(price.prompt for price in prices) if priced else None,
        max(price.completion for price in prices) if priced else None,
    )
