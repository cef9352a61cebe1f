"""Published graphs are written into the other stores."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg

from activities.projections import ProjectionActivities
from graphmill.database_connections import PROJECTIONS_AT_ONCE
from graphmill.settings import Settings
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.postgres.projection_standings import PostgresProjectionStandings
from graphmill.stores.postgres.session_locks import SessionLocks
from graphmill.stores.projected import open_projected_stores
from workers.served import Served
from workflows.queues import PROJECTION_QUEUE


@asynccontextmanager
async def serve_projection(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    assert settings.database_url is not None  # the pool is of that
    async with open_projected_stores(settings) as stores:
        projections = ProjectionActivities(
            partial(open_source, pool),
            stores.all,
            PostgresProjectionStandings(pool),
            SessionLocks(settings.database_url).hold,
        )
        yield Served(
            PROJECTION_QUEUE,
            activities=(projections.expect_projections, projections.project_to_store),
            concurrent_activities=PROJECTIONS_AT_ONCE,
        )
