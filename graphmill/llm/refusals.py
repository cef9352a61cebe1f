"""What it means when an endpoint refuses: try again later, elsewhere, or never.

Facts about the answers of OpenAI, Azure, Anthropic and vLLM are in docs/decisions/model-calls.md.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from graphmill.llm.faults import (
    BrokenAnswer,
    CallRefused,
    ContextTooLong,
    Overloaded,
    QuestionRefused,
    TimedOut,
    Unreachable,
)

# No header closes an endpoint for longer: quotas are of a day at most, and a header may be wrong.
_MOST_RETRY_AFTER = 86_400.0
_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|maximum.{0,40}(context|tokens)|too (long|many tokens)"
    # OpenAI of embeddings: "maximum input length is 8192 tokens"; Hugging Face's server:
    # "`inputs` must have less than 512 tokens"
    r"|less than .{0,20}(tokens|characters)",
    re.IGNORECASE,
)
# llama.cpp answers 500: "input (992 tokens) is too large to process"
_TOO_LARGE = re.compile(r"input.{0,40}too large to process", re.IGNORECASE)
# Nobody pays any more. OpenAI says the first three with 429; Anthropic says it with a 400, in words
# that it begins with. Elsewhere in a refusal they may be a document's.
_UNPAID_CODES = frozenset(
    {"insufficient_quota", "billing_not_active", "billing_hard_limit_reached"}
)
_UNPAID_WORDS = "Your credit balance is too low"
_MOST_SAID = 2_000
_OVERLOADED = frozenset({429, 503, 529})
# Something passed on the way, or an engine failed with it (424: Hugging Face's servers).
_BROKEN = frozenset({408, 409, 424, 425})
# About what was asked, which may be a document's own peculiarity.
_ABOUT_CONTENT = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is none. `said`: its first 2,000 characters of words, which may repeat the
    question; `code`: OpenAI's, where it looks like one; `message`: the error's own, where it has
    one, as far as it is in `said`."""

    status: int
    headers: Mapping[str, str]
    code: str
    said: str
    message: str = ""


class Refused(Exception):
    """A call that got a refusal; not for people, who are told what `fault_of` makes of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


def read_refusal(status: int, headers: Mapping[str, str], body: bytes | bytearray) -> Refusal:
    """From a body in one of the forms of OpenAI's error, or any other."""
    said, code, message = body[: 4 * _MOST_SAID].decode("utf-8", "replace"), "", ""
    try:
        error: Any = json.loads(body)
        error = error.get("error", error)
        code = plain_code(error.get("code"))
        if isinstance(error.get("message"), str):
            message = error["message"]
            said = f"{error.get('param') or ''} {message}"
    except (ValueError, AttributeError, RecursionError):
        pass  # then its words have to do
    return Refusal(status, headers, code, said[:_MOST_SAID], message[:_MOST_SAID])


def fault_of(refusal: Refusal, endpoint: str) -> Exception:
    """What it means. Nothing of the question, the answer or the key is in its words."""
    status, code = refusal.status, refusal.code
    if _is_unpaid(refusal):
        return CallRefused(
            f"endpoint {endpoint!r} says that its quota or its credit is used up ({status},"
            f" {code or 'no code'}); add credit to the account, or set another endpoint"
        )
    if status in _OVERLOADED:
        return Overloaded(f"endpoint {endpoint!r} answers {status}", retry_after(refusal.headers))
    if _is_too_long(status, code, refusal.said):
        return ContextTooLong(
            f"endpoint {endpoint!r} says that the question is longer than its model takes; set a"
            " smaller chunk size, or a model with a larger context"
        )
    if status == 502:
        return Unreachable(f"endpoint {endpoint!r} answers 502: what is behind it is not there")
    if status == 504:
        return timed_out(endpoint)
    if status in _BROKEN or status >= 500:
        return BrokenAnswer(f"endpoint {endpoint!r} answers {status}")
    if status in (401, 403):
        return CallRefused(
            f"endpoint {endpoint!r} refuses the key ({status}); check OPENAI_API_KEY, or the"
            " endpoint's api_key_env in graphmill.toml"
        )
    if status < 400:
        return CallRefused(
            f"the address of endpoint {endpoint!r} redirects ({status}), which is not followed; set"
            " OPENAI_BASE_URL, or the endpoint's base_url in graphmill.toml, to where it leads"
        )
    if status in (404, 405, 410) or code == "model_not_found":
        return CallRefused(
            f"endpoint {endpoint!r} does not know the model, or its address is wrong ({status});"
            " check OPENAI_MODEL, OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL"
        )
    if status in _ABOUT_CONTENT:
        return QuestionRefused(
            f"endpoint {endpoint!r} refuses the call ({status}, {code or 'no code'})"
        )
    return CallRefused(
        f"endpoint {endpoint!r} refuses calls ({status}, {code or 'no code'}), whatever is asked;"
        " look up what that means there, or set another endpoint"
    )


def timed_out(endpoint: str) -> TimedOut:
    return TimedOut(f"endpoint {endpoint!r} did not answer in time")


def _is_unpaid(refusal: Refusal) -> bool:
    if refusal.status == 402 or refusal.code in _UNPAID_CODES:
        return True
    return refusal.status == 400 and refusal.message.startswith(_UNPAID_WORDS)


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
