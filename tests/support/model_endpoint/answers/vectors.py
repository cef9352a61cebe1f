"""Embeddings: unit vectors that a hash of the text gives. Equal texts, and no others, are near."""

import array
import base64
import hashlib
import math


def vector_of(text: str, dimensions: int) -> list[float]:
    content = text.encode("utf-8", "surrogatepass")
    numbers = array.array("h", hashlib.shake_128(content).digest(2 * dimensions))
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


def in_base64(vector: list[float]) -> str:
    """As little-endian floats of four bytes, which this machine's are."""
    return base64.b64encode(array.array("f", vector).tobytes()).decode()
