"""Questions with known answers, and how well a search does on them.

Measures: recall@k is the share of a question's gold documents among the k best, as HippoRAG counts
it; exact match and F1 over words are SQuAD's (Rajpurkar et al. 2016), the best over the answers
that a question allows.
"""

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from graphmill.errors import InvalidRequest

RECALL_AT = (2, 5, 10)
ALL_GOLD_AT = 5
_MOST_BYTES = 100_000_000
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """`gold_ids` name the documents that answer it: names, with or without their endings."""

    question: str
    answers: tuple[str, ...]
    gold_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search made of a question: names of documents, best first, each once."""

    gold: GoldQuestion
    documents: tuple[str, ...]
    answer: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means over all questions; all but the seconds are from 0 to 1."""

    questions: int
    recall: dict[int, float]
    all_gold_at_5: float
    exact_match: float
    f1: float
    seconds_per_question: float


def read_questions(path: Path) -> tuple[GoldQuestion, ...]:
    """JSON lines of {"question": ..., "gold_ids": [...], "answers": [...]}.

    Raises:
        InvalidRequest: the file cannot be read, or a line is something else; which, and why.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidRequest(f"{path} has over {_MOST_BYTES:,} bytes; split it")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}") from error
    questions = tuple(
        _question(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )
    if not questions:
        raise InvalidRequest(f"{path} holds no question")
    return questions


def evaluate(outcomes: Sequence[Outcome]) -> Evaluation:
    """
    Raises:
        InvalidRequest: there are no outcomes.
    """
    if not outcomes:
        raise InvalidRequest("there are no questions to evaluate")
    count = len(outcomes)
    return Evaluation(
        count,
        {k: sum(_recall(one, k) for one in outcomes) / count for k in RECALL_AT},
        sum(_recall(one, ALL_GOLD_AT) == 1 for one in outcomes) / count,
        sum(_best(one, _exact) for one in outcomes) / count,
        sum(_best(one, _f1) for one in outcomes) / count,
        sum(one.seconds for one in outcomes) / count,
    )


def _question(line: str, place: str) -> GoldQuestion:
    try:
        parsed: object = json.loads(line)
    except ValueError:
        raise InvalidRequest(f"{place} is no JSON") from None
    fields = cast(dict[str, Any], parsed) if isinstance(parsed, dict) else {}
    question, gold = fields.get("question"), _texts(fields.get("gold_ids"))
    answers = _texts(fields.get("answers", []))
    if not isinstance(question, str) or not question.strip() or not gold or answers is None:
        raise InvalidRequest(
            f'{place} must be {{"question": "...", "gold_ids": ["..."], "answers": ["..."]}};'
            " answers may be missing"
        )
    return GoldQuestion(question, answers, frozenset(gold))


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    given = cast(list[object], value)
    texts = tuple(text for text in given if isinstance(text, str))
    return texts if len(texts) == len(given) else None


def _recall(outcome: Outcome, k: int) -> float:
    found = {
        gold
        for name in outcome.documents[:k]
        for gold in (name, Path(name).stem)
        if gold in outcome.gold.gold_ids
    }
    return len(found) / len(outcome.gold.gold_ids)


def _best(outcome: Outcome, measure: Callable[[str, str], float]) -> float:
    return max((measure(outcome.answer, answer) for answer in outcome.gold.answers), default=0.0)


def _exact(given: str, expected: str) -> float:
    return float(_words(given) == _words(expected))


def _f1(given: str, expected: str) -> float:
    one, other = _words(given), _words(expected)
    common = sum((Counter(one) & Counter(other)).values())
    return 2 * common / (len(one) + len(other)) if common else 0.0


def _words(text: str) -> list[str]:
    return _ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split()
