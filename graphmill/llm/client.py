"""One call to one endpoint: as its model wants to be asked, and never tried again here."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import aiohttp

from graphmill.llm.addresses import Address
from graphmill.llm.calls import Asked, ModelAnswer, Question
from graphmill.llm.completions import completion_body, read_completion
from graphmill.llm.connections import MOST_BYTES, Connections, TooLarge
from graphmill.llm.faults import AskOtherwise, BrokenAnswer, CallRefused, Unreachable
from graphmill.llm.manners import Guess, Manners, MannersMemory
from graphmill.llm.refusals import Refused, fault_of, timed_out
from graphmill.llm.spans import asking, embedding
from graphmill.llm.vectors import TextBatch, VectorBatch, read_vectors

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class EndpointClient:
    """`seconds` bounds a whole call, however slowly its answer trickles."""

    def __init__(self, address: Address, seconds: float, memory: MannersMemory | None) -> None:
        self._address = address
        self._seconds = seconds
        self._memory = memory
        self._manners: dict[str, Manners] = {}
        self._connections = Connections(address.base_url, address.api_key or "none")

    async def ask(self, question: Question, guess: Guess | None = None) -> ModelAnswer:
        """One call.

        Args:
            guess: what AskOtherwise said of this question.

        Raises:
            AskOtherwise: the endpoint may take it in other words.
            EndpointFault: not now, or not here.
            CallRefused: never; QuestionRefused: not this.
        """
        with asking(self._address, question) as span:
            answer = await self._politely(
                question, guess, lambda model, manners: self._ask_with(model, question, manners)
            )
            span.answered(answer)
            return answer

    async def embed(self, batch: TextBatch, guess: Guess | None = None) -> VectorBatch:
        """As `ask`."""
        with embedding(self._address, batch) as span:
            answer = await self._politely(
                batch, guess, lambda model, manners: self._embed_with(model, batch, manners)
            )
            span.embedded(answer)
            return answer

    async def _politely(
        self, asked: Asked, guess: Guess | None, call: Callable[[str, Manners], Awaitable[T]]
    ) -> T:
        """One call, as the model wants it. What a refusal tells of that is remembered when it has
        helped: the words of one may repeat a document, which decides nothing for others."""
        model = self._address.models.get(asked.model, asked.model)
        known = manners = await self._manners_of(model)
        if guess is not None and guess.known is known:  # else others found it out meanwhile
            manners = guess.manners
        try:
            answer = await self._call(lambda: call(model, manners))
        except Refused as refused:
            refusal = refused.refusal
            better = None
            if refusal.status == 400:
                better = manners.after(refusal.said, asked.max_tokens)
            if better is None:
                raise fault_of(refusal, self._address.name) from None
            raise AskOtherwise(
                f"endpoint {self._address.name!r} does not take a call as it was made",
                Guess(better, known),
            ) from None
        if manners is not known and self._manners[model] is known:
            await self._learn(model, manners)
        return answer

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        """What breaks, in our words; refusals are left to who knows what was asked."""
        name = self._address.name
        try:
            async with asyncio.timeout(self._seconds):
                return await call()
        except aiohttp.ClientConnectorCertificateError as error:
            raise CallRefused(
                f"endpoint {name!r} shows a certificate that nobody here trusts; let SSL_CERT_FILE"
                " name the file of its authority's certificate"
            ) from error
        except aiohttp.InvalidURL as error:
            raise CallRefused(
                f"endpoint {name!r} cannot be asked: its address (OPENAI_BASE_URL, or base_url in"
                " graphmill.toml), or that of the proxy (HTTP_PROXY, HTTPS_PROXY), is none"
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"endpoint {name!r} cannot be reached") from error
        except aiohttp.ClientResponseError as error:
            raise BrokenAnswer(f"endpoint {name!r} sent what is no answer") from error
        except aiohttp.ClientError as error:
            raise Unreachable(
                f"endpoint {name!r} cut the connection ({type(error).__name__})"
            ) from error
        except TimeoutError as error:
            raise timed_out(name) from error
        except TooLarge as error:
            raise BrokenAnswer(
                f"endpoint {name!r} sent an answer of over {MOST_BYTES:,} bytes"
            ) from error
        except ValueError as error:
            raise BrokenAnswer(f"endpoint {name!r} sent what is no answer") from error

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
        content = await self._connections.post("chat/completions", body)
        return read_completion(content, self._address.name)

    async def _embed_with(self, model: str, batch: TextBatch, manners: Manners) -> VectorBatch:
        body = {
            "model": model,
            "input": batch.texts,
            "encoding_format": "float" if manners.plain_vectors else "base64",
        }
        content = await self._connections.post("embeddings", body)
        return read_vectors(content, len(batch.texts), self._address.name)

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
