"""Takes a batch through its states, and answers its lines on the way."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tests.support.model_endpoint import refusals
from tests.support.model_endpoint.batches.batch import Batch
from tests.support.model_endpoint.batches.files import FileStore
from tests.support.model_endpoint.batches.lines import Line, read_lines
from tests.support.model_endpoint.endpoint import CHAT, Endpoint, ended_of
from tests.support.model_endpoint.faults import draw
from tests.support.model_endpoint.refusals import Refusal
from tests.support.model_endpoint.requests import read_chat, read_embeddings

# Of a batch's time: first it is validated, last its files are written.
_SHARE_OF_ENDS = 0.1
_AT_ONCE = 20


class BatchRunner:
    """Of what is drawn for a line only that counts which spoils an answer's text. A file's lines
    come in no order, as a provider's do."""

    def __init__(self, endpoint: Endpoint, files: FileStore) -> None:
        self._endpoint = endpoint
        self._files = files

    async def run(self, batch: Batch) -> None:
        """To its end; its place among the states is in the batch itself."""
        content = self._files.get(batch.input_file_id).content
        seconds = self._endpoint.behaviour.batch_seconds
        await asyncio.sleep(seconds * _SHARE_OF_ENDS)
        if not batch.is_cancelled:
            lines, batch.errors = read_lines(content, batch.endpoint)
            if batch.errors:
                batch.become("failed")
                return
            batch.total = len(lines)
            self._endpoint.counts.batch_lines += len(lines)
            batch.become("in_progress")
            expired = await self._answer(batch, lines, seconds * (1 - 2 * _SHARE_OF_ENDS))
        else:
            expired = False
        if not batch.is_cancelled:
            batch.become("finalizing")
        await asyncio.sleep(seconds * _SHARE_OF_ENDS)
        if batch.is_cancelled:
            batch.become("cancelled")
        else:
            batch.become("expired" if expired else "completed")

    async def _answer(self, batch: Batch, lines: Sequence[Line], seconds: float) -> bool:
        """Answer what is not to expire or to fail, until it is cancelled; write the files. True
        where lines expired."""
        behaviour, random = self._endpoint.behaviour, self._endpoint.random
        order = random.sample(lines, len(lines))
        expires = round(behaviour.batch_expire_share * len(order))
        fails = round(behaviour.batch_fail_share * len(order))
        left_over, failing = order[:expires], {line.custom_id for line in order[expires:][:fails]}
        todo = random.sample(order[expires:], len(order) - expires)
        output: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for start in range(0, len(todo), _AT_ONCE):
            if batch.is_cancelled:
                break
            part = todo[start : start + _AT_ONCE]
            for line in part:
                status, body = self._answer_line(batch, line, fails=line.custom_id in failing)
                (output if status == 200 else errors).append(_answered(line, status, body))
                batch.completed += status == 200
                batch.failed += status != 200
            await asyncio.sleep(seconds * len(part) / len(todo))
        if not todo:
            await asyncio.sleep(seconds)
        if not batch.is_cancelled:
            errors += [_expired(line) for line in left_over]
            batch.failed += len(left_over)
            self._endpoint.counts.batch_expired += len(left_over)
        batch.output_file_id = self._write(batch, "output", output)
        batch.error_file_id = self._write(batch, "error", errors)
        return bool(left_over)

    def _answer_line(self, batch: Batch, line: Line, *, fails: bool) -> tuple[int, dict[str, Any]]:
        endpoint = self._endpoint
        try:
            if fails:
                raise refusals.drawn(500, None)
            chat = batch.endpoint == CHAT
            request = read_chat(line.body) if chat else read_embeddings(line.body)
            endpoint.check(request)
        except Refusal as refusal:
            endpoint.counts.batch_failed += 1
            return refusal.status, refusal.body
        reply = endpoint.reply_to(request, draw(endpoint.behaviour, endpoint.random))
        endpoint.counts.note(reply.note)
        endpoint.counts.line_answered(request.step, request.digest, ended_of(reply))
        return 200, reply.body

    def _write(self, batch: Batch, what: str, lines: Sequence[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        return self._files.add(f"{batch.id}_{what}.jsonl", "batch_output", content).id


def _answered(line: Line, status: int, body: dict[str, Any]) -> dict[str, Any]:
    response = {"status_code": status, "request_id": f"req_{uuid4().hex}", "body": body}
    return _line(line, response, None)


def _expired(line: Line) -> dict[str, Any]:
    message = "This request could not be executed before the completion window expired."
    return _line(line, None, {"code": "batch_expired", "message": message})


def _line(
    line: Line, response: dict[str, Any] | None, error: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "id": f"batch_req_{uuid4().hex}",
        "custom_id": line.custom_id,
        "response": response,
        "error": error,
    }
