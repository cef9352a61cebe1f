"""How a statement of a database looks as a span: OpenTelemetry's conventions for database clients.

Statements are ours, and values go beside them as parameters, which are not told.
https://opentelemetry.io/docs/specs/semconv/database/database-spans/
"""

import re

from graphmill.telemetry.spans import Attributes

_MOST = 2000
_OPERATION = re.compile(r"[A-Za-z]+")
_COMMENT = re.compile(r"--[^\n]*")
# The first table of SQL, the first label of Cypher.
_TARGET = re.compile(
    r"\b(?:FROM|INTO|UPDATE|TABLE|COPY|ANALYZE)\s+(?:ONLY\s+)?([a-z_]+)\b|\([a-z]*:([A-Za-z`]+)"
)


def statement_span(system: str, statement: str) -> tuple[str, Attributes]:
    """The name (SELECT documents) and the attributes of a span; `system`: postgresql, neo4j."""
    statement = _COMMENT.sub("", statement)
    found = _OPERATION.search(statement)
    operation = found.group().upper() if found else "?"
    target = _TARGET.search(statement)
    name = f"{operation} {target.group(1) or target.group(2)}" if target else operation
    return name, {
        "db.system.name": system,
        "db.operation.name": operation,
        "db.query.summary": name,
        "db.query.text": " ".join(statement.split())[:_MOST],
    }
