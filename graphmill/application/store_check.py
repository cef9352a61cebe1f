"""What `doctor` looks at in the stores that hold published graphs too."""

import asyncio
from collections.abc import AsyncIterator

from graphmill.application.checks import Check
from graphmill.errors import SettingsError, Unavailable
from graphmill.settings import Settings
from graphmill.stores.projected import has_projected_stores, open_projected_stores

_SECONDS = 10.0


async def check_projected_stores(settings: Settings) -> AsyncIterator[Check]:
    """Each that is set: whether it answers, and which version it is."""
    if not has_projected_stores(settings):
        return
    try:
        async with open_projected_stores(settings) as stores:
            for store in stores.all:
                try:
                    async with asyncio.timeout(_SECONDS):
                        words = await store.server_version()
                    yield Check(store.name.lower(), True, f"answers, version {words}")
                except (Unavailable, TimeoutError) as error:
                    told = str(error) or f"no answer within {_SECONDS:.0f} s"
                    yield Check(store.name.lower(), False, told)
    except SettingsError as error:
        yield Check("settings", False, str(error))
