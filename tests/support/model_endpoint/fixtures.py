"""A simulated model for a test that asks for one: started once, as new for each test."""

from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio

from tests.support.model_endpoint.behaviour import Behaviour
from tests.support.model_endpoint.running import ModelEndpoint, running_endpoint


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model_process() -> AsyncGenerator[ModelEndpoint]:
    async with running_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def model(model_process: ModelEndpoint) -> ModelEndpoint:
    """With no faults and no limits, and nothing counted yet."""
    await model_process.change(**Behaviour().to_json())
    await model_process.reset()
    return model_process


@pytest.fixture
async def http(model: ModelEndpoint) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the simulated model's, that takes paths like "chat/completions"."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=model.base_url, trust_env=False, timeout=20, limits=limits
    ) as client:
        yield client
