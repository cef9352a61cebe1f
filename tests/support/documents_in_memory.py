"""Documents that are made up, and uploaded from memory."""

import hashlib
import io
from datetime import UTC, datetime

from graphmill.uploads import Upload


def small_document(name: str, text: str) -> Upload:
    data = text.encode()
    date = datetime(2026, 1, 1, tzinfo=UTC)
    return Upload(name, hashlib.sha256(data).digest(), len(data), date, lambda: io.BytesIO(data))
