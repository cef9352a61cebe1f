"""An estimate counts what is known and says what it assumed."""

import pytest

from graphmill.estimates import (
    Assumptions,
    Calls,
    Limits,
    claims_calls,
    embedding_calls,
    estimate,
    extraction_calls,
    graph_calls,
)
from graphmill.standard.options import StandardOptions

ASSUMED = Assumptions(
    answer_tokens=600,
    gleaning_answer_tokens=300,
    claims_answer_tokens=400,
    pairs_share=0.5,
    pair_prompt_tokens=50,
    pair_answer_tokens=5,
    summaries_share=2,
    summary_prompt_tokens=100,
    summary_answer_tokens=10,
    reports_share=0.5,
    report_prompt_tokens=1000,
    report_answer_tokens=100,
    seconds_before_an_answer=1,
    answer_tokens_a_second=100,
)
TOKENS = {"question": 500, "gleaning": 20}


def extraction(count: int, prompt_tokens: int, completion_tokens: int) -> Calls:
    return Calls("extract_graph", "a", count, prompt_tokens, completion_tokens)


def asked(calls: Calls, text_units: int) -> tuple[Calls, ...]:
    return (calls, *graph_calls(text_units, options(0), ASSUMED))


def options(gleanings: int) -> StandardOptions:
    return StandardOptions("a", "b", "b", gleanings=gleanings)


@pytest.mark.parametrize(
    ("gleanings", "calls"),
    [
        (0, extraction(2, 2 * 500 + 30, 2 * 600)),
        (1, extraction(4, 2 * (2 * 500 + 30) + 2 * 620, 2 * 900)),
        (2, extraction(6, 3 * (2 * 500 + 30) + 2 * (620 + 620 + 320), 2 * 1200)),
    ],
)
def test_a_gleaning_asks_again_all_that_was_said_before(gleanings: int, calls: Calls) -> None:
    assert extraction_calls((10, 20), options(gleanings), ASSUMED, TOKENS) == calls


def test_claims_are_a_call_for_each_text_unit() -> None:
    claims = claims_calls((10, 20), options(1), ASSUMED, 300)
    assert claims == Calls("extract_claims", "a", 2, 2 * 300 + 30, 2 * 400)


def test_money_is_by_each_steps_own_model() -> None:
    limits = {
        "a": Limits(10, prompt_price=1, completion_price=10),
        "b": Limits(10, prompt_price=100, completion_price=1000),
    }
    foretold = estimate(3, 1, 4, asked(extraction(4, 2000, 400), 4), limits, ASSUMED)
    extracted, pairs, summaries, _ = foretold.steps
    assert [step.calls for step in foretold.steps] == [4, 2, 8, 2]
    assert extracted.usd == pytest.approx((2000 + 4000) / 1e6)
    # Asked is the model that read the texts.
    assert (pairs.name, pairs.model) == ("resolve_entities", "a")
    assert pairs.usd == pytest.approx((2 * 50 + 2 * 5 * 10) / 1e6)
    assert summaries.usd == pytest.approx((8 * 100 * 100 + 8 * 10 * 1000) / 1e6)
    assert foretold.usd == pytest.approx(sum(step.usd or 0 for step in foretold.steps))
    assert foretold.calls == foretold.to_json()["calls"] == 16
    unknown = {**limits, "b": Limits(10)}
    assert estimate(3, 1, 4, asked(extraction(4, 2000, 400), 4), unknown, ASSUMED).usd is None


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        # Each call takes 1 s and its 100 tokens another.
        (Limits(10), 2 * 100 / 10),
        (Limits(10, requests_per_minute=60), 100),
        (Limits(10, requests_per_minute=6000), 20),
        (Limits(10, tokens_per_minute=6000), 600),
        (Limits(10, requests_per_minute=60, tokens_per_minute=6000), 600),
    ],
)
def test_time_is_that_of_the_tightest_limit(limits: Limits, seconds: float) -> None:
    calls = extraction(100, 50_000, 10_000)
    foretold = estimate(1, 0, 0, asked(calls, 0), {"a": limits, "b": limits}, ASSUMED)
    assert foretold.steps[0].seconds == pytest.approx(seconds)
    assert foretold.seconds == pytest.approx(seconds)


def test_embeddings_are_calls_of_sixteen_texts_or_8191_tokens() -> None:
    assumed = Assumptions(
        entities_share=5, entity_tokens=10, reports_share=0.1, report_answer_tokens=2000
    )
    calls = embedding_calls([1200] * 100, "vectors", assumed)
    # 120,000 tokens of text units, 500 entities, 10 reports of 2,000 tokens.
    assert calls == Calls("embed", "vectors", 15 + 32 + 3, 120_000 + 5_000 + 20_000, 0)
    foretold = estimate(1, 0, 100, (calls,), {"vectors": Limits(10, 60, None, 0.02, 0)}, assumed)
    assert foretold.usd == pytest.approx(145_000 * 0.02 / 1e6)
    assert foretold.seconds == 50


def test_batches_cost_half_and_take_a_day_for_each_question_that_follows_from_another() -> None:
    limits = {model: Limits(10, prompt_price=1, completion_price=10) for model in ("a", "b", "v")}
    calls = asked(extraction(4, 2000, 400), 4)
    directly = estimate(3, 1, 4, calls, limits, ASSUMED)
    rounds = {"extract_graph": 2}
    batched = estimate(3, 1, 4, calls, limits, ASSUMED, rounds=rounds)
    extracted, pairs, summaries, reports = batched.steps
    in_batches = extracted, summaries, reports
    assert sum(step.usd or 0 for step in in_batches) == pytest.approx(
        ((directly.usd or 0) - (pairs.usd or 0)) / 2
    )
    assert batched.calls == directly.calls
    assert [step.seconds for step in in_batches] == [2 * 86_400, 86_400, 86_400]
    assert batched.to_json()["batch"] is True
    # Doubtful pairs and embeddings go as ever.
    assert pairs == directly.steps[1]
    assert pairs.calls == 2
    embedded = (embedding_calls([1200] * 100, "v", ASSUMED),)
    assert (
        estimate(3, 1, 4, embedded, limits, ASSUMED, rounds=rounds).steps
        == estimate(3, 1, 4, embedded, limits, ASSUMED).steps
    )
