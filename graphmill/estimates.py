"""What a run would cost, foretold from the text units of its documents.

Only their number and their tokens are known beforehand. All else is assumed, below: a real model
says more or less than that, and a collection repeats itself more or less often.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from graphmill.llm.batches import PRICE_SHARE
from graphmill.llm.calls import Question
from graphmill.llm.vectors import MOST_TEXTS, MOST_TOKENS
from graphmill.standard.extract_graph import extract_question, glean_question
from graphmill.standard.options import StandardOptions

EXTRACT_GRAPH = "extract_graph"
EXTRACT_CLAIMS = "extract_claims"
RESOLVE_ENTITIES = "resolve_entities"
SUMMARIZE_DESCRIPTIONS = "summarize_descriptions"
COMMUNITY_REPORTS = "community_reports"
EMBED = "embed"


# The longest that an endpoint takes for a batch.
_BATCH_SECONDS = 24 * 3600.0
# Steps that never go in batches.
_DIRECT = (RESOLVE_ENTITIES, EMBED)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Told with every estimate. Tokens are a call's, shares are calls for each text unit.

    Communities: 3,994 for the graph of 1,890 passages of one text unit each (real triples), and as
    many calls as that for each text unit; entities: 19,140 there, and 299 doubtful pairs of them,
    which had no types: with types there are fewer. Nothing of the rest was measured:
    it is set where a model that follows the prompts may be expected.
    """

    answer_tokens: int = 600
    gleaning_answer_tokens: int = 300
    claims_answer_tokens: int = 400
    pairs_share: float = 0.16
    pair_prompt_tokens: int = 450
    pair_answer_tokens: int = 40
    summaries_share: float = 2.0
    summary_prompt_tokens: int = 700
    summary_answer_tokens: int = 150
    reports_share: float = 2.1
    report_prompt_tokens: int = 3000
    report_answer_tokens: int = 700
    entities_share: float = 10.0
    entity_tokens: int = 80
    seconds_before_an_answer: float = 1.0
    answer_tokens_a_second: float = 50.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the endpoints that serve a model, together. None: no limit, no price that is known.
    Prices are dollars for a million tokens, of the dearest."""

    places: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    prompt_price: float | None = None
    completion_price: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The calls of one step. `usd` None: nobody knows the price. `seconds`: at the limits, or in
    batches, one after the other, at most."""

    name: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """`unreadable` documents cost nothing; a text that comes twice is asked about once. `batch`: in
    batches."""

    documents: int
    unreadable: int
    text_units: int
    steps: tuple[Step, ...]
    assumptions: Assumptions
    batch: bool = False

    @property
    def calls(self) -> int:
        return sum(step.calls for step in self.steps)

    @property
    def prompt_tokens(self) -> int:
        return sum(step.prompt_tokens for step in self.steps)

    @property
    def completion_tokens(self) -> int:
        return sum(step.completion_tokens for step in self.steps)

    @property
    def usd(self) -> float | None:
        amounts = [step.usd for step in self.steps]
        known = [amount for amount in amounts if amount is not None]
        return sum(known) if len(known) == len(amounts) else None

    @property
    def seconds(self) -> float:
        """The steps follow each other."""
        return sum(step.seconds for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "unreadable": self.unreadable,
            "text_units": self.text_units,
            "calls": self.calls,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "usd": self.usd,
            "seconds": round(self.seconds, 1),
            "batch": self.batch,
            "steps": {
                step.name: {name: value for name, value in asdict(step).items() if name != "name"}
                for step in self.steps
            },
            "assumptions": asdict(self.assumptions),
        }


@dataclass(frozen=True, slots=True)
class Calls:
    """How often a model is asked in a step, and what with."""

    step: str
    model: str
    count: int
    prompt_tokens: int
    completion_tokens: int


def extraction_calls(
    unit_tokens: Sequence[int],
    options: StandardOptions,
    assumed: Assumptions,
    tokens_of: Mapping[str, int],
) -> Calls:
    """Of all text units, given the tokens of each; `tokens_of` as `question_tokens` gives it."""
    count = prompt = completion = 0
    for unit in unit_tokens:
        asked = tokens_of["question"] + unit
        count, prompt, completion = count + 1, prompt + asked, completion + assumed.answer_tokens
        said = assumed.answer_tokens
        for _ in range(options.gleanings):
            # All that was said before is asked again.
            asked += said + tokens_of["gleaning"]
            said = assumed.gleaning_answer_tokens
            count, prompt, completion = count + 1, prompt + asked, completion + said
    return Calls(EXTRACT_GRAPH, options.extraction_model, count, prompt, completion)


def graph_calls(
    text_units: int, options: StandardOptions, assumed: Assumptions
) -> tuple[Calls, ...]:
    """What the graph of so many text units asks for: doubtful pairs, summaries, and reports."""
    pairs = round(text_units * assumed.pairs_share)
    summaries = round(text_units * assumed.summaries_share)
    reports = round(text_units * assumed.reports_share)
    return (
        Calls(
            RESOLVE_ENTITIES,
            options.extraction_model,
            pairs,
            pairs * assumed.pair_prompt_tokens,
            pairs * assumed.pair_answer_tokens,
        ),
        Calls(
            SUMMARIZE_DESCRIPTIONS,
            options.summaries_model,
            summaries,
            summaries * assumed.summary_prompt_tokens,
            summaries * assumed.summary_answer_tokens,
        ),
        Calls(
            COMMUNITY_REPORTS,
            options.reports_model,
            reports,
            reports * assumed.report_prompt_tokens,
            reports * assumed.report_answer_tokens,
        ),
    )


def embedding_calls(unit_tokens: Sequence[int], model: str, assumed: Assumptions) -> Calls:
    """Of text units, entities and reports, by an endpoint's model."""
    units = len(unit_tokens)
    entities = round(units * assumed.entities_share)
    reports = round(units * assumed.reports_share)
    embedded = (
        (units, sum(unit_tokens)),
        (entities, entities * assumed.entity_tokens),
        (reports, reports * assumed.report_answer_tokens),
    )
    count = sum(
        max(math.ceil(texts / MOST_TEXTS), math.ceil(tokens / MOST_TOKENS))
        for texts, tokens in embedded
    )
    return Calls(EMBED, model, count, sum(tokens for _, tokens in embedded), 0)


def claims_calls(
    unit_tokens: Sequence[int], options: StandardOptions, assumed: Assumptions, question: int
) -> Calls:
    """Of all text units, given the tokens of each and of the question without them."""
    count = len(unit_tokens)
    return Calls(
        EXTRACT_CLAIMS,
        options.extraction_model,
        count,
        sum(unit_tokens) + count * question,
        count * assumed.claims_answer_tokens,
    )


def questions_about(text: str, options: StandardOptions) -> tuple[Question, Question]:
    """The first question about a text, and the gleaning that follows an answer of `{}`."""
    asked = extract_question(text, options.extraction_model, options.extract)
    return asked, glean_question(asked, "{}", options.extract)


def estimate(
    documents: int,
    unreadable: int,
    text_units: int,
    asked: Sequence[Calls],
    limits: Mapping[str, Limits],
    assumed: Assumptions,
    *,
    rounds: Mapping[str, int] | None = None,
) -> Estimate:
    """`asked`: in the order of their steps; `limits` by model. `rounds`: in batches, at half the
    price, of each step so many after each other, 1 if untold; None: directly. Doubtful pairs and
    embeddings are always asked for directly."""
    steps = tuple(_step(calls, limits[calls.model], assumed) for calls in asked)
    if rounds is not None:
        steps = tuple(
            step if step.name in _DIRECT else _in_batches(step, rounds.get(step.name, 1))
            for step in steps
        )
    return Estimate(documents, unreadable, text_units, steps, assumed, rounds is not None)


def _in_batches(step: Step, rounds: int) -> Step:
    usd = None if step.usd is None else step.usd * PRICE_SHARE
    return replace(step, usd=usd, seconds=rounds * _BATCH_SECONDS if step.calls else 0.0)


def _step(calls: Calls, limits: Limits, assumed: Assumptions) -> Step:
    usd = None
    if limits.prompt_price is not None and limits.completion_price is not None:
        usd = (
            calls.prompt_tokens * limits.prompt_price
            + calls.completion_tokens * limits.completion_price
        ) / 1e6
    in_places = (
        calls.count * assumed.seconds_before_an_answer
        + calls.completion_tokens / assumed.answer_tokens_a_second
    ) / limits.places
    tokens = calls.prompt_tokens + calls.completion_tokens
    seconds = max(
        in_places,
        60 * calls.count / (limits.requests_per_minute or float("inf")),
        60 * tokens / (limits.tokens_per_minute or float("inf")),
    )
    tokens_in, tokens_out = calls.prompt_tokens, calls.completion_tokens
    return Step(calls.step, calls.model, calls.count, tokens_in, tokens_out, usd, seconds)
