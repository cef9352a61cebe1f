"""The HTTP application: calls go straight to the endpoint, everything else through routes."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.support.model_endpoint.batches.routes import BatchRoutes
from tests.support.model_endpoint.client import Client
from tests.support.model_endpoint.endpoint import CHAT, EMBEDDINGS, Endpoint
from tests.support.model_endpoint.refusals import Refusal, bad_request, not_found
from tests.support.model_endpoint.requests import read_object


class App:
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._batches = BatchRoutes(endpoint)
        self._routes = Starlette(
            routes=[
                Route("/v1/models", self.list_models, methods=["GET"]),
                *self._batches.routes,
                Route("/control/behaviour", self.show_behaviour, methods=["GET"]),
                Route("/control/behaviour", self.change_behaviour, methods=["POST"]),
                Route("/control/stats", self.show_stats, methods=["GET"]),
                Route("/control/reset", self.reset, methods=["POST"]),
            ],
            exception_handlers={Refusal: _refused, 404: _no_route},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # No router and no request object for a call: hundreds a second come.
        if scope["type"] == "http" and scope["path"] in (CHAT, EMBEDDINGS):
            client = Client(receive, send)
            if scope["method"] == "POST":
                await self._endpoint.serve(scope["path"], _authorization(scope), client)
            else:
                await client.answer_json(405, bad_request("Only POST is allowed here.").body)
        else:
            await self._routes(scope, receive, send)

    async def list_models(self, request: Request) -> Response:
        self._endpoint.check_key(request.headers.get("authorization"))
        names = self._endpoint.behaviour.models or ("simulated",)
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in names
        ]
        return JSONResponse({"object": "list", "data": data})

    async def show_behaviour(self, request: Request) -> Response:
        return JSONResponse(self._endpoint.behaviour.to_json())

    async def change_behaviour(self, request: Request) -> Response:
        """Fields that are given change; the others stay."""
        try:
            behaviour = self._endpoint.change(read_object(await request.body()))
        except ValueError as error:
            raise bad_request(str(error)) from None
        return JSONResponse(behaviour.to_json())

    async def show_stats(self, request: Request) -> Response:
        """With ?arrivals=false without the two long lists."""
        arrivals = request.query_params.get("arrivals") != "false"
        return JSONResponse(self._endpoint.stats(arrivals=arrivals).to_json())

    async def reset(self, request: Request) -> Response:
        await self._batches.stop()
        self._endpoint.reset()
        return Response(status_code=204)


def _authorization(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return None


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return JSONResponse(error.body, error.status, error.headers)


async def _no_route(request: Request, error: Exception) -> Response:
    path = request.url.path
    return JSONResponse(not_found(f"Invalid URL ({request.method} {path})").body, 404)
