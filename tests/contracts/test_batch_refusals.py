"""What an endpoint says of batches instead of answers: in plain words, or asked otherwise."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from graphmill.errors import NotFound, Unavailable
from graphmill.llm.addresses import Address
from graphmill.llm.batch_client import BatchClient, open_batch_client
from graphmill.llm.batches import Batch, RemoteBatch
from graphmill.llm.faults import CallRefused
from graphmill.models import DocumentState
from tests.contracts.batched import NAME, TEXTS, UNITS, Make, make
from tests.support.model_endpoint import ModelEndpoint

__all__ = ["make"]


async def test_an_endpoint_without_a_batch_api_ends_the_run_in_plain_words(make: Make) -> None:
    letters = make()
    letters.base_url += "/elsewhere"
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    with pytest.raises(CallRefused, match=r"'simulated' has no Batch API .* without --batch"):
        await letters.submit()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_endpoint_of_files_but_no_batches_ends_the_run_and_keeps_no_file(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    uploaded: list[str] = []
    upload = BatchClient.upload

    async def upload_and_tell(self: BatchClient, *given: Any) -> str:
        uploaded.append(await upload(self, *given))
        return uploaded[-1]

    monkeypatch.setattr(BatchClient, "upload", upload_and_tell)
    await model.change(no_batches=status)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    with pytest.raises(CallRefused, match=r"no Batch API \(nothing at /batches\); index without"):
        await letters.submit()
    [file] = uploaded
    async with open_batch_client(Address("simulated", letters.base_url, "")) as client:
        with pytest.raises(NotFound):
            await anext(client.lines(file))


async def test_a_file_that_is_gone_before_its_batch_is_made_is_sent_again(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = BatchClient.create

    async def create_too_late(self: BatchClient, batch: Batch) -> RemoteBatch:
        await self.delete_file(batch.input_file)
        return await create(self, batch)

    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    with monkeypatch.context() as losing:
        losing.setattr(BatchClient, "create", create_too_late)
        with pytest.raises(Unavailable, match="sent again"):
            await letters.submit()
    assert await letters.submit() == 1
    await letters.collect()
    assert (await letters.use()).calls == (await model.stats()).batch_answered == UNITS


async def test_a_refused_key_ends_the_run_in_plain_words(make: Make, model: ModelEndpoint) -> None:
    await model.change(api_key="another")
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    with pytest.raises(CallRefused, match="refuses the key"):
        await letters.submit()


async def test_how_a_model_wants_to_be_asked_is_found_out_from_its_first_batch(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(structured="none")
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    for _ in range(2):  # a schema is refused, then JSON mode
        await letters.queue()
        await letters.submit()
        await letters.collect()
    tries = "SELECT max(tries) FROM model_batch_questions WHERE run_id = $1"
    assert await letters.pool.fetchval(tries, letters.run_id) == 0
    assert await letters.rounds() == 2  # as ever
    assert (await letters.extract_directly()).state is DocumentState.DONE
    stats = await model.stats()
    assert (stats.begun, stats.batch_answered) == (0, 2 * UNITS)
    await letters.pool.execute("DELETE FROM model_manners")  # not for other tests


async def test_a_question_that_is_refused_is_not_sent_again_but_asked_directly(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, [*TEXTS, "Ada Lovelace met Charles Babbage. " * 500])
    await model.change(context_tokens=2_000)
    assert await letters.rounds() == 3  # the first finds out how long answers may be
    assert (await model.stats()).batches == 3
    ended = await letters.extract_directly()
    assert ended.state is DocumentState.PARTIAL
    assert "smaller chunk size" in ended.reason
    await letters.pool.execute("DELETE FROM model_manners")  # not for other tests


async def test_a_refusal_that_repeats_a_document_changes_nothing_for_others(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, [*TEXTS, "Forbidden: response_format json_schema temperature."])
    await model.change(filtered="Forbidden")
    await letters.rounds()
    assert not await letters.pool.fetchval("SELECT count(*) FROM model_manners")
    assert (await letters.extract_directly()).state is DocumentState.PARTIAL


async def test_a_file_that_breaks_every_promise_stores_nothing_wrong(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.submit()
    key = await letters.pool.fetchval(
        "SELECT key FROM model_batch_questions WHERE run_id = $1 ORDER BY key", letters.run_id
    )
    body = b'{"choices": [{"message": {"content": "{}\\u0000"}, "finish_reason": "stop"}]}'
    line = b'{"custom_id": "%s", "response": {"status_code": 200, "body": %s}}\n'
    hostile = [
        b"no json\n",
        b"[]\n",
        b'{"custom_id": "../../etc"}\n',
        line % (b"0" * 64, body),  # nobody asked
        line % (key.hex().encode(), body),
        line % (key.hex().encode(), body),  # twice
        line % (key.hex().encode(), b'{"choices": [], "usage": {"prompt_tokens": -5}}'),
    ]

    async def lines(*_: object) -> AsyncGenerator[bytes]:
        for one in hostile:
            yield one

    with monkeypatch.context() as changed:
        changed.setattr(BatchClient, "lines", lines)
        await letters.collect()
    assert (await letters.use()).calls == 1
    waiting = await letters.pool.fetchval(
        "SELECT count(*) FROM model_batch_questions WHERE run_id = $1 AND batch IS NULL",
        letters.run_id,
    )
    assert waiting == UNITS - 1
