"""Routes of files and batches."""

import asyncio
import time
from typing import Any, cast

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.model_endpoint.batches.batch import Batch
from tests.support.model_endpoint.batches.files import FileStore
from tests.support.model_endpoint.batches.runner import BatchRunner
from tests.support.model_endpoint.endpoint import CHAT, EMBEDDINGS, Endpoint
from tests.support.model_endpoint.refusals import Refusal, bad_request, not_found
from tests.support.model_endpoint.requests import read_object

_MOST_LISTED = 100


class BatchRoutes:
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._files = FileStore()
        self._runner = BatchRunner(endpoint, self._files)
        self._batches: dict[str, Batch] = {}
        self._running: set[asyncio.Task[None]] = set()

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/v1/files", self.upload, methods=["POST"]),
            Route("/v1/files/{id}", self.show_file, methods=["GET"]),
            Route("/v1/files/{id}", self.delete_file, methods=["DELETE"]),
            Route("/v1/files/{id}/content", self.read_file, methods=["GET"]),
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.list_batches, methods=["GET"]),
            Route("/v1/batches/{id}", self.show, methods=["GET"]),
            Route("/v1/batches/{id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def stop(self) -> None:
        """Batches of before count for nobody who comes after."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def upload(self, request: Request) -> Response:
        self._check_key(request)
        async with request.form() as form:
            purpose, file = form.get("purpose"), form.get("file")
            if purpose != "batch":
                raise bad_request("'purpose' must be 'batch' here.", param="purpose")
            if not isinstance(file, UploadFile):
                raise bad_request("Missing required parameter: 'file'.", param="file")
            stored = self._files.add(file.filename or "upload", "batch", await file.read())
        return JSONResponse(stored.to_json())

    async def show_file(self, request: Request) -> Response:
        self._check_key(request)
        return JSONResponse(self._files.get(_id(request)).to_json())

    async def read_file(self, request: Request) -> Response:
        self._check_key(request)
        content = self._files.get(_id(request)).content
        return Response(content, media_type="application/octet-stream")

    async def delete_file(self, request: Request) -> Response:
        self._check_key(request)
        self._files.delete(_id(request))
        return JSONResponse({"id": _id(request), "object": "file", "deleted": True})

    async def create(self, request: Request) -> Response:
        self._check_batches(request)
        given = read_object(await request.body())
        if given.get("endpoint") not in (CHAT, EMBEDDINGS):
            raise bad_request("Invalid value for 'endpoint'.", param="endpoint")
        if given.get("completion_window") != "24h":
            raise bad_request("Invalid value for 'completion_window'.", param="completion_window")
        file = self._files.get(str(given.get("input_file_id")))
        metadata = cast(dict[str, Any] | None, given.get("metadata"))
        batch = Batch(file.id, given["endpoint"], metadata)
        self._batches[batch.id] = batch
        self._endpoint.counts.batches += 1
        running = asyncio.create_task(self._runner.run(batch))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return JSONResponse(batch.to_json())

    async def list_batches(self, request: Request) -> Response:
        """The newest that it shows first; `after` is the id of the last one that is known."""
        self._check_batches(request)
        try:
            limit = min(_MOST_LISTED, int(request.query_params.get("limit", "20")))
        except ValueError:
            raise bad_request("Invalid value for 'limit'.", param="limit") from None
        shown_until = time.monotonic() - self._endpoint.behaviour.batch_list_seconds
        batches = [b for b in reversed(self._batches.values()) if b.made <= shown_until]
        if after := request.query_params.get("after"):
            batches = batches[batches.index(self._get(after)) + 1 :]
        shown = batches[:limit]
        content: dict[str, Any] = {
            "object": "list",
            "data": [batch.to_json() for batch in shown],
            "first_id": shown[0].id if shown else None,
            "last_id": shown[-1].id if shown else None,
            "has_more": len(batches) > len(shown),
        }
        return JSONResponse(content)

    async def show(self, request: Request) -> Response:
        self._check_batches(request)
        return JSONResponse(self._get(_id(request)).to_json())

    async def cancel(self, request: Request) -> Response:
        self._check_batches(request)
        batch = self._get(_id(request))
        if batch.has_ended:
            raise bad_request(f"Cannot cancel a batch with status '{batch.status}'.")
        if not batch.is_cancelled:
            batch.become("cancelling")
            self._endpoint.counts.batches_cancelled += 1
        return JSONResponse(batch.to_json())

    def _check_key(self, request: Request) -> None:
        self._endpoint.check_key(request.headers.get("authorization"))

    def _check_batches(self, request: Request) -> None:
        self._check_key(request)
        status = self._endpoint.behaviour.no_batches
        if status is not None:
            raise Refusal(status, "no_batches", "Invalid URL.")

    def _get(self, id: str) -> Batch:
        batch = self._batches.get(id)
        if batch is None:
            raise not_found(f"No batch found with id '{id}'.")
        return batch


def _id(request: Request) -> str:
    return str(request.path_params["id"])
