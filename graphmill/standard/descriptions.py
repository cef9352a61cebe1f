"""summarize_descriptions: the descriptions of an entity or a relationship become one.

Text units describe what they mention each for itself. Where all descriptions are too long for one
question, they are summarised in batches and then the summaries, until there is one.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from graphmill.errors import InvalidRequest
from graphmill.llm.calls import Question
from graphmill.prompts.loading import Prompt, load_prompt
from graphmill.standard.answers import InvalidAnswer, read_answer
from graphmill.standard.cleaning import one_line, paragraphs
from graphmill.standard.questions import ask
from graphmill.standard.schemas import SUMMARIZE_DESCRIPTION, DescriptionAnswer
from graphmill.standard.tokens import CountTokens, fit

READER_VERSION = "1"
"""For cache keys: changes whenever the same answer may be read otherwise."""

MAX_SUMMARY = 10_000
_MIN_INPUT_TOKENS = 64
# Of batches that are at least half full, one in so many descriptions ends one.
_BATCH_ENDS = 4


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """`max_words` of the summary are asked for, `max_tokens` bound the answer; `max_input_tokens`
    bound a question's descriptions."""

    max_words: int = 500
    max_input_tokens: int = 4_000
    language: str = ""
    prompt: Prompt = field(default_factory=partial(load_prompt, "summarize_description"))
    max_tokens: int = 4096


def distinct_descriptions(descriptions: Iterable[str]) -> tuple[str, ...]:
    """Ascending, each on one line. If there is but one, there is nothing to summarise."""
    return tuple(sorted({one_line(one, len(one)) for one in descriptions} - {""}))


def batch_descriptions(
    descriptions: Iterable[str], options: SummaryOptions, count_tokens: CountTokens
) -> tuple[tuple[str, ...], ...]:
    """Distinct descriptions, ascending, in as few questions as they fit into.

    The same descriptions in any order give the same batches. Where a batch ends depends on the
    descriptions around it, so that a new one changes its own batch and perhaps the next, not all
    that follow: the answers about the others are paid for. There are at most half as many batches
    as descriptions, rounded up; one longer than half of max_input_tokens is cut.

    Raises:
        InvalidRequest: max_input_tokens is less than 64.
    """
    most = options.max_input_tokens
    if most < _MIN_INPUT_TOKENS:
        raise InvalidRequest(
            f"max_input_tokens is {most}; expected are at least {_MIN_INPUT_TOKENS}"
        )
    # Two always fit, so that each round of summaries has at most half as many as the one before.
    longest = most // 2 - 8
    distinct = [fit(one, longest, count_tokens) for one in distinct_descriptions(descriptions)]
    tokens = [count_tokens(one) + 2 for one in distinct]  # "- " and the end of the line
    if sum(tokens) <= most:
        return (tuple(distinct),) if distinct else ()
    batches: list[tuple[str, ...]] = []
    batch: list[str] = []
    used = 0
    for description, cost in zip(distinct, tokens, strict=True):
        if batch and used + cost > most:
            batches.append(tuple(batch))
            batch, used = [], 0
        batch.append(description)
        used += cost
        if len(batch) > 1 and used * 2 >= most and _ends_batch(description):
            batches.append(tuple(batch))
            batch, used = [], 0
    if batch:
        batches.append(tuple(batch))
    return tuple(batches)


def summary_question(
    titles: Sequence[str], descriptions: Iterable[str], model: str, options: SummaryOptions
) -> Question:
    """One description of an entity (one title) or a relationship (two) in place of several, which
    are one batch of `batch_descriptions`. Their order and repetition do not matter.

    Raises:
        InvalidRequest: the language is no name of a language.
    """
    lines = [
        *(f"title: {one_line(title, len(title))}" for title in sorted(titles)),
        "",
        *(f"- {one}" for one in distinct_descriptions(descriptions)),
    ]
    return ask(
        options.prompt,
        {"max_words": str(options.max_words)},
        SUMMARIZE_DESCRIPTION,
        "\n".join(lines),
        model=model,
        language=options.language,
        max_tokens=options.max_tokens,
    )


def read_summary(text: str) -> str:
    """The description, of at most 10,000 characters.

    Raises:
        InvalidAnswer: it is no answer to the question, or empty.
    """
    description = paragraphs(read_answer(text, DescriptionAnswer).description, MAX_SUMMARY)
    if not description:
        raise InvalidAnswer("its description is empty")
    return description


def joined_descriptions(descriptions: Iterable[str]) -> str:
    """What stands in place of a summary that no model gives: the descriptions themselves, one a
    line, at most 10,000 characters."""
    return "\n".join(distinct_descriptions(descriptions))[:MAX_SUMMARY].rstrip()


def _ends_batch(description: str) -> bool:
    digest = hashlib.sha256(description.encode()).digest()
    return digest[0] % _BATCH_ENDS == 0
