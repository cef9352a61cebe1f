"""resolve_entities: two titles are one entity where only punctuation and legal forms differ."""

import re
from typing import Any

from tests.support.model_endpoint.answers.wording import last_user_text
from tests.support.model_endpoint.requests import ChatRequest

_LINES = {side: re.compile(rf"^{side}:[ \t]*(.*)$", re.MULTILINE) for side in "AB"}
_LEGAL_FORMS = frozenset({"inc", "ltd", "gmbh", "corp"})


def resolve_entities(request: ChatRequest) -> dict[str, Any]:
    text = last_user_text(request)
    found = {side: line.search(text) for side, line in _LINES.items()}
    a, b = (found["A"], found["B"])
    if a is None or b is None:
        return {"same": False, "reason": "Two titles are needed."}
    same = _plain(a[1]) == _plain(b[1])
    differ = "differ in punctuation and legal form alone" if same else "differ in their words"
    return {"same": same, "reason": f"The titles {differ}."}


def _plain(title: str) -> list[str]:
    # "G.m.b.H." and "O'Neill" keep their letters together: punctuation goes, spaces divide.
    letters = re.sub(r"[^\w\s]|_", "", title.casefold())
    return [word for word in letters.split() if word not in _LEGAL_FORMS]
