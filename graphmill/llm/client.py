"""One call to one endpoint, through the openai library, which never retries here."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.chat.completion_create_params import ResponseFormat

from graphmill.llm.calls import ModelAnswer, Question
from graphmill.llm.client_errors import fault_of, timed_out
from graphmill.llm.faults import BrokenAnswer, QuestionRefused
from graphmill.llm.manners import AnswerForm, Manners, MannersMemory
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
        completion = await self._openai.chat.completions.create(
            model=model,
            messages=messages_of(question),
            max_tokens=openai.omit if manners.completion_bound else question.max_tokens,
            max_completion_tokens=question.max_tokens if manners.completion_bound else openai.omit,
            temperature=question.temperature if manners.temperature else openai.omit,
            response_format=response_format_of(question, manners.form),
        )
        choice = completion.choices[0] if completion.choices else None
        if choice is None or not isinstance(choice.message.content, str):
            if choice is not None and choice.message.refusal:
                raise QuestionRefused(
                    f"endpoint {self._address.name!r} says that its model refuses to answer"
                )
            raise BrokenAnswer(f"endpoint {self._address.name!r} sent what is no answer")
        usage = completion.usage
        return ModelAnswer(
            text=choice.message.content,
            complete=choice.finish_reason != "length",
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
            endpoint=self._address.name,
        )

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


def messages_of(question: Question) -> list[ChatCompletionMessageParam]:
    """As the API takes them."""
    messages: list[ChatCompletionMessageParam] = []
    for message in question.messages:
        match message.role:
            case "system":
                messages.append({"role": "system", "content": message.content})
            case "user":
                messages.append({"role": "user", "content": message.content})
            case "assistant":
                messages.append({"role": "assistant", "content": message.content})
    return messages


def response_format_of(question: Question, form: AnswerForm) -> ResponseFormat | openai.Omit:
    """How a model is told of the schema; nothing where it is told in words alone."""
    if question.schema is None or form is AnswerForm.TEXT:
        return openai.omit
    if form is AnswerForm.OBJECT:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {
            "name": question.schema.name,
            "schema": question.schema.json_schema,
            "strict": True,
        },
    }
