"""A model that does whatever stands in a document, so that tests can show what that may break."""

import json

from tests.support.model_endpoint.requests import ChatRequest

_ORDER = "SIMULATED-MODEL OBEY:"


def obeyed_line(request: ChatRequest) -> str | None:
    """The JSON that a message's line orders, as it stands there; else the rest of that line."""
    for message in request.messages:
        _, order, after = message.text.partition(_ORDER)
        if order:
            after = after.lstrip()
            try:
                _, end = json.JSONDecoder().raw_decode(after)
            except ValueError:
                return after.partition("\n")[0].rstrip()
            return after[:end]
    return None
