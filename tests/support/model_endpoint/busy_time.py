"""How long places were in use, summed over places."""


class BusyTime:
    """Times come from outside, in seconds, and never run backwards."""

    def __init__(self) -> None:
        self.in_use = 0
        self.first_start: float | None = None
        self._last_end: float | None = None
        self._seconds = 0.0
        self._counted_to = 0.0

    def enter(self, now: float) -> None:
        self._count(now)
        self.in_use += 1
        if self.first_start is None:
            self.first_start = now

    def leave(self, now: float) -> None:
        self._count(now)
        self.in_use -= 1
        self._last_end = now

    def restart(self, now: float) -> None:
        """Count anew; what is in use stays so."""
        self._seconds = 0.0
        self._counted_to = now
        self.first_start = now if self.in_use else None
        self._last_end = None

    def seconds(self, now: float) -> float:
        self._count(now)
        return self._seconds

    def last_end(self, now: float) -> float | None:
        return now if self.in_use else self._last_end

    def share(self, places: int, now: float) -> float:
        """Of what so many places could have given from the first start to the last end."""
        start, end = self.first_start, self.last_end(now)
        if start is None or end is None or end <= start:
            return 0.0
        return self.seconds(now) / (places * (end - start))

    def _count(self, now: float) -> None:
        self._seconds += self.in_use * (now - self._counted_to)
        self._counted_to = now
