"""A batch's input: one request a line, checked before any is answered."""

import json
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Line:
    custom_id: str
    body: dict[str, Any]


def read_lines(content: bytes, url: str) -> tuple[list[Line], list[dict[str, Any]]]:
    """(lines, what is wrong with them in OpenAI's words)."""
    lines: list[Line] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            continue
        line, code, message, param = _read(text, url)
        if line is not None and line.custom_id in seen:
            code, param = "duplicate_custom_id", "custom_id"
            message = f"The custom_id '{line.custom_id}' is not unique in this batch."
            line = None
        if line is None:
            errors.append({"code": code, "message": message, "param": param, "line": number})
        else:
            seen.add(line.custom_id)
            lines.append(line)
    if not lines and not errors:
        message = "The input file is empty."
        errors.append({"code": "empty_file", "message": message, "param": None, "line": None})
    return lines, errors


def _read(text: bytes, url: str) -> tuple[Line | None, str, str, str | None]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return None, "invalid_json_line", "This line is not parseable as valid JSON.", None
    given = cast(dict[str, Any], given)
    custom_id, body = given.get("custom_id"), given.get("body")
    if not isinstance(custom_id, str):
        return None, "missing_required_parameter", "Missing 'custom_id'.", "custom_id"
    if not isinstance(body, dict):
        return None, "missing_required_parameter", "Missing 'body'.", "body"
    if given.get("method") != "POST":
        return None, "invalid_method", "The method must be POST.", "method"
    if given.get("url") != url:
        return None, "invalid_url", f"The url must be the batch's: {url}.", "url"
    return Line(custom_id, cast(dict[str, Any], body)), "", "", None
