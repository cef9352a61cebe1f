"""GET /metrics: what Prometheus reads."""

from collections.abc import Iterable
from dataclasses import asdict

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from api.requests import Application
from graphmill.model_figures import EndpointFigures, ModelFigures, StepUse
from graphmill.projections.standing import ProjectionFigures

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(app: Application) -> Response:
    """Calls, tokens and money by step and model; tries by endpoint and outcome; places; how far
    other stores are behind.

    They are of all runs of the deployment, read from PostgreSQL: any of several APIs tells the
    same, a few seconds old at most.
    """
    registry = CollectorRegistry()
    registry.register(_Collected(await app.model_figures(), await app.projection_figures()))
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


class _Collected(Collector):
    def __init__(self, figures: ModelFigures, projections: Iterable[ProjectionFigures]) -> None:
        self._figures = figures
        self._projections = projections

    def collect(self) -> Iterable[Metric]:
        yield from _spent(self._figures.steps)
        yield from _endpoints(self._figures.endpoints)
        yield from _stores(self._projections)


def _spent(steps: Iterable[StepUse]) -> Iterable[Metric]:
    by = ("step", "model")
    calls = CounterMetricFamily(
        "graphmill_model_calls", "Answers of models that were paid for.", labels=by
    )
    cached = CounterMetricFamily(
        "graphmill_model_cached_answers", "Questions answered from what was paid for.", labels=by
    )
    tokens = CounterMetricFamily(
        "graphmill_model_tokens", "Tokens of paid answers.", labels=(*by, "type")
    )
    money = CounterMetricFamily(
        "graphmill_model_usd", "Dollars, at the prices of the settings.", labels=by
    )
    for one in steps:
        labels = (one.step, one.model)
        calls.add_metric(labels, one.use.calls)
        cached.add_metric(labels, one.use.cached)
        tokens.add_metric((*labels, "prompt"), one.use.prompt_tokens)
        tokens.add_metric((*labels, "completion"), one.use.completion_tokens)
        money.add_metric(labels, one.use.nano_usd / 1e9)
    yield from (calls, cached, tokens, money)


def _stores(projections: Iterable[ProjectionFigures]) -> Iterable[Metric]:
    behind = GaugeMetricFamily(
        "graphmill_projection_behind",
        "Collections whose published graph a store does not hold yet.",
        labels=("store",),
    )
    lag = GaugeMetricFamily(
        "graphmill_projection_lag_seconds",
        "For how long queries have seen the oldest graph that a store does not hold yet.",
        labels=("store",),
    )
    failing = GaugeMetricFamily(
        "graphmill_projection_failing",
        "Collections that a store failed to take at the last try.",
        labels=("store",),
    )
    for one in projections:
        behind.add_metric((one.store,), one.behind)
        lag.add_metric((one.store,), one.lag_seconds)
        failing.add_metric((one.store,), one.failing)
    yield from (behind, lag, failing)


def _endpoints(endpoints: Iterable[EndpointFigures]) -> Iterable[Metric]:
    tries = CounterMetricFamily(
        "graphmill_endpoint_tries",
        "Calls that were made; those overloaded, timed_out or failed are made again.",
        labels=("endpoint", "outcome"),
    )
    places = GaugeMetricFamily(
        "graphmill_endpoint_places",
        "Calls at once: configured, allowed as the endpoint fares now, and held by workers.",
        labels=("endpoint", "kind"),
    )
    for one in endpoints:
        for outcome, count in asdict(one.tries).items():
            tries.add_metric((one.endpoint, outcome), count)
        for kind, number in (
            ("configured", one.places),
            ("allowed", one.allowed),
            ("held", one.held),
        ):
            places.add_metric((one.endpoint, kind), number)
    yield from (tries, places)
