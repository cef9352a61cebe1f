"""What doctor says of model endpoints, over HTTP."""

from collections.abc import Mapping

import pytest

from graphmill.application.checks import Check
from graphmill.application.endpoint_check import check_endpoints
from graphmill.settings import load_settings
from tests.support.model_endpoint import Behaviour, running_endpoint

NOBODY = "http://127.0.0.1:9/v1"


async def told(given: Mapping[str, object]) -> list[Check]:
    return [check async for check in check_endpoints(load_settings(dict(given)))]


async def test_an_endpoint_that_has_the_models_is_in_order() -> None:
    async with running_endpoint(Behaviour(models=("large", "small"), api_key="right")) as endpoint:
        given = {"openai_base_url": endpoint.base_url, "openai_model": "large"}
        (good,) = await told(given | {"openai_api_key": "right"})
        assert (good.ok, good.name) == (True, "endpoint openai")
        assert good.words == f"{endpoint.base_url} answers and has large"

        (refused,) = await told(given | {"openai_api_key": "hunter2"})
        assert refused.ok is False
        assert refused.words.endswith("refuses the key (401)")
        assert "hunter2" not in repr(refused)

        (missing,) = await told(given | {"openai_api_key": "right", "openai_model": "huge"})
        # Some gateways serve what they do not list.
        assert missing.ok is None
        assert missing.words.endswith("does not list huge; it has large, small")
        assert (await endpoint.stats()).begun == 0


async def test_an_endpoint_of_some_models_is_asked_for_those_by_its_own_names() -> None:
    async with running_endpoint(Behaviour(models=("of-the-house",))) as endpoint:
        (check,) = await told(
            {
                "endpoints": [
                    {
                        "name": "house",
                        "base_url": endpoint.base_url,
                        "models": {"readers": "of-the-house"},
                    }
                ],
                "models": {"extraction": "readers", "reports": "writers"},
            }
        )
    assert check.ok
    assert check.words.endswith("answers and has of-the-house")


async def test_who_does_not_answer_and_who_has_no_key_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOUSE_KEY", raising=False)
    away, keyless = await told(
        {
            "endpoints": [
                {"name": "away", "base_url": NOBODY},
                {"name": "house", "base_url": NOBODY, "api_key_env": "HOUSE_KEY"},
            ]
        }
    )
    assert (away.ok, keyless.ok) == (False, False)
    assert "does not answer (ConnectError)" in away.words
    assert "HOUSE_KEY, which is not set" in keyless.words


async def test_what_lists_no_models_is_said_and_is_no_fault() -> None:
    async with running_endpoint(Behaviour()) as endpoint:
        (check,) = await told({"openai_base_url": f"{endpoint.url}/v2", "openai_model": "m"})
    assert check.ok is None
    assert check.words.endswith("does not list its models (404)")


async def test_without_an_endpoint_method_fast_is_what_there_is() -> None:
    (check,) = await told({})
    assert check.ok
    assert "method fast" in check.words
