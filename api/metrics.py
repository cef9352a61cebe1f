"""GET /metrics: what Prometheus reads."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from fastapi import APIRouter, Depends, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from api.openapi import KEYED
from api.requests import Application, check_operator
from graphmill.fleet_figures import FleetFigures
from graphmill.memory_limit import LIMIT_METRIC, LIMIT_WORDS, memory_limit
from graphmill.model_figures import EndpointFigures, StepUse
from graphmill.process_memory import MEMORY_METRIC, MEMORY_WORDS, memory_of_tree
from graphmill.projections.standing import ProjectionFigures
from graphmill.worker_pools import RolePools

router = APIRouter(tags=["health"], responses=KEYED)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(check_operator)],
)
async def metrics(app: Application) -> Response:
    """Calls, tokens and money by step and model; tries by endpoint and outcome; places; how far
    other stores are behind; documents and runs by state; pools of workers; connections.

    They are of all runs of the deployment, read from PostgreSQL: any of several APIs tells the
    same, a few seconds old at most. This process's own is its memory alone, and the limit of it.
    """
    models, fleet = await app.model_figures(), await app.fleet_figures()
    registry = CollectorRegistry()
    registry.register(
        _Collected(
            (
                *_spent(models.steps),
                *_endpoints(models.endpoints),
                *_stores(await app.projection_figures()),
                *_work(fleet),
                *_connections(fleet),
                *_pools(await app.pools.load()),
                *await asyncio.to_thread(_memory),
            )
        )
    )
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


class _Collected(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


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


def _work(fleet: FleetFigures) -> Iterable[Metric]:
    documents = GaugeMetricFamily(
        "graphmill_documents", "Documents of all collections.", labels=("state",)
    )
    for state, count in fleet.documents.items():
        documents.add_metric((state,), count)
    runs = GaugeMetricFamily("graphmill_runs", "Runs that are under way.", labels=("state",))
    for state, count in fleet.runs.items():
        runs.add_metric((state,), count)
    ended = GaugeMetricFamily(
        "graphmill_runs_ended_last_hour",
        # No counter: deleting a collection takes its runs away.
        "Runs that ended within the last hour.",
        labels=("state",),
    )
    for state, count in fleet.ended.items():
        ended.add_metric((state,), count)
    yield from (documents, runs, ended)


def _connections(fleet: FleetFigures) -> Iterable[Metric]:
    ours = GaugeMetricFamily(
        "graphmill_database_connections",
        "Connections to PostgreSQL that graphmill's processes have.",
        labels=("state",),
    )
    for state, count in fleet.connections.items():
        ours.add_metric((state,), count)
    yield ours
    yield GaugeMetricFamily(
        "graphmill_database_connections_of_all",
        "Connections to PostgreSQL of all its clients.",
        value=fleet.all_connections,
    )
    yield GaugeMetricFamily(
        "graphmill_database_connections_allowed",
        "PostgreSQL's max_connections.",
        value=fleet.most_connections,
    )


def _memory() -> Sequence[Metric]:
    found = [GaugeMetricFamily(MEMORY_METRIC, MEMORY_WORDS, value=memory_of_tree())]
    if (limit := memory_limit()) is not None:
        found.append(GaugeMetricFamily(LIMIT_METRIC, LIMIT_WORDS, value=limit))
    return found


def _pools(pools: Iterable[RolePools]) -> Iterable[Metric]:
    workers = GaugeMetricFamily(
        "graphmill_workers", "Processes that work in a role.", labels=("role",)
    )
    expected = GaugeMetricFamily(
        "graphmill_workers_expected",
        "Processes that should work in a role, by the table [deployment].",
        labels=("role",),
    )
    tasks = GaugeMetricFamily(
        "graphmill_pool_tasks",
        "Tasks of a role: size (at a time, all workers together) and, of activities, active.",
        labels=("role", "kind"),
    )
    queued = GaugeMetricFamily(
        "graphmill_pool_queued", "Tasks that no worker has taken yet, about.", labels=("role",)
    )
    for one in pools:
        role = str(one.role)
        workers.add_metric((role,), one.workers)
        if one.expected is not None:
            expected.add_metric((role,), one.expected)
        tasks.add_metric((role, "size"), one.size)
        if one.active is not None:
            tasks.add_metric((role, "active"), one.active)
        if one.queued is not None:
            queued.add_metric((role,), one.queued)
    yield from (workers, expected, tasks, queued)
