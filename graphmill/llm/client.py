"""One call to one endpoint, through the openai library, which never retries here."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2
import openai

from graphmill.llm.calls import ModelAnswer, Question
from graphmill.llm.client_errors import fault_of, timed_out
from graphmill.llm.completions import completion_body, read_completion
from graphmill.llm.manners import Manners, MannersMemory
from graphmill.llm.vectors import TextBatch, VectorBatch, read_vectors

T = TypeVar("T")

_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is. `models`: its names for models that graphmill knows by others."""

    name: str
    base_url: str
    api_key: str = field(repr=False)
    models: dict[str, str] = field(default_factory=dict[str, str])


class EndpointClient:
    """`seconds` bounds a whole call, however slowly its answer trickles."""

    def __init__(
        self, address: Address, most_calls: int, seconds: float, memory: MannersMemory | None
    ) -> None:
        self._address = address
        self._seconds = seconds
        self._memory = memory
        self._manners: dict[str, Manners] = {}
        self._http = httpx2.AsyncClient(
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=most_calls),
            timeout=httpx2.Timeout(seconds, connect=_CONNECT_SECONDS),
        )
        self._openai = openai.AsyncOpenAI(
            base_url=address.base_url,
            api_key=address.api_key or "none",
            max_retries=0,
            http_client=self._http,
        )

    async def ask(self, question: Question) -> ModelAnswer:
        """
        Raises:
            EndpointFault: not now, or not here.
            CallRefused: never; QuestionRefused: not this.
        """
        return await self._politely(
            question.model, lambda model, manners: self._ask_with(model, question, manners)
        )

    async def embed(self, batch: TextBatch) -> VectorBatch:
        """Raises as `ask` does."""
        return await self._politely(
            batch.model, lambda model, manners: self._embed_with(model, batch, manners)
        )

    async def _politely(self, name: str, call: Callable[[str, Manners], Awaitable[T]]) -> T:
        """One call, as the model wants it; what a refusal tells of that is remembered."""
        model = self._address.models.get(name, name)
        while True:
            manners = await self._manners_of(model)
            try:
                async with asyncio.timeout(self._seconds):
                    return await call(model, manners)
            except TimeoutError as error:
                raise timed_out(self._address.name) from error
            except openai.BadRequestError as error:
                better = manners.after(f"{error.message[:2000]} {error.param or ''}")
                if better is None:
                    raise fault_of(error, self._address.name) from None
                if self._manners[model] is manners:  # calls that were in the air find it set
                    self._manners[model] = better
                    if self._memory is not None:
                        await self._memory.save(self._address.base_url, model, better)
            except (openai.OpenAIError, httpx2.TransportError, ValueError) as error:
                raise fault_of(error, self._address.name) from None

    async def _manners_of(self, model: str) -> Manners:
        if model not in self._manners:
            known = None
            if self._memory is not None:
                known = await self._memory.load(self._address.base_url, model)
            self._manners.setdefault(model, known or Manners())
        return self._manners[model]

    async def _ask_with(self, model: str, question: Question, manners: Manners) -> ModelAnswer:
        # Not chat.completions.create, whose types cost as much CPU as all the rest of a call.
        response = await self._openai.post(
            "/chat/completions",
            body=completion_body(question, model, manners),
            cast_to=httpx2.Response,
        )
        return read_completion(response.content, self._address.name)

    async def _embed_with(self, model: str, batch: TextBatch, manners: Manners) -> VectorBatch:
        # Raw: the library would look at each of some ten thousand numbers.
        response = await self._openai.embeddings.with_raw_response.create(
            model=model,
            input=list(batch.texts),
            encoding_format="float" if manners.plain_vectors else "base64",
        )
        return read_vectors(response.content, len(batch.texts), self._address.name)

    async def close(self) -> None:
        with contextlib.suppress(httpx2.TransportError):
            await self._http.aclose()


@contextlib.asynccontextmanager
async def open_client(
    address: Address, most_calls: int, seconds: float, memory: MannersMemory | None = None
) -> AsyncGenerator[EndpointClient]:
    """`memory`: None where what is found out is for this process alone."""
    client = EndpointClient(address, most_calls, seconds, memory)
    try:
        yield client
    finally:
        await client.close()
