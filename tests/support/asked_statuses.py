"""A hook of Schemathesis (SCHEMATHESIS_HOOKS is this file): which statuses each operation was
answered with. GRAPHMILL_ASKED_STATUSES is the file that gets a line of each answer: its status, and
its operation."""

import os
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType]
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    with Path(os.environ["GRAPHMILL_ASKED_STATUSES"]).open("a") as file:
        file.write(f"{response.status_code} {case.operation.label}\n")
