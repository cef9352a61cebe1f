"""Errors as OpenAI words them: a status, and a body that says what is wrong."""

import math
from typing import Any, Literal


class Refusal(Exception):
    """A call that gets an error for an answer. `kind` is what it is counted as: by rule
    ("refused"), or drawn ("faults")."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        group: Literal["refused", "faults"] = "refused",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.group: Literal["refused", "faults"] = group
        self.retry_after = retry_after
        self.body: dict[str, Any] = {
            "error": {"message": message, "type": type, "param": param, "code": code}
        }

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, "bad_request", message, param=param, code=code)


def not_found(message: str) -> Refusal:
    return Refusal(404, "not_found", message)


def wrong_key() -> Refusal:
    return Refusal(401, "api_key", "Incorrect API key provided.", code="invalid_api_key")


def unknown_model(model: str) -> Refusal:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Refusal(404, "model", message, param="model", code="model_not_found")


def unsupported_format(given: str) -> Refusal:
    message = f"Invalid parameter: 'response_format' of type '{given}' is not supported."
    return Refusal(400, "response_format", message, param="response_format")


def unsupported_encoding(given: str) -> Refusal:
    message = f"Invalid value: '{given}'. Supported values are: 'float'."
    return Refusal(400, "encoding_format", message, param="encoding_format")


def too_long(prompt_tokens: int, answer_tokens: int, most: int) -> Refusal:
    message = (
        f"This model's maximum context length is {most} tokens. However, you requested"
        f" {prompt_tokens + answer_tokens} tokens ({prompt_tokens} in the messages, {answer_tokens}"
        " in the completion). Please reduce the length of the messages or completion."
    )
    return Refusal(400, "context", message, param="messages", code="context_length_exceeded")


def too_long_an_answer(tokens: int, most: int) -> Refusal:
    message = (
        f"max_tokens is too large: {tokens}. This model supports at most {most} completion tokens,"
        f" whereas you provided {tokens}."
    )
    return Refusal(400, "answer_length", message, param="max_tokens", code="invalid_value")


def filtered(text: str) -> Refusal:
    """Like some servers it repeats what it was asked."""
    message = (
        "The response was filtered due to the prompt triggering the content management policy:"
        f" {text[:500]}"
    )
    return Refusal(400, "filtered", message, param="prompt", code="content_filter")


def over_limit(unit: Literal["requests", "tokens"], limit: int, wait: float) -> Refusal:
    """Whole seconds, at least one, as the header has to be."""
    seconds = max(1, math.ceil(wait))
    message = f"Rate limit reached on {unit} per min: Limit {limit}. Try again in {seconds}s."
    kind = f"{unit}_per_minute"
    code = "rate_limit_exceeded"
    return Refusal(429, kind, message, type=unit, code=code, retry_after=float(seconds))


def too_many_at_once(kind: Literal["places", "waiting_line"], retry_after: float | None) -> Refusal:
    message = "Too many requests at once."
    code = "rate_limit_exceeded"
    return Refusal(429, kind, message, type="requests", code=code, retry_after=retry_after)


def drawn(status: int, retry_after: float | None) -> Refusal:
    """A fault that is an error: 429, 500 or 503."""
    message, type, code = {
        429: ("Rate limit reached. Please try again later.", "requests", "rate_limit_exceeded"),
        500: ("The server had an error while processing your request.", "server_error", None),
        503: ("The engine is currently overloaded, please try again later.", "server_error", None),
    }[status]
    wait = None if status == 500 else retry_after
    return Refusal(
        status, str(status), message, type=type, code=code, retry_after=wait, group="faults"
    )
