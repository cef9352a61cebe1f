"""What it means when the client library raises: try again later, elsewhere, or never.

Facts about the answers of OpenAI, Azure, Anthropic and vLLM are in docs/decisions/model-calls.md.
"""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx2
import openai

from graphmill.llm.faults import (
    BrokenAnswer,
    CallRefused,
    ContextTooLong,
    Overloaded,
    QuestionRefused,
    TimedOut,
    Unreachable,
)

# Nobody is kept waiting longer than this by a header; the endpoint is asked again then.
_MOST_RETRY_AFTER = 600.0
_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|maximum.{0,40}(context|tokens)|too (long|many tokens)"
    # OpenAI of embeddings: "maximum input length is 8192 tokens"; Hugging Face's server:
    # "`inputs` must have less than 512 tokens"
    r"|less than .{0,20}(tokens|characters)",
    re.IGNORECASE,
)
# llama.cpp answers 500: "input (992 tokens) is too large to process"
_TOO_LARGE = re.compile(r"input.{0,40}too large to process", re.IGNORECASE)
_OVERLOADED = frozenset({429, 503, 529})


def fault_of(error: Exception, endpoint: str) -> Exception:
    """Which of the above an error of the client library is. Nothing of the question, the answer or
    the key is in its words."""
    if isinstance(error, openai.APIStatusError):
        return _fault_of_status(error, endpoint)
    if isinstance(error, openai.APITimeoutError):
        return timed_out(endpoint)
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
        cause = error.__cause__ or error
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
            return Unreachable(f"endpoint {endpoint!r} cannot be reached")
        return Unreachable(f"endpoint {endpoint!r} cut the connection ({type(cause).__name__})")
    if isinstance(error, openai.APIError | ValueError):
        return BrokenAnswer(f"endpoint {endpoint!r} sent what is no answer")
    return error


def timed_out(endpoint: str) -> TimedOut:
    return TimedOut(f"endpoint {endpoint!r} did not answer in time")


def _fault_of_status(error: openai.APIStatusError, endpoint: str) -> Exception:
    status = error.status_code
    code = plain_code(error.code)
    if code == "insufficient_quota":
        return CallRefused(
            f"endpoint {endpoint!r} says that its quota is used up; add credit to the account, or"
            " set another endpoint"
        )
    if status in _OVERLOADED:
        return Overloaded(
            f"endpoint {endpoint!r} answers {status}", retry_after(error.response.headers)
        )
    if _is_too_long(status, code, _said(error)):
        return ContextTooLong(
            f"endpoint {endpoint!r} says that the question is longer than its model takes; set a"
            " smaller chunk size, or a model with a larger context"
        )
    if status == 502:
        return Unreachable(f"endpoint {endpoint!r} answers 502: what is behind it is not there")
    if status == 504:
        return timed_out(endpoint)
    if status in (408, 409, 425) or status >= 500:
        return BrokenAnswer(f"endpoint {endpoint!r} answers {status}")
    if status in (401, 403):
        return CallRefused(
            f"endpoint {endpoint!r} refuses the key ({status}); check OPENAI_API_KEY, or the"
            " endpoint's api_key_env in graphmill.toml"
        )
    if status == 404 or code == "model_not_found":
        return CallRefused(
            f"endpoint {endpoint!r} does not know the model, or its address is wrong ({status});"
            " check OPENAI_MODEL, OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL"
        )
    # 400, 413, 422 and the like: about what was asked, which may be a document's own peculiarity.
    return QuestionRefused(
        f"endpoint {endpoint!r} refuses the call ({status}, {code or 'no code'})"
    )


def _is_too_long(status: int, code: str, said: str) -> bool:
    if status in (400, 413, 422) and _TOO_LONG.search(said):
        return True
    return code == "context_length_exceeded" or (status == 500 and bool(_TOO_LARGE.search(said)))


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the endpoint asks for (retry-after-ms, Retry-After as seconds or as a date)."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            seconds = float(milliseconds) / 1000
        elif (given := headers.get("retry-after", "")) and not given[:1].isalpha():
            seconds = float(given)
        elif given:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        else:
            return 0.0
    except (TypeError, ValueError):
        return 0.0
    # NaN is no number of seconds either.
    return min(max(seconds, 0.0), _MOST_RETRY_AFTER) if seconds == seconds else 0.0


def plain_code(code: object) -> str:
    """An error's code, if it looks like one: what else an endpoint says may repeat a document."""
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_.0-9]{1,64}", code) else ""


def _said(error: openai.APIStatusError) -> str:
    return str(error.message)[:2000]
