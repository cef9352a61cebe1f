"""What `doctor` found of one thing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`ok` None: nothing is wrong, but something is worth knowing. `words` say what to do."""

    name: str
    ok: bool | None
    words: str
