"""Every error that graphmill raises on purpose. The message tells the user what is wrong and what
to do. PermanentError: the same input fails again, so nothing retries it. TransientError: it may
pass.
"""

from enum import StrEnum


class GraphmillError(Exception):
    """Base of all errors raised on purpose."""


class PermanentError(GraphmillError):
    """The same input would fail again: never retried."""


class TransientError(GraphmillError):
    """Something outside is down or slow: retried, and not within `retry_in` seconds where that is
    known to be in vain."""

    retry_in: float = 0.0


class InvalidRequest(PermanentError):
    """What the caller asked for is not well formed."""


class NotFound(PermanentError):
    """A collection, document or run of that name does not exist."""


class SettingsError(PermanentError):
    """A setting (environment or graphmill.toml) is wrong."""


class Unavailable(TransientError):
    """A server that is needed cannot be reached."""


class FailureReason(StrEnum):
    """Why a document ended failed or skipped. The value is what users see before the colon."""

    CORRUPT = "corrupt"
    NEEDS_PASSWORD = "needs-password"
    UNSUPPORTED = "unsupported"
    ARCHIVE = "archive"
    NEEDS_OCR = "needs-ocr"
    TOO_LARGE = "too-large"
    TIMED_OUT = "timed-out"
    CRASHED = "crashed"
    MODEL = "model"
    TERMINATED = "terminated"
    NO_TEXT = "no text"
    SAME_AS = "same as"


class InvalidDocument(PermanentError):
    """A document cannot be read: `reason` says which way, the message what to do about it."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class NoText(InvalidDocument):
    """A well-formed document without a word in it: skipped, not failed."""

    def __init__(self, message: str = "nothing to read in this file") -> None:
        super().__init__(FailureReason.NO_TEXT, message)

    def __reduce__(self) -> tuple[type["NoText"], tuple[str]]:
        return (NoText, (self.message,))
