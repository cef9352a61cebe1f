"""Whether an endpoint answers far more slowly than it did at its best: then it has enough to do,
long before it refuses anything."""

import math

# Answers are slow if they take so many times as long, by their tokens, as at the best of late.
_SLOW = 3.0
# How much the last answer counts.
_SMOOTHING = 0.1
# The best is forgotten slowly: another time of day, another model behind the same name.
_FORGETS = 1.0005


class Slowness:
    """Of the answers of late: seconds for each token, and what these were when they were least."""

    def __init__(self) -> None:
        self._recent = 0.0  # no answer yet
        self._quickest = math.inf

    def note(self, seconds_per_token: float) -> None:
        last = self._recent or seconds_per_token
        self._recent = last + _SMOOTHING * (seconds_per_token - last)
        if self._recent < self._quickest:
            self._quickest = self._recent
        else:
            self._quickest *= _FORGETS

    @property
    def slow(self) -> bool:
        return self._recent > _SLOW * self._quickest
