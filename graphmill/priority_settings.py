"""Who goes first where work waits: tenants by their weights, and what is small."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from graphmill.errors import InvalidRequest


def _split(given: object) -> object:
    """As the environment gives them: separated by commas."""
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    return given


Size = Annotated[int, Field(ge=1)]
# What Temporal takes.
Weight = Annotated[float, Field(ge=0.001, le=1000)]


class PrioritySettings(BaseModel):
    """`sizes`, in bytes: for each of them that a document does not exceed, it goes one level before
    its run's own priority (as far as 1). So go the first `documents` of a run, in its order: levels
    are strict, and a tenant with a million small documents would hold up all that is large.
    `weights`: a tenant's share beside others, each of whom has 1.
    `highest`: the best priority that somebody may ask for. 3 is what a run has unasked: whoever has
    a better one goes before all who did not ask, for as long as he has work, and no share helps
    them. Where tenants do not trust each other it is 3."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizes: Annotated[tuple[Size, ...], BeforeValidator(_split), Field(max_length=4)] = (100_000,)
    documents: int = Field(default=100, ge=0)
    weights: dict[str, Weight] = Field(default_factory=dict)
    # Not beyond 3, or what nobody gave a priority would be refused.
    highest: int = Field(default=1, ge=1, le=3)

    def check(self, priority: int) -> None:
        """
        Raises:
            InvalidRequest: nobody may ask for this priority.
        """
        if priority < self.highest:
            raise InvalidRequest(
                f"priority {priority} would go before the work of all tenants; the best that may be"
                f" asked for here is {self.highest}. Ask for {self.highest} to 5, or let whoever"
                f" runs graphmill set highest = {priority} in the table [priorities] of"
                " graphmill.toml (GRAPHMILL_PRIORITY_HIGHEST)"
            )
