"""A document's bytes become text units and extractions: parse, chunk, extract, in one process."""

import hashlib
from dataclasses import dataclass

from graphmill.chunking import CHUNKER_VERSION, chunk
from graphmill.errors import NoText
from graphmill.extraction import EXTRACTOR_VERSION, extract
from graphmill.ids import document_id
from graphmill.messages import Recipe
from graphmill.models import Method, ProcessedDocument
from graphmill.parsing import PARSER_VERSION, parse
from graphmill.settings import ChunkSettings, LimitSettings


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What processing depends on, small enough to go to a process with every document.

    `extract`: whether entities are found here (method fast) or later, by a model.
    """

    chunk_size: int
    chunk_overlap: int
    limits: LimitSettings
    extract: bool = True


def process_document(
    data: bytes, name: str, settings: ProcessSettings, careful: bool = False
) -> ProcessedDocument:
    """Parse, chunk and extract one document; `careful` as in graphmill.parsing.parse.

    CPU-bound, and it calls libraries in C and Rust on hostile input: run it in a process that may
    be killed.

    Raises:
        NoText: there is not a word in it.
        InvalidDocument: it cannot be read; the reason and what to do about it.
        SettingsError: the overlap is not smaller than the chunk size.
    """
    parsed = parse(data, name, settings.limits, careful)
    # Checked when settings were read; made anew it would be read from the environment again.
    chunks = ChunkSettings.model_construct(size=settings.chunk_size, overlap=settings.chunk_overlap)
    text_units = chunk(document_id(name), parsed, chunks)
    if not text_units:
        raise NoText("there is not a word in this file")
    extractions = tuple(extract(unit.text) for unit in text_units) if settings.extract else ()
    return ProcessedDocument(parsed, text_units, extractions)


def recipe(recipe: Recipe) -> bytes:
    """SHA-256 of all that a document's text units and extractions are made by, its bytes aside:
    what was stored under another one is made again."""
    return _digest(
        PARSER_VERSION,
        CHUNKER_VERSION,
        EXTRACTOR_VERSION if recipe.method is Method.FAST else recipe.extraction,
        recipe.method,
        recipe.chunk_size,
        recipe.chunk_overlap,
        # Without claims, what it was before there were any: what is stored stays.
        *([recipe.claims] if recipe.claims else []),
    )


def reading(recipe: Recipe, version: bytes) -> bytes:
    """SHA-256 of all that the text units of a document are made by, whoever extracts from them.

    `version` is that of its bytes.
    """
    sizes = recipe.chunk_size, recipe.chunk_overlap
    return _digest(PARSER_VERSION, CHUNKER_VERSION, *sizes, version.hex())


def _digest(*made_by: object) -> bytes:
    return hashlib.sha256("\x1f".join(map(str, made_by)).encode()).digest()
