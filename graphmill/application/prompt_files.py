"""A collection's prompts as files in a folder: one .md for each, and extraction.toml.

The folder may come from anybody: only files of these names are read, no links, and so much of each.
"""

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from graphmill.errors import InvalidRequest
from graphmill.model_settings import ExtractionSettings
from graphmill.prompts.loading import MAX_OWN_CHARACTERS, PromptName
from graphmill.standard.collection_prompts import OWN_PROMPTS, CollectionPrompts

EXTRACTION_FILE = "extraction.toml"
PROMPT_FILES: dict[str, PromptName] = {f"{name}.md": name for name in OWN_PROMPTS}
_MOST_BYTES = 4 * MAX_OWN_CHARACTERS

_OWN = """\
# What models are asked to find in this collection, in place of [extraction] of the workers'
# settings. A key that is left out has graphmill's default.

"""
_NOT_OWN = """\
# Nothing here is the collection's own: [extraction] of the workers' settings holds. Below are the
# settings of the machine that wrote this file. Where a line counts (take its # away), the whole
# file does: a key that is left out then has graphmill's default.

"""


def write_prompts(
    folder: Path, prompts: CollectionPrompts, settings: ExtractionSettings
) -> tuple[str, ...]:
    """Write what is in force into a folder; the names of the files, ascending.

    Read again unchanged, they mean the same prompts: `settings`, where the collection has none of
    its own, are shown as comments.

    Raises:
        InvalidRequest: as `check_writable`, or the folder cannot be written.
    """
    check_writable(folder)
    files = {file: f"{prompts.prompt(name).text}\n" for file, name in PROMPT_FILES.items()}
    files[EXTRACTION_FILE] = _to_toml(prompts.extraction, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            with (folder / file).open("x", encoding="utf-8", newline="\n") as opened:
                opened.write(text)
    except OSError as error:
        raise InvalidRequest(f"{folder} cannot be written: {error.strerror}") from None
    return tuple(sorted(files))


def check_writable(folder: Path) -> None:
    """
    Raises:
        InvalidRequest: it is no folder, or one of the files is there: somebody may have changed it.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidRequest(f"{folder} is no folder")
    for file in (*PROMPT_FILES, EXTRACTION_FILE):
        if os.path.lexists(folder / file):
            raise InvalidRequest(
                f"{folder / file} is there already and is not written over; name another folder"
            )


def read_prompts(folder: Path) -> CollectionPrompts:
    """What stands in a folder; of what has no file there, nothing is the collection's own.

    Raises:
        InvalidRequest: there is no such folder, another file in it, a file that is a link, too
            large or no text, or what one says is wrong.
    """
    try:
        found = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise InvalidRequest(f"{folder} cannot be read: {error.strerror}") from None
    known = (*PROMPT_FILES, EXTRACTION_FILE)
    for file in found:
        if file not in known:
            raise InvalidRequest(
                f"{folder} has a file {file!r}; expected are some of {', '.join(known)}, and no"
                " others, so that none is passed over for a slip in its name"
            )
    if not found:
        raise InvalidRequest(
            f"{folder} is empty; `graphmill prompts export` writes files to begin with, and"
            " `graphmill prompts reset` goes back to the prompts that are shipped"
        )
    texts = {PROMPT_FILES[file]: _read(folder / file) for file in found if file in PROMPT_FILES}
    extraction = _parse(_read(folder / EXTRACTION_FILE)) if EXTRACTION_FILE in found else None
    return CollectionPrompts.of(texts, extraction)


def _read(path: Path) -> str:
    """Looked at once it is open: before, somebody could put a link or a pipe in its place."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read, or is a link: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise InvalidRequest(f"{path} is no file")
    with open(opened, "rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InvalidRequest(f"{path} is larger than {_MOST_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path} is no UTF-8 text") from None


def _parse(text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        words = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise InvalidRequest(f"{EXTRACTION_FILE} is no TOML: {words[:200]}") from None


def _to_toml(own: ExtractionSettings | None, settings: ExtractionSettings) -> str:
    """JSON's strings and lists are TOML's too, of text without control characters."""
    values = (own or settings).model_dump(mode="json")
    mark = "" if own is not None else "# "
    lines = (
        f"{mark}{name} = {json.dumps(value, ensure_ascii=False)}\n"
        for name, value in values.items()
        if value is not None
    )
    return (_OWN if own is not None else _NOT_OWN) + "".join(lines)
