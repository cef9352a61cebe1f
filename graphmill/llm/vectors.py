"""Texts to be embedded, the vectors that come back, and the key under which a vector is kept."""

import base64
import binascii
import hashlib
import json
import math
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

# GraphRAG's defaults: so many texts, and so many tokens, are embedded by one call.
MOST_TEXTS = 16
MOST_TOKENS = 8191
MOST_DIMENSIONS = 16_000
"""That pgvector stores."""

Vector: TypeAlias = "array[float]"
"""Of four-byte floats, as pgvector stores them."""


@dataclass(frozen=True, slots=True)
class TextVector:
    """The vector of a text; `cut`: of its beginning, since the model takes no more of it."""

    vector: Vector
    cut: bool = False


@dataclass(frozen=True, slots=True)
class TextBatch:
    """What one call embeds: none of the texts is empty. Nothing is answered but vectors."""

    model: str
    texts: tuple[str, ...]
    max_tokens: int = 0


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """What came back: a vector for each text, in order, all of one dimension; or `wrong` says why
    the answer is none. `nano_usd` is what it cost, in 1e-9 dollars."""

    vectors: tuple[Vector, ...]
    prompt_tokens: int
    endpoint: str
    wrong: str = ""
    nano_usd: int = 0
    completion_tokens: int = 0


def vector_key(model: str, text: str) -> bytes:
    """SHA-256 of all that a vector depends on."""
    content = json.dumps(["vector.v1", model, text], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode()).digest()


def text_to_embed(text: str, count_tokens: Callable[[str], int], most: int = MOST_TOKENS) -> str:
    """The text as it is sent: its beginning, of 8,191 tokens at most; "" where there is not a word.

    Cut, and not embedded in parts: it is what the largest models of OpenAI take (8,192), reports
    and text units by the defaults are far below it, and a mean over parts would be another vector
    than the model gives. Lone surrogates, which no endpoint takes, become question marks.
    """
    if not text.strip():
        return ""
    text = text.encode("utf-8", "replace").decode()
    # No token has less than one byte, and most have more: few texts have to be counted.
    if len(text.encode()) <= most or count_tokens(text) <= most:
        return text
    least, longest = 0, len(text)
    while longest - least > 1:
        middle = (least + longest) // 2
        if count_tokens(text[:middle]) <= most:
            least = middle
        else:
            longest = middle
    return text[:least]


def read_vectors(content: bytes, count: int, endpoint: str) -> VectorBatch:
    """What an endpoint answered to so many texts; `wrong` has no word of the answer.

    Raises:
        ValueError: it is no JSON object; the connection was cut, or something else answered.
    """
    try:
        body: Any = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(body, dict):
        raise ValueError("no JSON object")
    body = cast(dict[str, Any], body)
    usage = body.get("usage")
    tokens = cast(dict[str, Any], usage).get("prompt_tokens") if isinstance(usage, dict) else 0
    tokens = tokens if isinstance(tokens, int) and 0 <= tokens < 2**31 else 0
    try:
        vectors = _vectors_of(body.get("data"), count)
    except _Wrong as error:
        return VectorBatch((), tokens, endpoint, str(error))
    return VectorBatch(vectors, tokens, endpoint)


class _Wrong(Exception):
    pass


def _vectors_of(data: object, count: int) -> tuple[Vector, ...]:
    items = cast(list[Any], data) if isinstance(data, list) else []
    if len(items) != count:
        raise _Wrong(f"{count} texts were sent, and {len(items)} vectors came back")
    found: dict[int, Vector] = {}
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            raise _Wrong("what came back are no vectors")
        item = cast(dict[str, Any], item)
        index = item.get("index", position)
        found[index if isinstance(index, int) else -1] = _vector_of(item.get("embedding"))
    if sorted(found) != list(range(count)):
        raise _Wrong("the vectors are numbered otherwise than the texts")
    vectors = tuple(found[index] for index in range(count))
    if len({len(vector) for vector in vectors}) != 1:
        raise _Wrong("the vectors have different numbers of dimensions")
    return vectors


def _vector_of(given: object) -> Vector:
    """From numbers, or from base64 of little-endian four-byte floats."""
    vector: Vector = array("f")
    try:
        if isinstance(given, str):
            vector.frombytes(base64.b64decode(given, validate=True))
            if sys.byteorder == "big":
                vector.byteswap()
        elif isinstance(given, list):
            vector.extend(cast(Sequence[float], given))
    except (binascii.Error, TypeError, ValueError, OverflowError):
        raise _Wrong("what came back are no vectors") from None
    if not vector or len(vector) > MOST_DIMENSIONS:
        raise _Wrong(
            f"a vector has {len(vector):,} dimensions; 1 to {MOST_DIMENSIONS:,} can be stored"
        )
    if not all(map(math.isfinite, vector)):
        raise _Wrong("a vector holds what is no finite number")
    return vector
