"""JSON and JSON lines to readable text: a record is a block of "key: value" lines.

Numbers stay as they are written (parsed as strings: no huge integer is computed, no digit lost) and
duplicate keys are all kept.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.parsing.decoding import decode
from graphmill.parsing.text import Content, text_too_large
from graphmill.settings import LimitSettings

# Deeper values are written as the JSON that they are.
_READABLE_DEPTH = 12
# Python's own limit would depend on how deep the caller stands.
_MAX_DEPTH = 100
_SPACE = re.compile(r"[ \t\n\r]*")
_TITLE_KEYS = ("title", "name", "headline")


class _Object(tuple[tuple[str, Any], ...]):
    """A JSON object as its pairs."""

    __slots__ = ()


def read(data: bytes, format: str, limits: LimitSettings) -> Content:
    """Raises: InvalidDocument (corrupt, too-large)."""
    text = decode(data, format, limits.document_characters)
    if not text.strip():
        return Content(())
    try:
        value = _records(text) if format == "jsonl" else _value_or_values(text)
        blocks = list(_blocks(value, limits.document_characters))
    except RecursionError:
        raise InvalidDocument(
            FailureReason.TOO_LARGE, "the JSON is nested too deeply to be read; flatten it"
        ) from None
    return Content(("\n\n".join(blocks),), title=_title(value), has_headings=False)


_decoder = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str
)


def _value_or_values(text: str) -> Any:
    """A list of them where one follows another: JSON lines by another name, or printed in turn."""
    values: list[Any] = []
    at = _end_of_space(text, 0)
    while at < len(text):
        try:
            value, at = _decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _corrupt(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
        values.append(value)
        at = _end_of_space(text, at)
    return values[0] if len(values) == 1 else values


def _end_of_space(text: str, start: int) -> int:
    space = _SPACE.match(text, start)
    return space.end() if space else start


def _records(text: str) -> list[Any]:
    values: list[Any] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                values.append(_decoder.decode(line.strip()))
            except json.JSONDecodeError as error:
                raise _corrupt(f"line {number}, column {error.colno}: {error.msg}") from None
    return values


def _corrupt(where: str) -> InvalidDocument:
    return InvalidDocument(
        FailureReason.CORRUPT, f"this is not well-formed JSON ({where}); mend it and upload again"
    )


def _title(value: Any) -> str:
    if isinstance(value, _Object):
        for wanted in _TITLE_KEYS:
            for key, item in value:
                if key.lower() == wanted and isinstance(item, str):
                    return item
    return ""


def _blocks(value: Any, max_characters: int) -> Iterator[str]:
    """Top-level records one by one; lists of objects within an object under a heading each."""
    size = 0
    for block in _top_blocks(value):
        if block:
            # Paths repeat their keys: a hostile nest may write far more than it reads.
            size += len(block) + 2
            if size > max_characters:
                raise text_too_large(max_characters)
            yield block


def _top_blocks(value: Any) -> Iterator[str]:
    if isinstance(value, _Object):
        own = _Object(pair for pair in value if not _is_record_list(pair[1]))
        yield "\n".join(_lines(own, "", 0))
        for key, items in value:
            if _is_record_list(items):
                yield f"## {key}"
                for item in items:
                    yield "\n".join(_lines(item, "", 0))
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            yield "\n".join(_lines(item, "", 0))
    else:
        yield _scalar(value)


def _is_record_list(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(item, _Object) for item in cast(list[Any], value)
    )


def _lines(value: Any, path: str, depth: int) -> Iterator[str]:
    label = f"{path}: " if path else ""
    if depth > _READABLE_DEPTH:
        yield label + json.dumps(_plain(value, depth), ensure_ascii=False)
    elif isinstance(value, _Object):
        for key, item in value:
            yield from _lines(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        items = cast(list[Any], value)
        if any(isinstance(item, (_Object, list)) for item in items):
            for number, item in enumerate(items, start=1):
                yield from _lines(item, f"{path}[{number}]", depth + 1)
        elif items:
            yield label + ", ".join(map(_scalar, items))
    elif text := _scalar(value):
        yield label + text


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _plain(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise RecursionError
    if isinstance(value, _Object):
        return {key: _plain(item, depth + 1) for key, item in value}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in cast(list[Any], value)]
    return value
