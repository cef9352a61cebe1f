"""`graphmill demo`: the sample dossier, from files to answers, with everything checked."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from graphmill.application.folder import find_files
from graphmill.application.search import answer_to_json
from graphmill.cli.console import emit_json, err, out, say
from graphmill.cli.index import left_out_code, run_to_end, upload_files
from graphmill.cli.query import show_answer
from graphmill.cli.running import ERROR
from graphmill.cli.session import Session, open_session, settings_for
from graphmill.cli.stack import addresses_to_json
from graphmill.cli.summary import exit_code_of, show_summary
from graphmill.embedded.stack import Addresses, Parts
from graphmill.errors import NotFound
from graphmill.ids import document_id
from graphmill.index_request import IndexRequest
from graphmill.models import Answer, CollectionKey, Method
from graphmill.settings import Settings

# A name that nobody gives to documents of their own: those that are not the dossier's go.
COLLECTION = "graphmill-demo"
_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# An answer that stands on one document alone has not shown what a graph is for.
_MIN_DOCUMENTS = 2


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what a right answer must hold and cite."""

    question: str
    mode: str
    expect: tuple[str, ...]
    documents: tuple[str, ...]


async def demo(tenant: str | None, *, as_json: bool) -> int:
    began = time.monotonic()
    settings = settings_for(tenant)
    key = CollectionKey(settings.tenant, COLLECTION)
    found = await asyncio.to_thread(
        find_files, [_EXAMPLES / "dossier"], settings.limits.document_bytes
    )
    questions = load_questions(_EXAMPLES / "questions.json")
    method = method_for(settings)
    say(
        f"indexing the sample dossier by method {method}:"
        f" {len(found.files)} documents about one matter"
    )
    async with open_session(settings, start=Parts.ALL) as session:
        uploaded = await upload_files(session, key, found, prune=True)
        status = await run_to_end(session, IndexRequest(key.name, key.tenant, method))
        if status is None:
            return ERROR
        if not as_json:
            show_summary(status)
        code = left_out_code(exit_code_of(status), uploaded)
        answers = [await _ask(session, key, question, as_json=as_json) for question in questions]
        wrong = [
            words
            for question, answer in zip(questions, answers, strict=True)
            for words in shortcomings(question, answer)
        ]
        for words in wrong:
            say(f"error: {words}")
        if not wrong:
            say(f"all {len(questions)} questions answered as the dossier has it, with citations")
        stays = not session.own_stack or os.environ.get("KEEP") == "1"
        err.print()
        for words in where_it_is(session.addresses, stays=stays):
            say(words)
        say(f"done in {time.monotonic() - began:.1f} s")
        if as_json:
            emit_json(
                {
                    "run": status.to_json(),
                    "answers": [
                        {"question": question.question, "documents": list(question.documents)}
                        | answer_to_json(answer)
                        for question, answer in zip(questions, answers, strict=True)
                    ],
                    "wrong": wrong,
                    "addresses": addresses_to_json(session.addresses),
                }
            )
        if stays and session.own_stack:
            await _keep()
    return ERROR if wrong else code


def method_for(settings: Settings) -> Method:
    """With a model where one was named for it; endpoints of graphmill.toml may cost money."""
    return Method.STANDARD if settings.openai_base_url else Method.FAST


def load_questions(path: Path) -> tuple[Question, ...]:
    """
    Raises:
        NotFound: the examples are not there: this is no checkout.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read ({error.strerror}); the demo runs from a checkout of graphmill"
        ) from error
    return tuple(
        Question(
            entry["question"], entry["mode"], tuple(entry["expect"]), tuple(entry["documents"])
        )
        for entry in entries
    )


def shortcomings(question: Question, answer: Answer) -> Sequence[str]:
    """What an answer lacks of what is expected of it; nothing where it is right."""
    cited = {citation.document_id for citation in answer.citations}
    # Line breaks of a citation are not part of what it says.
    told = " ".join(" ".join((answer.answer, *(c.text for c in answer.citations))).split())
    wrong = [
        f"{question.question!r}: neither the answer nor its citations hold {words!r}"
        for words in question.expect
        if words.casefold() not in told.casefold()
    ]
    wrong += [
        f"{question.question!r}: {name} is not cited"
        for name in question.documents
        if document_id(name) not in cited
    ]
    if len(cited) < _MIN_DOCUMENTS:
        wrong.append(f"{question.question!r}: cites {len(cited)} documents, not {_MIN_DOCUMENTS}")
    return wrong


async def _ask(
    session: Session, key: CollectionKey, question: Question, *, as_json: bool
) -> Answer:
    answer = await session.app.search.query(key, question.question, question.mode)
    if not as_json:
        out.print()
        out.print(Text(f"? {question.question} ({question.mode} search)", style="bold cyan"))
        show_answer(answer)
    return answer


def where_it_is(addresses: Addresses, *, stays: bool) -> Sequence[str]:
    """Where to look on; addresses of what stops now would lead nowhere."""
    if not stays:
        return ("what was started stops; KEEP=1 leaves it running, to look at in the Web UI",)
    known: list[str] = []
    if addresses.temporal_ui_url:
        known.append(f"Temporal's Web UI: {addresses.temporal_ui_url}")
    if addresses.api_url:
        known.append(f"API: {addresses.api_url} (documentation: {addresses.api_url}/docs)")
    return known


async def _keep() -> None:
    say("KEEP=1: everything stays up until Ctrl-C")
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        say("stopping")
