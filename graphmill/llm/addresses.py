"""Where an endpoint of models is."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is. `models`: its names for models that graphmill knows by others."""

    name: str
    base_url: str
    api_key: str = field(repr=False)
    models: dict[str, str] = field(default_factory=dict[str, str])
