"""What an endpoint's refusal means, in the words of the servers that people run."""

import json

import pytest

from graphmill.llm.faults import BrokenAnswer, CallRefused, ContextTooLong, QuestionRefused
from graphmill.llm.refusals import fault_of, read_refusal, retry_after


def told(status: int, message: str, code: str | None = None) -> Exception:
    body = {"error": {"message": message, "code": code}}
    return fault_of(read_refusal(status, {}, json.dumps(body).encode()), "one")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Invalid 'input[0]': maximum input length is 8192 tokens."),
        (400, "This model's maximum context length is 8192 tokens, however you requested 9000"),
        (400, "the input length exceeds the context length"),
        (400, "the request exceeds the available context size, try increasing it"),
        (413, "Input validation error: `inputs` must have less than 512 tokens. Given: 534"),
        (422, "Input validation error: `inputs` must have less than 32000 characters. Given: 9"),
        (500, "input (992 tokens) is too large to process. increase the physical batch size"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
    ],
)
def test_a_text_that_is_too_long_is_known_by_what_servers_say(status: int, message: str) -> None:
    assert type(told(status, message)) is ContextTooLong


def test_what_an_endpoint_refuses_for_its_content_is_not_too_long() -> None:
    fault = told(400, "The prompt triggered the content management policy", "content_filter")
    assert type(fault) is QuestionRefused
    assert str(fault) == "endpoint 'one' refuses the call (400, content_filter)"


def test_an_error_of_the_endpoint_s_own_may_pass() -> None:
    assert type(told(500, "the request took too long")) is BrokenAnswer


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (402, "Insufficient Balance", None),
        (400, "Your credit balance is too low to access the Anthropic API.", None),
        (429, "You exceeded your current quota", "insufficient_quota"),
        (429, "Your account is not active", "billing_not_active"),
        (400, "Billing hard limit has been reached", "billing_hard_limit_reached"),
    ],
)
def test_an_account_without_money_is_no_fault_of_the_question(
    status: int, message: str, code: str | None
) -> None:
    fault = told(status, message, code)
    assert type(fault) is CallRefused
    assert "add credit to the account" in str(fault)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "refused: 'Your credit balance is too low'"}},
        {"error": {"message": "refused", "param": "Your credit balance is too low"}},
        {"detail": "Your credit balance is too low"},
        {"error": {"message": "refused: insufficient_quota", "code": "see insufficient_quota"}},
    ],
)
def test_what_a_document_says_of_money_decides_nothing(body: object) -> None:
    fault = fault_of(read_refusal(400, {}, json.dumps(body).encode()), "one")
    assert type(fault) is QuestionRefused


def test_an_address_that_redirects_is_to_be_set_to_where_it_leads() -> None:
    for status in (301, 302, 307, 308):
        fault = told(status, "moved")
        assert type(fault) is CallRefused
        assert "redirects" in str(fault)
        assert "OPENAI_BASE_URL" in str(fault)


@pytest.mark.parametrize("status", [406, 407, 415, 418, 426, 451])
def test_a_refusal_that_is_not_about_content_is_of_all_calls(status: int) -> None:
    assert type(told(status, "no")) is CallRefused


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_about_content_is_of_that_question(status: int) -> None:
    assert type(told(status, "no")) is QuestionRefused


@pytest.mark.parametrize("status", [408, 409, 424, 425, 500])
def test_what_failed_on_the_way_or_in_the_engine_may_pass(status: int) -> None:
    assert type(told(status, "generation failed")) is BrokenAnswer


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "43200"}, 43_200),  # a quota of a day
        ({"retry-after": "1e9"}, 86_400),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "-1"}, 0),
        ({}, 0),
    ],
)
def test_retry_after_is_taken_at_its_word_up_to_a_day(
    headers: dict[str, str], seconds: float
) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize("status", [404, 405, 410])
def test_an_address_where_no_model_is_ends_the_run_with_what_to_check(status: int) -> None:
    fault = told(status, "nothing here")
    assert type(fault) is CallRefused
    assert "OPENAI_BASE_URL" in str(fault)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b'{"error": {"message": "no", "param": "temperature"}}', "", "temperature no"),
        (b'{"object": "error", "message": "too long", "code": 400}', "", " too long"),
        (b'{"error": "in words", "error_type": "validation"}', "", None),
        (b'{"detail": [{"msg": "no"}]}', "", None),
        (b'{"error": {"code": "the document says so"}}', "", None),
        (b"[" * 60_000, "", None),
        (b"<html>\xff", "", "<html>\ufffd"),
        (b"", "", ""),
    ],
)
def test_a_refusal_is_read_in_whatever_form_it_comes(
    body: bytes, code: str, said: str | None
) -> None:
    refusal = read_refusal(400, {}, body)
    assert refusal.code == code
    assert refusal.said == (body.decode()[:2000] if said is None else said)
