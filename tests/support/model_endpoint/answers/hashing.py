"""Numbers that look drawn and are the same in every process."""

from zlib import crc32


def number_of(*texts: str) -> int:
    """Of 32 bits."""
    return crc32("\0".join(texts).encode("utf-8", "surrogatepass"))
