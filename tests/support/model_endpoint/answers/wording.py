"""Which part of a request is the text that it is about."""

from tests.support.model_endpoint.requests import ChatRequest


def is_gleaning(request: ChatRequest) -> bool:
    """It was answered before, and is asked for what it left out."""
    return any(message.role == "assistant" for message in request.messages)


def document_text(request: ChatRequest) -> str:
    """The last user message that has a text between the lines `<text>` and `</text>`: that text.
    None has: the whole of the last one, or of the first one where it was answered before."""
    asked = [message.text for message in request.messages if message.role == "user"]
    for message in reversed(asked):
        if (text := _between_marks(message)) is not None:
            return text
    if not asked:
        return ""
    return asked[0] if is_gleaning(request) else asked[-1]


def answered_before(request: ChatRequest) -> str:
    """All answers that it had before, a line apart."""
    return "\n".join(message.text for message in request.messages if message.role == "assistant")


def first_user_text(request: ChatRequest) -> str:
    asked = (message.text for message in request.messages if message.role == "user")
    return next(asked, "")


def last_user_text(request: ChatRequest) -> str:
    asked = [message.text for message in request.messages if message.role == "user"]
    return asked[-1] if asked else ""


def _between_marks(message: str) -> str | None:
    _, mark, after = f"\n{message}".partition("\n<text>\n")
    return after.partition("\n</text>")[0] if mark else None
