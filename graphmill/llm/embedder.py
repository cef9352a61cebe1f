"""Embedding by a model so that no vector is paid twice: stored ones, one call for equal texts."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Protocol

from graphmill.llm.budgets import Budgets
from graphmill.llm.caller import SAME_QUESTION_TRIES
from graphmill.llm.calls import Asked, InvalidAnswer, Payer
from graphmill.llm.faults import ContextTooLong, QuestionRefused
from graphmill.llm.pool import Embeds
from graphmill.llm.vectors import (
    MOST_TOKENS,
    TextBatch,
    TextVector,
    VectorBatch,
    text_to_embed,
    vector_key,
)

_CLAIM_WAIT = 0.2
# A model that refuses so short a beginning of a text refuses it for something else than its length.
_SHORTEST = 16
# What any model embeds, to tell a text that is refused from a model that embeds nothing.
_PLAIN_TEXT = "text"


class PaidVectors(Protocol):
    """Where vectors are kept, by their keys, before they are used. All are a tenant's."""

    async def load(self, payer: Payer, keys: Collection[bytes]) -> dict[bytes, TextVector]: ...

    async def claim(self, payer: Payer, keys: Collection[bytes]) -> frozenset[bytes]:
        """Of which of them nobody else asks for the vectors, nor does while we live."""
        ...

    async def dimensions(self, payer: Payer, model: str, found: int) -> int:
        """Of the model's vectors that are kept; `found` from now on where there are none."""
        ...

    async def save(
        self, payer: Payer, model: str, vectors: Mapping[bytes, TextVector], answer: VectorBatch
    ) -> None:
        """Keep what was paid for, and end the claims; none of a bad answer, which costs too."""
        ...

    def release(self, payer: Payer, keys: Collection[bytes]) -> None:
        """Give back the right to ask, as soon as that can be told."""
        ...


class ModelEmbedder:
    def __init__(
        self,
        store: PaidVectors,
        endpoints: Embeds,
        count_tokens: Callable[[str], int],
        budgets: Budgets,
        on_known: Callable[[Payer, Asked], None],
    ) -> None:
        """`on_known` is told of each text whose vector was paid for before."""
        self._store = store
        self._endpoints = endpoints
        self._count_tokens = count_tokens
        self._budgets = budgets
        self._on_known = on_known
        self._asking: dict[tuple[str, bytes], asyncio.Future[None]] = {}
        self._embedding: set[str] = set()

    def text_to_embed(self, text: str) -> str:
        """As it is sent (graphmill.llm.vectors.text_to_embed)."""
        return text_to_embed(text, self._count_tokens)

    async def known(
        self, payer: Payer, model: str, texts: Collection[str]
    ) -> dict[str, TextVector]:
        """Vectors that are paid for, by text."""
        keys = {vector_key(model, text): text for text in texts}
        return self._named(payer, model, keys, await self._store.load(payer, keys))

    async def embed(
        self, payer: Payer, model: str, texts: Sequence[str]
    ) -> dict[str, TextVector | str]:
        """By text, all by one call but those that are known or are being asked for elsewhere.

        A text that is longer than the model takes is embedded by its beginning, as much of it as
        the model takes of half, a quarter and so on. Of one that the endpoint refuses for anything
        else, where it takes others, words say why there is no vector.

        Args:
            texts: as text_to_embed gives them and not empty, no more than one call takes.

        Raises:
            InvalidAnswer: what came back were no vectors, or those of another model than before, so
                often as it was asked.
            OverBudget: the run has no money left for a call.
            CallRefused, Unavailable: as EndpointPool.ask.
        """
        found: dict[str, TextVector | str] = {}
        left = {vector_key(model, text): text for text in texts}
        while left:
            places = {key: (payer.key.tenant, key) for key in left}
            mine = {key: text for key, text in left.items() if places[key] not in self._asking}
            if not mine:
                # The same texts in this process: what becomes of them is in the store.
                await asyncio.wait([self._asking[place] for place in places.values()])
                continue
            asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._asking |= {places[key]: asked for key in mine}
            try:
                found |= await self._ask(payer, model, mine)
            finally:
                for key in mine:
                    del self._asking[places[key]]
                asked.set_result(None)
            left = {key: text for key, text in left.items() if key not in mine}
        return found

    async def _ask(
        self, payer: Payer, model: str, texts: Mapping[bytes, str]
    ) -> dict[str, TextVector | str]:
        found: dict[str, TextVector | str] = {}
        left = dict(texts)
        while True:
            claimed = await self._store.claim(payer, left)
            try:
                # Whoever asked before us has stored it by now.
                stored = await self._store.load(payer, left)
                found |= self._named(payer, model, left, stored)
                wanted = {key: left[key] for key in left if key in claimed and key not in stored}
                self._store.release(payer, claimed - wanted.keys())
                if wanted:
                    answered = await self._ask_split(payer, model, wanted)
                    refused = [key for key, told in answered.items() if isinstance(told, str)]
                    self._store.release(payer, refused)
                    found |= {wanted[key]: told for key, told in answered.items()}
            except BaseException:
                self._store.release(payer, claimed)
                raise
            left = {k: t for k, t in left.items() if k not in stored and k not in wanted}
            if not left:
                return found
            await asyncio.sleep(_CLAIM_WAIT)

    def _named(
        self,
        payer: Payer,
        model: str,
        texts: Mapping[bytes, str],
        stored: Mapping[bytes, TextVector],
    ) -> dict[str, TextVector]:
        for key in stored:
            self._on_known(payer, TextBatch(model, (texts[key],)))
        return {texts[key]: vector for key, vector in stored.items()}

    async def _ask_split(
        self, payer: Payer, model: str, texts: Mapping[bytes, str], *, cut: bool = False
    ) -> dict[bytes, TextVector | str]:
        """In halves where they are refused together: one text may be all that is wrong. `cut`: they
        are beginnings already."""
        try:
            return {**await self._ask_until_good(payer, model, texts, cut=cut)}
        except QuestionRefused as refusal:
            if len(texts) > 1:
                half = len(texts) // 2
                first = dict(islice(texts.items(), half))
                second = dict(islice(texts.items(), half, None))
                return await self._ask_split(payer, model, first) | await self._ask_split(
                    payer, model, second
                )
            ((key, text),) = texts.items()
            if isinstance(refusal, ContextTooLong):
                most = min(self._count_tokens(text), MOST_TOKENS) // 2
                if most >= _SHORTEST:
                    shorter = text_to_embed(text, self._count_tokens, most)
                    return await self._ask_split(payer, model, {key: shorter}, cut=True)
            if await self._embeds(payer, model, text):
                return {key: str(refusal)}
            raise

    async def _embeds(self, payer: Payer, model: str, refused: str) -> bool:
        """Whether the model embeds anything at all."""
        if model not in self._embedding and refused != _PLAIN_TEXT:
            plain = {vector_key(model, _PLAIN_TEXT): _PLAIN_TEXT}
            try:
                await self._ask_until_good(payer, model, plain)
            except QuestionRefused:
                return False
        return model in self._embedding

    async def _ask_until_good(
        self, payer: Payer, model: str, texts: Mapping[bytes, str], *, cut: bool = False
    ) -> dict[bytes, TextVector]:
        batch = TextBatch(model, tuple(texts.values()))
        tries = 0
        while True:
            answer = await self._call(payer, batch)
            wrong = answer.wrong
            if not wrong:
                found = len(answer.vectors[0])
                before = await self._store.dimensions(payer, model, found)
                if before == found:
                    vectors = {
                        key: TextVector(vector, cut)
                        for key, vector in zip(texts, answer.vectors, strict=True)
                    }
                    await self._store.save(payer, model, vectors, answer)
                    self._embedding.add(model)
                    return vectors
                wrong = (
                    f"its vectors have {found:,} dimensions, and those that are kept have"
                    f" {before:,}; another model goes by this name now: give it another one (models"
                    " of [[endpoints]] in graphmill.toml), and index again"
                )
            await self._store.save(payer, model, {}, answer)
            tries += 1
            if tries > SAME_QUESTION_TRIES:
                raise InvalidAnswer(
                    f"endpoint {answer.endpoint!r} gives no usable embeddings by the model"
                    f" {model!r}: {wrong}"
                )

    async def _call(self, payer: Payer, batch: TextBatch) -> VectorBatch:
        async with self._budgets.call(payer, batch) as call:
            answer = await self._endpoints.embed(batch)
            call.answer = answer
        return answer
