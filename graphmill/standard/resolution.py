"""Entity resolution where titles leave a doubt: the model says whether two entries mean one thing.

Which pairs are doubtful is decided elsewhere; most are not, and cost nothing.
"""

from dataclasses import dataclass, field
from functools import partial

from graphmill.llm.calls import Question
from graphmill.prompts.loading import Prompt, load_prompt
from graphmill.standard.answers import read_answer
from graphmill.standard.cleaning import MAX_TITLE, MAX_TYPE, one_line
from graphmill.standard.questions import ask
from graphmill.standard.schemas import RESOLVE_ENTITIES, ResolutionAnswer

READER_VERSION = "1"
"""For cache keys: changes whenever the same answer may be read otherwise."""

MAX_DESCRIPTION = 2_000
MAX_REASON = 1_000


@dataclass(frozen=True, slots=True)
class ResolutionOptions:
    language: str = ""
    prompt: Prompt = field(default_factory=partial(load_prompt, "resolve_entities"))
    max_tokens: int = 512


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """An entity as it is before resolution."""

    title: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Resolution:
    same: bool
    reason: str


def resolution_question(
    one: Candidate, other: Candidate, model: str, options: ResolutionOptions
) -> Question:
    """Whether both are the same; asked in one order, whichever comes first.

    Raises:
        InvalidRequest: the language is no name of a language.
    """
    a, b = sorted((one, other))
    return ask(
        options.prompt,
        {},
        RESOLVE_ENTITIES,
        f"{_entry('A', a)}\n\n{_entry('B', b)}",
        model=model,
        language=options.language,
        max_tokens=options.max_tokens,
    )


def read_resolution(text: str) -> Resolution:
    """
    Raises:
        InvalidAnswer: it is no answer to the question.
    """
    answer = read_answer(text, ResolutionAnswer)
    return Resolution(answer.same, one_line(answer.reason, MAX_REASON))


def _entry(letter: str, candidate: Candidate) -> str:
    """Each value keeps to its line, so that none can pass for another."""
    return "\n".join(
        (
            f"{letter}: {one_line(candidate.title, MAX_TITLE)}",
            f"type: {one_line(candidate.type, MAX_TYPE)}",
            f"description: {one_line(candidate.description, MAX_DESCRIPTION)}",
        )
    )
