"""So much in every minute: sliding windows of requests and of tokens."""

import math
from collections import deque

from tests.support.model_endpoint.refusals import over_limit

_SECONDS = 60.0


class SlidingWindow:
    """Strict: no stretch of 60 seconds ever holds more than the limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: deque[tuple[float, int]] = deque()
        self._total = 0

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so much fits in; 0 for now, infinite for never."""
        entries = self._entries
        while entries and now - entries[0][0] >= _SECONDS:
            self._total -= entries.popleft()[1]
        over = self._total + amount - self.limit
        if over <= 0:
            return 0.0
        for time, entered in entries:
            over -= entered
            if over <= 0:
                return time + _SECONDS - now
        return math.inf

    def add(self, amount: int, now: float) -> None:
        self._entries.append((now, amount))
        self._total += amount


class RateLimits:
    """Lets a call in, or says how long to wait; what is not let in does not count."""

    def __init__(self, requests: int | None, tokens: int | None) -> None:
        self.requests = None if requests is None else SlidingWindow(requests)
        self.tokens = None if tokens is None else SlidingWindow(tokens)

    def check(self, tokens: int, now: float) -> None:
        """
        Raises:
            Refusal: it does not fit in now.
        """
        if self.requests is not None and (wait := self.requests.wait(1, now)):
            raise over_limit("requests", self.requests.limit, min(wait, _SECONDS))
        if self.tokens is not None and (wait := self.tokens.wait(tokens, now)):
            raise over_limit("tokens", self.tokens.limit, min(wait, _SECONDS))

    def admit(self, tokens: int, now: float) -> None:
        """
        Raises:
            Refusal: as `check`.
        """
        self.check(tokens, now)
        if self.requests is not None:
            self.requests.add(1, now)
        if self.tokens is not None:
            self.tokens.add(tokens, now)
