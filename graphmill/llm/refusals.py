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
_MOST_SAID = 2_000
_OVERLOADED = frozenset({429, 503, 529})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is none. `said`: its first 2,000 characters of words, which may repeat the
    question; `code`: OpenAI's, where it looks like one."""

    status: int
    headers: Mapping[str, str]
    code: str
    said: str


class Refused(Exception):
    """A call that got a refusal; not for people, who are told what `fault_of` makes of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


def read_refusal(status: int, headers: Mapping[str, str], body: bytes | bytearray) -> Refusal:
    """From a body in one of the forms of OpenAI's error, or any other."""
    said, code = body[: 4 * _MOST_SAID].decode("utf-8", "replace"), ""
    try:
        error: Any = json.loads(body)
        error = error.get("error", error)
        code = plain_code(error.get("code"))
        if isinstance(error.get("message"), str):
            said = f"{error.get('param') or ''} {error['message']}"
    except (ValueError, AttributeError, RecursionError):
        pass  # then its words have to do
    return Refusal(status, headers, code, said[:_MOST_SAID])


def fault_of(refusal: Refusal, endpoint: str) -> Exception:
    """What it means. Nothing of the question, the answer or the key is in its words."""
    status, code = refusal.status, refusal.code
    if code == "insufficient_quota":
        return CallRefused(
            f"endpoint {endpoint!r} says that its quota is used up; add credit to the account, or"
            " set another endpoint"
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
    if status in (408, 409, 425) or status >= 500:
        return BrokenAnswer(f"endpoint {endpoint!r} answers {status}")
    if status in (401, 403):
        return CallRefused(
            f"endpoint {endpoint!r} refuses the key ({status}); check OPENAI_API_KEY, or the"
            " endpoint's api_key_env in graphmill.toml"
        )
    if status < 400 or status in (404, 405) or code == "model_not_found":
        return CallRefused(
            f"endpoint {endpoint!r} does not know the model, or its address is wrong ({status});"
            " check OPENAI_MODEL, OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL"
        )
    # 400, 413, 422 and the like: about what was asked, which may be a document's own peculiarity.
    return QuestionRefused(
        f"endpoint {endpoint!r} refuses the call ({status}, {code or 'no code'})"
    )


def timed_out(endpoint: str) -> TimedOut:
    return TimedOut(f"endpoint {endpoint!r} did not answer in time")


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
