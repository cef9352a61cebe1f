"""How a statement of a database looks as a span: OpenTelemetry's conventions for database clients.

Statements are ours, and values go beside them as parameters, which are not told.
"""

import re

from graphmill.telemetry.spans import Attributes

_MOST = 2000
_OPERATION = re.compile(r"[A-Za-z]+")


def statement_span(system: str, statement: str) -> tuple[str, Attributes]:
    """The name and the attributes of a span; `system`: postgresql, neo4j."""
    found = _OPERATION.search(statement)
    operation = found.group().upper() if found else "?"
    return f"{system} {operation}", {
        "db.system.name": system,
        "db.operation.name": operation,
        "db.query.text": " ".join(statement.split())[:_MOST],
    }
