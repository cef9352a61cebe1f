"""How the simulated model behaves; all of it can be changed while it runs."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

Structured = Literal["json_schema", "json_object", "none"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    Attributes:
        places: calls that are worked on at once.
        waiting_line: how many more may wait for a place; over it 429. None: any number.
        refuse_over_places: 429 instead of waiting.
        seconds: how long a call is in its place.
        requests_per_minute, tokens_per_minute: what is let in, in every 60 seconds. A call counts
            at its arrival, with the tokens of its prompt and of its answer as they really are
            (not as `max_tokens` would allow); one that is refused does not count.
        retry_after: seconds that every 429 and 503 asks for. None: those for a limit a minute ask
            for as long as it takes, others for nothing.
        rate_...: how often a try has that fault or slip, drawn anew at every try. A try has one at
            most, so they sum up to 1 at most. 429 and 503 come at once; 500, a cut connection and
            an answer that is cut off after the call's time in its place; a call that hangs holds
            its place until the client leaves. A truncated answer says so ("length") half of the
            time and else does not ("stop"). Fences and trailing commas lose nothing.
        trickle_seconds: how long the body of an answer that trickles takes.
        structured: the strictest response_format that is supported; 400 over it.
        api_key: what must be sent. None: nothing.
        models: the names that are known. Empty: every name.
        context_tokens: what a prompt and the answer that is asked for may have together.
        answer_tokens: the longest answer that may be asked for; 400 over it.
        poison: what a prompt must not have in it: 500, whenever it is asked.
        tells_usage: says in its answers how many tokens they took.
        filtered: what a prompt must not have in it: 400, as of a content filter.
        answers: "made" from the text, or "replay": what a real model once answered.
        obedient: answers what a line `SIMULATED-MODEL OBEY: {json}` of any message says.
        dimensions: of an embedding, where the request names none.
        base64: embeddings may be asked for in it; 400 where not.
        batch_seconds: how long a batch takes.
        batch_list_seconds: how long after its creation a batch is in the list of them.
        no_batches: the status that all of /v1/batches is refused with, though there are files.
        batch_expire_share, batch_fail_share: so much of a batch's lines expires, or ends with 500.
        seed: of all that is drawn.
    """

    # A name that does not exist is an error, not a behaviour that silently stays as it was.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    places: int = 50
    waiting_line: int | None = None
    refuse_over_places: bool = False
    seconds: float = 0.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    retry_after: float | None = None
    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_503: float = 0.0
    rate_hang: float = 0.0
    rate_cut: float = 0.0
    rate_truncated: float = 0.0
    rate_trickle: float = 0.0
    rate_fenced: float = 0.0
    rate_trailing_comma: float = 0.0
    trickle_seconds: float = 1.0
    structured: Structured = "json_schema"
    api_key: str | None = None
    models: tuple[str, ...] = ()
    context_tokens: int | None = None
    answer_tokens: int | None = None
    poison: str | None = None
    tells_usage: bool = True
    filtered: str | None = None
    answers: Literal["made", "replay"] = "made"
    obedient: bool = False
    dimensions: int = 256
    base64: bool = True
    batch_seconds: float = 0.5
    batch_list_seconds: float = 0.0
    no_batches: int | None = None
    batch_expire_share: float = 0.0
    batch_fail_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.places < 1:
            raise ValueError("places: at least 1")
        if min(self.rates) < 0 or sum(self.rates) > 1 + 1e-9:
            raise ValueError("rate_...: none below 0, and 1 at most in sum")
        if self.batch_expire_share + self.batch_fail_share > 1 + 1e-9:
            raise ValueError("batch_expire_share and batch_fail_share: 1 at most in sum")

    @property
    def rates(self) -> tuple[float, ...]:
        """In the order of `faults.Fault`."""
        return (
            self.rate_429,
            self.rate_500,
            self.rate_503,
            self.rate_hang,
            self.rate_cut,
            self.rate_truncated,
            self.rate_trickle,
            self.rate_fenced,
            self.rate_trailing_comma,
        )

    def changed(self, fields: dict[str, Any]) -> "Behaviour":
        """
        Raises:
            ValueError: a field that does not exist, or a value that it does not take.
        """
        try:
            return _ADAPTER.validate_python(self.to_json() | fields)
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ValueError("; ".join(wrong)) from None

    def to_json(self) -> dict[str, Any]:
        return _ADAPTER.dump_python(self, mode="json")


_ADAPTER = TypeAdapter(Behaviour)
