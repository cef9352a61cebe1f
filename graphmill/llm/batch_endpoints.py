"""Endpoints as batches use them: which one takes a model's, and what an answer costs there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphmill.llm.batches import PRICE_SHARE, BatchApi
from graphmill.llm.faults import CallRefused
from graphmill.llm.pool import Price


@dataclass(frozen=True, slots=True)
class BatchEndpoint:
    """`models`, `weight` and prices (of direct calls) as of graphmill.llm.pool.Endpoint."""

    name: str
    client: BatchApi
    models: frozenset[str] = frozenset()
    weight: float = 1.0
    price: Price = field(default_factory=Price)
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])

    def nano_usd(self, model: str, prompt_tokens: int, completion_tokens: float) -> int:
        price = self.prices.get(model, self.price)
        return round(price.nano_usd(prompt_tokens, completion_tokens) * PRICE_SHARE)


class BatchEndpoints:
    def __init__(self, endpoints: Sequence[BatchEndpoint]) -> None:
        """Those that have a Batch API, as far as the settings know."""
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}

    def serving(self, model: str) -> BatchEndpoint:
        """The one of the greatest weight; of several, the first by name.

        Raises:
            CallRefused: there is none.
        """
        serving = [
            endpoint
            for endpoint in self._endpoints.values()
            if not endpoint.models or model in endpoint.models
        ]
        if not serving:
            raise CallRefused(
                f"no endpoint with a Batch API serves model {model!r}; name it in [[endpoints]]"
                " models of graphmill.toml, or index without --batch"
            )
        return min(serving, key=lambda endpoint: (-endpoint.weight, endpoint.name))

    def get(self, name: str) -> BatchEndpoint | None:
        return self._endpoints.get(name)
