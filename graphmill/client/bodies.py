"""Bodies of requests, checked before they go out: what is wrong with them is an error of ours, in
the words that the server and commands have for it."""

import reprlib
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from graphmill.errors import InvalidRequest
from graphmill.http_api.schemas import IndexBody, RetryBody
from graphmill.index_request import IndexRequest, check_budget

B = TypeVar("B", bound=BaseModel)


def _encodable(text: str) -> str:
    """JSON can have half of a surrogate pair, and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("expected is text that UTF-8 has") from None
    return text


_Text = Annotated[str, AfterValidator(_encodable)]


class Question(BaseModel):
    """Which modes there are the server knows, which may be of another release."""

    question: _Text
    mode: _Text


def index_body(collection: str, **fields: object) -> IndexBody:
    """
    Raises:
        InvalidRequest: one is not what is expected.
    """
    IndexRequest.from_json({"collection": collection, **fields})
    return body(IndexBody, **fields)


def retry_body(budget_usd: float | None) -> RetryBody:
    """
    Raises:
        InvalidRequest: it is no amount of dollars.
    """
    return body(RetryBody, budget_usd=check_budget(budget_usd))


def body(kind: type[B], **fields: object) -> B:
    """
    Raises:
        InvalidRequest: one is not what is expected.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest("; ".join(map(_words, error.errors()))) from None


def _words(error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"]))
    # Cut: a question may be long, and so may a list of documents.
    return f"{name} is {reprlib.repr(error['input'])}: {error['msg']}"
