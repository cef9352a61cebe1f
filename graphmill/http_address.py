"""Addresses of servers over HTTP, as settings and the client take them."""

from urllib.parse import urlsplit

EXAMPLE = "https://graphmill.example"


def check_address(url: str, example: str, key: str) -> str:
    """Without a slash at its end. `key`: the setting that its key belongs into.

    Raises:
        ValueError: it is none, or holds a secret. What was given is not told.
    """
    expected = f"expected is an address such as {example}"
    try:
        parts = urlsplit(url)
        _ = parts.port  # read for its error
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(expected)
    if parts.username or parts.password:
        raise ValueError(f"a key belongs into {key}, not into the address")
    return url.rstrip("/")


def check_graphmill_url(url: str) -> str:
    """As `check_address`, of a server of graphmill."""
    return check_address(url, EXAMPLE, "GRAPHMILL_API_KEY")
