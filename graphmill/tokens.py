"""Tokens as models count them: those of o200k_base, whatever the model."""

from functools import cache
from typing import Protocol, cast

from rs_bpe.bpe import openai  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]


class _Tokenizer(Protocol):
    def count(self, text: str, /) -> int: ...


def count_tokens(text: str) -> int:
    """How many tokens a text has. The first call loads the tables (0.2 s)."""
    return _tokenizer().count(text)


@cache
def _tokenizer() -> _Tokenizer:
    # The package says nothing of its types.
    return cast(_Tokenizer, openai.o200k_base())  # pyright: ignore[reportUnknownMemberType]
