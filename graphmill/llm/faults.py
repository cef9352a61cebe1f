"""Why an endpoint did not answer: what may pass here or elsewhere, and what never will."""

from graphmill.errors import GraphmillError, PermanentError, TransientError
from graphmill.llm.manners import Guess


class AskOtherwise(GraphmillError):
    """The endpoint did not take how it was asked, and may take the same question by `guess`: at
    once, as a call of its own."""

    def __init__(self, message: str, guess: Guess) -> None:
        super().__init__(message)
        self.guess = guess


class EndpointFault(TransientError):
    """A call that was not answered, and may be answered later or by another endpoint."""


class Overloaded(EndpointFault):
    """Too much at once (429, 503, 529). `retry_after`: seconds, 0 if untold."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(EndpointFault):
    """No answer in time; whether one was made, and is paid for, nobody knows."""


class Unreachable(EndpointFault):
    """Nothing listens, there or behind it, or the connection was cut before an answer began."""


class BrokenAnswer(EndpointFault):
    """An error of the endpoint's own (500), or half an answer."""


class CallRefused(PermanentError):
    """The endpoint will never answer, whatever is asked: the message says what to do."""


class QuestionRefused(CallRefused):
    """It answers others, and never this one: for its length, or for what it says."""


class ContextTooLong(QuestionRefused):
    """The question is longer than the model takes."""
