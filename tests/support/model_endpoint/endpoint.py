"""The simulated model: lets calls in, works on them, answers, and counts."""

import logging
import time
from pathlib import Path
from random import Random
from typing import Any

from tests.support.model_endpoint import refusals
from tests.support.model_endpoint.answers.answering import answer_to
from tests.support.model_endpoint.answers.replay import Replay
from tests.support.model_endpoint.behaviour import Behaviour
from tests.support.model_endpoint.client import Client
from tests.support.model_endpoint.counting import Call, Counts, Ended
from tests.support.model_endpoint.faults import Fault, draw
from tests.support.model_endpoint.places import Places
from tests.support.model_endpoint.rate_limits import RateLimits
from tests.support.model_endpoint.refusals import Refusal
from tests.support.model_endpoint.replies import Reply, chat_reply, embedding_reply
from tests.support.model_endpoint.requests import (
    ChatRequest,
    EmbeddingRequest,
    digest_of,
    read_chat,
    read_embeddings,
    read_object,
)
from tests.support.model_endpoint.stats import Stats

log = logging.getLogger(__name__)

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
# What a call may be asked in, the weaker first.
_FORMATS = {"text": 0, "json_object": 1, "json_schema": 2}
_SUPPORTED = {"none": 0, "json_object": 1, "json_schema": 2}


class Endpoint:
    def __init__(self, behaviour: Behaviour, corpus: Path | None = None) -> None:
        """
        Args:
            corpus: where the answers to replay are.
        """
        self._started = time.monotonic()
        self._corpus = corpus
        self._replay: Replay | None = None
        self.behaviour = behaviour
        self.counts = Counts()
        self.random = Random(behaviour.seed)
        self._places = Places(
            behaviour.places,
            entered=lambda call: self.counts.enter(call, self.now),
            left=lambda call: self.counts.leave(call, self.now),
        )
        self._limits = RateLimits(behaviour.requests_per_minute, behaviour.tokens_per_minute)
        self._load_replay(behaviour)

    def change(self, fields: dict[str, Any]) -> Behaviour:
        """Calls that are in their places end as they began. A limit a minute that changes begins
        with an empty minute.

        Raises:
            ValueError: a field that does not exist, or a value that it does not take.
        """
        before, after = self.behaviour, self.behaviour.changed(fields)
        self._load_replay(after)
        self.behaviour = after
        if "seed" in fields:
            self.random = Random(after.seed)
        if (before.requests_per_minute, before.tokens_per_minute) != (
            after.requests_per_minute,
            after.tokens_per_minute,
        ):
            self._limits = RateLimits(after.requests_per_minute, after.tokens_per_minute)
        self._places.resize(after.places)
        return after

    def _load_replay(self, behaviour: Behaviour) -> None:
        if behaviour.answers == "replay" and self._replay is None:
            if self._corpus is None:
                raise ValueError('answers: "replay" needs a corpus, which is given at the start')
            self._replay = Replay(self._corpus)

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def reset(self) -> None:
        self.counts.reset(self.now)

    def stats(self, *, arrivals: bool) -> Stats:
        waiting = self._places.waiting
        return self.counts.stats(self.now, self.behaviour.places, waiting, arrivals=arrivals)

    def check_key(self, authorization: str | None) -> None:
        """
        Raises:
            Refusal: it is another key than the one that is needed.
        """
        key = self.behaviour.api_key
        if key is not None and authorization != f"Bearer {key}":
            raise refusals.wrong_key()

    async def serve(self, path: str, authorization: str | None, client: Client) -> None:
        """One call, from its body to the last byte of its answer."""
        body = await client.body()
        if body is None:
            return
        request: ChatRequest | EmbeddingRequest | Refusal
        try:
            content = read_object(body)
            request = read_chat(content) if path == CHAT else read_embeddings(content)
            call = self.counts.begin(request.step, request.digest, self.now)
        except Refusal as refusal:
            request = refusal
            call = self.counts.begin("unreadable", digest_of(body), self.now)
        ended = Ended("left")
        try:
            self.check_key(authorization)
            if isinstance(request, Refusal):
                raise request
            ended = await self._work(request, call, client)
        except Refusal as refusal:
            await client.answer_json(refusal.status, refusal.body, refusal.headers)
            ended = Ended(refusal.group, refusal.kind)
        except Exception:
            log.exception("a fault of the simulated model itself")
            ended = Ended("faults", "bug")
            raise
        finally:
            self.counts.end(call, ended)

    async def _work(
        self, request: ChatRequest | EmbeddingRequest, call: Call, client: Client
    ) -> Ended:
        behaviour = self.behaviour
        self.check(request)
        fault, reply = self._let_in(request, call)
        if not await self._places.take(call, client):
            return Ended("left")
        try:
            if fault is Fault.HANG:
                await client.wait_until_left()
                return Ended("faults", "hang")
            # From when the place was given: time that this process is late is not added.
            if not await client.stays(call.began + behaviour.seconds - self.now):
                return Ended("left")
            self.counts.overtime += self.now - call.began - behaviour.seconds
            return await self._send(reply, fault, client, behaviour)
        finally:
            self._places.free(call)

    def check(self, request: ChatRequest | EmbeddingRequest) -> None:
        """
        Raises:
            Refusal: this model never answers it.
        """
        behaviour = self.behaviour
        if behaviour.models and request.model not in behaviour.models:
            raise refusals.unknown_model(request.model)
        if isinstance(request, ChatRequest):
            needed = _FORMATS.get(request.format)
            if needed is None or needed > _SUPPORTED[behaviour.structured]:
                raise refusals.unsupported_format(request.format)
        elif request.base64 and not behaviour.base64:
            raise refusals.unsupported_encoding("base64")
        most = behaviour.context_tokens
        asked = request.max_tokens or 0 if isinstance(request, ChatRequest) else 0
        if behaviour.answer_tokens is not None and asked > behaviour.answer_tokens:
            raise refusals.too_long_an_answer(asked, behaviour.answer_tokens)
        if most is not None and request.prompt_tokens + asked > most:
            raise refusals.too_long(request.prompt_tokens, asked, most)
        if behaviour.poison is not None and any(behaviour.poison in t for t in request.texts):
            raise refusals.drawn(500, None)
        if (filtered := behaviour.filtered) is not None:
            for text in request.texts:
                if filtered in text:
                    raise refusals.filtered(text)

    def _let_in(
        self, request: ChatRequest | EmbeddingRequest, call: Call
    ) -> tuple[Fault | None, Reply]:
        """What is drawn for it, and its reply: that is known at once, and told after its time.

        Raises:
            Refusal: not now.
        """
        behaviour = self.behaviour
        retry_after = behaviour.retry_after
        if self._places.all_in_use:
            line = behaviour.waiting_line
            if behaviour.refuse_over_places:
                raise refusals.too_many_at_once("places", retry_after)
            if line is not None and self._places.waiting >= line:
                raise refusals.too_many_at_once("waiting_line", retry_after)
        try:
            # Before an answer is made: a flood that is refused must cost next to nothing.
            self._limits.check(request.prompt_tokens, call.arrival.time)
            fault = draw(behaviour, self.random)
            if fault is Fault.ERROR_429 or fault is Fault.ERROR_503:
                raise refusals.drawn(int(fault), retry_after)
            reply = self.reply_to(request, fault)
            self._limits.admit(reply.tokens, call.arrival.time)
        except Refusal as refusal:
            if retry_after is not None:
                refusal.retry_after = retry_after
            raise
        call.arrival.tokens = reply.tokens
        self.counts.note(reply.note)
        return fault, reply

    def reply_to(self, request: ChatRequest | EmbeddingRequest, fault: Fault | None) -> Reply:
        """The answer, with what the fault does to its text."""
        if isinstance(request, EmbeddingRequest):
            return embedding_reply(request, fault, self.behaviour.dimensions)
        answer = answer_to(request, self.behaviour, self._replay)
        reply = chat_reply(request, answer, fault, self.random)
        if not self.behaviour.tells_usage:
            del reply.body["usage"]
        return reply

    async def _send(
        self, reply: Reply, fault: Fault | None, client: Client, behaviour: Behaviour
    ) -> Ended:
        if fault is Fault.ERROR_500:
            raise refusals.drawn(500, None)
        body = reply.encoded()
        if fault is Fault.CUT:
            await client.cut(body, self.random.choice((0, len(body) // 2)))
            return Ended("faults", "cut")
        slip = reply.slip
        if fault is Fault.TRICKLE:
            slip = slip or "trickle"
            if not await client.answer_in_pieces(body, behaviour.trickle_seconds):
                return Ended("left")
        else:
            await client.answer(200, body)
        return ended_of(reply, slip)


def ended_of(reply: Reply, slip: str = "") -> Ended:
    tokens = (reply.prompt_tokens, reply.completion_tokens)
    return Ended("faults", reply.lost, *tokens) if reply.lost else Ended("answered", slip, *tokens)
