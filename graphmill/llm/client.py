"""One call to one endpoint, through the openai library, which never retries here."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2
import openai

from graphmill.llm.calls import Asked, ModelAnswer, Question
from graphmill.llm.client_errors import fault_of, timed_out
from graphmill.llm.completions import completion_body, read_completion
from graphmill.llm.connections import Connections
from graphmill.llm.manners import Manners, MannersMemory
from graphmill.llm.vectors import TextBatch, VectorBatch, read_vectors

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is. `models`: its names for models that graphmill knows by others."""

    name: str
    base_url: str
    api_key: str = field(repr=False)
    models: dict[str, str] = field(default_factory=dict[str, str])


class EndpointClient:
    """`seconds` bounds a whole call, however slowly its answer trickles."""

    def __init__(self, address: Address, seconds: float, memory: MannersMemory | None) -> None:
        self._address = address
        self._seconds = seconds
        self._memory = memory
        self._manners: dict[str, Manners] = {}
        self._connections = Connections(address.base_url, address.api_key or "none", seconds)

    async def ask(self, question: Question) -> ModelAnswer:
        """
        Raises:
            EndpointFault: not now, or not here.
            CallRefused: never; QuestionRefused: not this.
        """
        return await self._politely(
            question, lambda model, manners: self._ask_with(model, question, manners)
        )

    async def embed(self, batch: TextBatch) -> VectorBatch:
        """Raises as `ask` does."""
        return await self._politely(
            batch, lambda model, manners: self._embed_with(model, batch, manners)
        )

    async def _politely(self, asked: Asked, call: Callable[[str, Manners], Awaitable[T]]) -> T:
        """One call, as the model wants it. What a refusal tells of that is remembered when it has
        helped: the words of one may repeat a document, which decides nothing for others."""
        model = self._address.models.get(asked.model, asked.model)
        known = manners = await self._manners_of(model)
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await call(model, manners)
            except TimeoutError as error:
                raise timed_out(self._address.name) from error
            except openai.BadRequestError as error:
                said = f"{error.message[:2000]} {error.param or ''}"
                better = manners.after(said, asked.max_tokens)
                if better is None:
                    raise fault_of(error, self._address.name) from None
                if self._manners[model] is not known:  # others found it out meanwhile
                    known = better = self._manners[model]
                manners = better
            except (openai.OpenAIError, httpx2.TransportError, ValueError) as error:
                raise fault_of(error, self._address.name) from None
            else:
                if manners is not known and self._manners[model] is known:
                    await self._learn(model, manners)
                return answer

    async def _learn(self, model: str, manners: Manners) -> None:
        self._manners[model] = manners
        if self._memory is None:
            return
        try:
            await self._memory.save(self._address.base_url, model, manners)
        except Exception as error:  # others find it out again; the answer is paid for
            _logger.warning("what was found out of a model is not kept (%s)", type(error).__name__)

    async def _manners_of(self, model: str) -> Manners:
        if model not in self._manners:
            known = None
            if self._memory is not None:
                known = await self._memory.load(self._address.base_url, model)
            self._manners.setdefault(model, known or Manners())
        return self._manners[model]

    async def _ask_with(self, model: str, question: Question, manners: Manners) -> ModelAnswer:
        body = completion_body(question, model, manners)
        with self._connections.take() as client:
            # Not chat.completions.create, whose types cost as much CPU as all the rest of a call.
            response = await client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        return read_completion(response.content, self._address.name)

    async def _embed_with(self, model: str, batch: TextBatch, manners: Manners) -> VectorBatch:
        with self._connections.take() as client:
            # Raw: the library would look at each of some ten thousand numbers.
            response = await client.embeddings.with_raw_response.create(
                model=model,
                input=list(batch.texts),
                encoding_format="float" if manners.plain_vectors else "base64",
            )
        return read_vectors(response.content, len(batch.texts), self._address.name)

    async def close(self) -> None:
        await self._connections.close()


@contextlib.asynccontextmanager
async def open_client(
    address: Address, seconds: float, memory: MannersMemory | None = None
) -> AsyncGenerator[EndpointClient]:
    """`memory`: None where what is found out is for this process alone."""
    client = EndpointClient(address, seconds, memory)
    try:
        yield client
    finally:
        await client.close()
