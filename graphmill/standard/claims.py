"""extract_claims: what a text unit claims about its entities. Exported as covariates."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from graphmill.errors import InvalidRequest
from graphmill.llm.calls import Question
from graphmill.prompts.loading import Prompt, load_prompt
from graphmill.standard.answers import read_answer
from graphmill.standard.cleaning import MAX_TYPE, one_line, to_title
from graphmill.standard.extracted import Claim, ExtractedClaims
from graphmill.standard.graph_schema import DEFAULT_ENTITY_TYPES, GraphSchema
from graphmill.standard.questions import ask
from graphmill.standard.schemas import EXTRACT_CLAIMS, ClaimsAnswer

READER_VERSION = "1"
"""For cache keys: changes whenever the same answer may be read otherwise."""

# Of one answer, in the order of the answer.
MAX_CLAIMS = 500
MAX_DESCRIPTION = 4_000
MAX_SOURCE_TEXT = 2_000
MAX_CLAIM_DESCRIPTION = 2_000

DEFAULT_CLAIM_DESCRIPTION = (
    "any claim or fact that could matter to somebody who investigates these entities"
)

_PARTIAL_DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?")
# So models say that there is none.
_NOBODY = frozenset(("NONE", "N/A", "NULL", "UNKNOWN"))


@dataclass(frozen=True, slots=True)
class ClaimsOptions:
    """`claim_description` says which claims are wanted; `language` of the descriptions, "" for the
    text's own; `max_tokens` of an answer."""

    entity_types: tuple[str, ...] = DEFAULT_ENTITY_TYPES
    claim_description: str = DEFAULT_CLAIM_DESCRIPTION
    language: str = ""
    prompt: Prompt = field(default_factory=partial(load_prompt, "extract_claims"))
    max_tokens: int = 8192


def claims_question(text: str, model: str, options: ClaimsOptions) -> Question:
    """What a text unit's text claims.

    Raises:
        InvalidRequest: the claim description is empty or over 2,000 characters; the language is no
            name of a language; an entity type is none.
    """
    wanted = options.claim_description.strip()
    if not 1 <= len(wanted) <= MAX_CLAIM_DESCRIPTION:
        raise InvalidRequest(
            f"the claim description has {len(wanted):,} characters; expected are 1 to"
            f" {MAX_CLAIM_DESCRIPTION:,}"
        )
    types = GraphSchema(options.entity_types).entity_types_in_words
    return ask(
        options.prompt,
        {"entity_types": types, "claim_description": wanted},
        EXTRACT_CLAIMS,
        text,
        model=model,
        language=options.language,
        max_tokens=options.max_tokens,
    )


def read_claims(answer: str, text: str) -> ExtractedClaims:
    """What an answer about `text`, a text unit's, claims: normalised, within bounds.

    Raises:
        InvalidAnswer: it is no answer to the question.
    """
    words = _words(text)
    claims: set[Claim] = set()
    without_subject = too_many = wrong_dates = wrong_source_texts = 0
    for one in read_answer(answer, ClaimsAnswer).claims:
        subject, object = to_title(one.subject), to_title(one.object)
        if not subject or subject in _NOBODY:
            without_subject += 1
            continue
        if len(claims) == MAX_CLAIMS:
            too_many += 1
            continue
        dates = _date(one.start_date), _date(one.end_date)
        wrong_dates += dates.count(None)
        source_text = _found(one_line(one.source_text, MAX_SOURCE_TEXT), words)
        if source_text is None:
            wrong_source_texts += 1
        claims.add(
            Claim(
                subject,
                "" if object in _NOBODY else object,
                one_line(one.type, MAX_TYPE).upper(),
                one_line(one.description, MAX_DESCRIPTION),
                one.status,
                dates[0] or "",
                dates[1] or "",
                source_text or "",
            )
        )
    return ExtractedClaims(
        tuple(sorted(claims)), without_subject, too_many, wrong_dates, wrong_source_texts
    )


def _words(text: str) -> str:
    return one_line(text, len(text)).casefold()


def _found(quotation: str, words: str) -> str | None:
    """A quotation that cannot be found would be evidence of nothing. "&lt;" may be how the text was
    shown (graphmill.standard.questions.set_apart)."""
    for form in (quotation, quotation.replace("&lt;", "<")):
        if _words(form) in words:
            return form
    return None


def _date(given: str) -> str | None:
    """ISO 8601 as it is; "" where there is none; None where it is something else."""
    date = one_line(given, 40)
    if not date or date.upper() in _NOBODY:
        return ""
    if _PARTIAL_DATE.fullmatch(date):
        return date
    try:
        datetime.fromisoformat(date)
    except ValueError:
        return None
    return date
