"""A model's answer as values: JSON is read, slips that lose nothing are mended, all else refused.

An answer that was cut off is never completed: every bracket and quotation mark has to be closed
before anything is read. Errors say what is wrong without a word of the answer, which may repeat a
document.
"""

import json
import re
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar, cast

import pyjson5
from pydantic import BaseModel, ValidationError

from graphmill.llm.calls import InvalidAnswer
from graphmill.standard.cleaning import storable

__all__ = ["MAX_CHARACTERS", "InvalidAnswer", "find_object", "read_answer", "read_json"]

MAX_CHARACTERS = 2_000_000

# Our forms are four deep. Python's own limit would depend on the caller's stack.
_DEEPEST = 32
_LARGEST_NUMBER = 10**18
# Pairs of braces in the words around an object.
_MOST_BRACES = 100

# Strings whole; brackets and colons between them; comments; a quotation mark that nothing closes.
# Possessive, so that what does not match takes linear time.
_TOKEN = re.compile(
    r'"(?:[^"\\]++|\\.)*+"' r"|'(?:[^'\\]++|\\.)*+'" r"|[{}\[\]:\"']|/[/*]", re.DOTALL
)
_CLOSES = {"}": "{", "]": "["}
# A control character, or an escape that neither JSON nor JSON5 has one meaning for (LaTeX, paths).
_STRING_SLIP = re.compile(r"[\x00-\x1f]|\\(?:u[0-9a-fA-F]{4}|.)?", re.DOTALL)
_ESCAPES = frozenset("\"\\/bfnrt'")

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Object:
    """Where an object lies in an answer, and how many keys it has, those of inner ones too."""

    start: int
    end: int
    keys: int


def read_answer(text: str, form: type[T]) -> T:
    """
    Raises:
        InvalidAnswer: it is no JSON object, or not of that form.
    """
    value = read_json(text)
    try:
        return form.model_validate(value)
    except ValidationError as error:
        # Places and kinds are words of the form and of pydantic, none of the answer.
        places = [
            f"{'.'.join(map(str, one['loc'])) or 'the object'} ({one['type']})"
            for one in error.errors(include_input=False, include_context=False, include_url=False)
        ]
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    raise InvalidAnswer(f"it has not the form asked for: {', '.join(places[:5])}{more}")


def read_json(text: str) -> dict[str, object]:
    """The one JSON object of an answer, with words, a code fence or a model's thoughts around it.

    Mended: trailing commas, single quotes, keys without quotes, line ends and single backslashes
    within strings, NULs and halves of characters. Depth is at most 32, numbers are finite and
    below 10**18.

    Raises:
        InvalidAnswer: it was cut off; there is no object, or more than one; a key stands twice;
            something was left out by a comment; it is longer than 2,000,000 characters; anything
            else that is not JSON.
    """
    text, found = _find(text)
    value = _parse(text[found.start : found.end])
    counted = _Counted()
    value = counted.check(value)
    if counted.keys != found.keys:
        raise InvalidAnswer("a key stands twice in one object")
    return cast("dict[str, object]", value)


def find_object(text: str) -> str:
    """The text of the object that `read_json` would read.

    Raises:
        InvalidAnswer: as read_json, as far as it depends on brackets and quotes.
    """
    text, found = _find(text)
    return text[found.start : found.end]


def _find(text: str) -> tuple[str, _Object]:
    if len(text) > MAX_CHARACTERS:
        raise InvalidAnswer(f"it is longer than {MAX_CHARACTERS:,} characters")
    text = _without_thoughts(text.strip().removeprefix("\ufeff"))
    found = _only_object(text)
    before, after = text[: found.start].rstrip(), text[found.end :].lstrip()
    # Part of a list, or an object closed too early: the rest of the answer is somewhere outside.
    if before.endswith(("[", ",", "{")) or after.startswith(("]", ",", "}", ":", '"')):
        raise InvalidAnswer("its JSON object is part of something larger, or closed too early")
    return text, found


def _without_thoughts(text: str) -> str:
    """Some endpoints leave in what a model thought first, with or without the first tag; thoughts
    hold drafts. A tag after the first brace may stand in a string, where a document put it."""
    thoughts, end, rest = text.partition("</think>")
    if text.startswith("<think>"):
        if not end:
            raise InvalidAnswer("it ends within the model's thoughts")
        return rest.strip()
    return rest.strip() if end and "{" not in thoughts else text


def _only_object(text: str) -> _Object:
    """Braces without a colon are words about something, unless nothing else is there: {}."""
    found: _Object | None = None
    start = text.find("{")
    for _ in range(_MOST_BRACES):
        if start < 0:
            break
        one = _object_at(text, start)
        if found is not None and found.keys and one.keys:
            raise InvalidAnswer("it holds more than one JSON object; exactly one was asked for")
        if found is None or one.keys:
            found = one
        start = text.find("{", one.end)
    if found is None or start >= 0:
        raise InvalidAnswer("it holds no JSON object")
    return found


def _object_at(text: str, start: int) -> _Object:
    """From one brace to the one that closes it, whatever stands in strings.

    Raises:
        InvalidAnswer: it is not closed, is too deep, or has a comment.
    """
    opened: list[str] = []
    keys = 0
    for token in _TOKEN.finditer(text, start):
        sign = token[0]
        if sign in ("{", "["):
            opened.append(sign)
            if len(opened) > _DEEPEST:
                raise InvalidAnswer(f"its JSON is more than {_DEEPEST} levels deep")
        elif sign in ("}", "]"):
            if opened.pop() != _CLOSES[sign]:
                raise InvalidAnswer("its brackets do not match")
            if not opened:
                return _Object(start, token.end(), keys)
        elif sign == ":":
            keys += 1
        elif sign in ("//", "/*"):
            # As often as not it says "and so on".
            raise InvalidAnswer("its JSON has a comment, which may stand for what was left out")
        elif sign in ('"', "'"):
            raise InvalidAnswer("it was cut off within a string, or a quotation mark is missing")
    raise InvalidAnswer("it was cut off, or a closing bracket is missing")


def _parse(text: str) -> object:
    try:
        return json.loads(text, strict=False)
    except ValueError:  # also an integer of too many digits
        pass
    try:
        return pyjson5.decode(_TOKEN.sub(_mend_string, text), maxdepth=_DEEPEST + 1)
    except (pyjson5.Json5DecoderException, ValueError, ArithmeticError):
        pass
    # Raised out here: those errors hold the answer's words.
    raise InvalidAnswer("it is not JSON: a comma, colon, quotation mark or value is wrong")


def _mend_string(token: re.Match[str]) -> str:
    return _STRING_SLIP.sub(_mend_slip, token[0]) if len(token[0]) > 2 else token[0]


def _mend_slip(slip: re.Match[str]) -> str:
    found = slip[0]
    if found[0] != "\\":
        return f"\\u{ord(found):04x}"
    # A backslash before anything else was meant as one.
    return found if len(found) == 6 or found[1:] in _ESCAPES else "\\" + _mend_line(found)


def _mend_line(escape: str) -> str:
    return "\\" + "".join(f"\\u{ord(sign):04x}" if sign < " " else sign for sign in escape[1:])


class _Counted:
    """Goes through a parsed value, of bounded depth, and counts its keys."""

    def __init__(self) -> None:
        self.keys = 0

    def check(self, value: object) -> object:
        if isinstance(value, str):
            return storable(value)
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            self.keys += len(members)
            return {storable(key): self.check(member) for key, member in members.items()}
        if isinstance(value, list):
            return [self.check(item) for item in cast("list[object]", value)]
        if isinstance(value, (int, float)) and not (
            isfinite(value) and abs(value) < _LARGEST_NUMBER
        ):
            raise InvalidAnswer("a number in it is infinite, none, or far too large")
        return value
