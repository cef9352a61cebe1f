"""Whether a call fails for its own sake, or with all the rest.

A question may be such that a model never comes to its end: it crashes, or thinks for ever. Asked
again and again it would hold up its document, and with that its run, as long as anybody waits.
"""

from collections.abc import Sequence

from graphmill.llm.faults import BrokenAnswer, EndpointFault, TimedOut
from graphmill.llm.outcomes import Tally

# With one call of ten failing by chance, one of a hundred million is taken for such a question.
_MANY = 8


class LoneFaults:
    """What became of other calls of this process while one failed again and again."""

    def __init__(self, tallies: Sequence[Tally]) -> None:
        self._tallies = tuple(tallies)
        self._first_answers = self._answers = self._sum_answers()
        self._faults = self._sum_faults()
        self._tries = 0
        self._late = 0
        self._own = 0
        self._alone = 0

    def note(self, fault: EndpointFault) -> None:
        """A try that failed. Of its own: the endpoint began to work on it and came to no end;
        alone: and others have been answered since the try before."""
        answers = self._sum_answers()
        self._tries += 1
        self._late += isinstance(fault, TimedOut)
        if isinstance(fault, BrokenAnswer | TimedOut):
            self._own += 1
            self._alone += answers > self._answers
        self._answers = answers

    @property
    def are_many(self) -> bool:
        """It failed alone so often that it is no chance."""
        return self._alone >= _MANY

    @property
    def are_all(self) -> bool:
        """Each try failed of its own, and others were answered each time, or were none that could
        have failed with it."""
        if self._own < self._tries:
            return False
        return self._alone == self._tries or self._sum_faults() - self._faults == self._tries

    @property
    def are_late(self) -> bool:
        """Each try had no answer in time, and since the first began nobody was answered."""
        if not self._tries or self._late < self._tries:
            return False
        return self._sum_answers() == self._first_answers

    def _sum_answers(self) -> int:
        return sum(tally.answers for tally in self._tallies)

    def _sum_faults(self) -> int:
        return sum(tally.faults for tally in self._tallies)
