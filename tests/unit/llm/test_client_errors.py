"""What an endpoint's error means, in the words of the servers that people run."""

import httpx2
import openai
import pytest

from graphmill.llm.client_errors import fault_of
from graphmill.llm.faults import BrokenAnswer, ContextTooLong, QuestionRefused


def told(status: int, message: str, code: str | None = None) -> Exception:
    request = httpx2.Request("POST", "http://endpoint/v1/embeddings")
    response = httpx2.Response(status, request=request)
    body = {"message": message, "code": code}
    return fault_of(openai.APIStatusError(message, response=response, body=body), "one")


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
