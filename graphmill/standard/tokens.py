"""What fits into a number of tokens."""

from collections.abc import Callable

CountTokens = Callable[[str], int]
"""How many tokens a text has for the model."""


def fit(text: str, most_tokens: int, count_tokens: CountTokens) -> str:
    """The longest beginning of the text, to a sixteenth, that has at most so many tokens."""
    # No token is shorter than a byte: most texts are far too short to be counted for this.
    if len(text.encode("utf-8", "surrogatepass")) <= most_tokens:
        return text
    # No token is longer than this in practice; bounds what is counted.
    text = text[: most_tokens * 32]
    if count_tokens(text) <= most_tokens:
        return text
    fits, fails = 0, len(text)
    while fails - fits > max(1, fits // 16):
        middle = (fits + fails) // 2
        if count_tokens(text[:middle]) <= most_tokens:
            fits = middle
        else:
            fails = middle
    return text[:fits].rstrip()
