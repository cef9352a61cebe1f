"""Many connections to the API at once, on mixed routes: a process of its own, which is told what to
do by its argument (`Load`, as JSON) and its standard input, and tells `Seen`."""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp
import psutil
import uvloop

from graphmill.open_files import allow_many_open_files

_OPEN_EVERY_SECONDS = 1.0
_MOST_SECONDS = 240.0
# So long streams of a run that has ended may take to tell its end.
_END_SECONDS = 60.0
_OPENED_AT_ONCE = 100
_PAGE = {"limit": "20"}
_UPLOADED_TO = 20


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` that ask, `streams` beside them that follow `held_run`, which tells nothing.

    `rate`: requests a second of all together, each at its time whether the one before was quick or
    not; None: each connection asks again as soon as it is answered. `seconds`: for how long; None:
    until standard input ends, a line of which is the id of a run that as many streams follow too.
    """

    url: str
    served: str
    held_run: str
    connections: int
    streams: int = 0
    rate: float | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Seen:
    """`times`: milliseconds by route, from when a request was due to its whole answer. `seconds`:
    until it was over; `reached`: how many were answered well by then, and `requests` in all.
    `open`: the fewest connections that were open at once, from the first request on. `cut_off`: it
    took too long, and what was to be measured beside it went on. `ends`: seconds, behind the run,
    until all its streams had told its end."""

    requests: int = 0
    reached: int = 0
    seconds: float = 0.0
    cut_off: bool = False
    ends: float = 0.0
    events: int = 0
    open: int = 0
    failures: dict[str, int] = field(default_factory=dict[str, int])
    times: dict[str, list[float]] = field(default_factory=dict[str, list[float]])


class Caller:
    """One connection, which is kept."""

    def __init__(self, load: Load, number: int, documents: list[str]) -> None:
        self._load = load
        self._number = number
        self._documents = documents
        self._chance = random.Random(number)
        self._uploaded = 0
        served = f"/v1/collections/{load.served}"
        # How many of a hundred requests, and what they ask.
        self._routes: tuple[tuple[int, str, Callable[[], Awaitable[None]]], ...] = (
            (15, "a collection", lambda: self._get(served)),
            (15, "documents", lambda: self._get(f"{served}/documents", _PAGE)),
            (15, "a document", lambda: self._get(f"{served}/documents/{self._document()}")),
            (15, "entities", lambda: self._get(f"{served}/entities", _PAGE)),
            (10, "communities", lambda: self._get(f"{served}/communities", _PAGE)),
            (5, "reports", lambda: self._get(f"{served}/reports", _PAGE)),
            (15, "a run", lambda: self._get(f"/v1/runs/{load.held_run}")),
            (8, "an upload", self._upload),
            (2, "a question", self._ask),
        )

    async def __aenter__(self) -> "Caller":
        self._http = aiohttp.ClientSession(
            self._load.url,
            connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=3600),
            timeout=aiohttp.ClientTimeout(total=60),
        )
        # A read whose connection dropped would be sent again, and nobody would hear of it.
        self._http._retry_connection = False  # pyright: ignore[reportPrivateUsage]
        await self._get("/health/live")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    def choose(self) -> tuple[str, Callable[[], Awaitable[None]]]:
        [(_, name, ask)] = self._chance.choices(
            self._routes, weights=[share for share, _, _ in self._routes]
        )
        return name, ask

    def _document(self) -> str:
        return self._chance.choice(self._documents)

    async def _get(self, path: str, params: dict[str, str] | None = None) -> None:
        async with self._http.get(path, params=params) as response:
            await _read(response, 200)

    async def _upload(self) -> None:
        form = aiohttp.FormData()
        self._uploaded += 1
        name = f"{self._number}-{self._uploaded}.txt"
        form.add_field("files", f"{name}: Ada met Charles. ".encode() * 100, filename=name)
        path = f"/v1/collections/uploads-{self._number % _UPLOADED_TO}/documents"
        async with self._http.post(path, data=form) as response:
            await _read(response, 201)

    async def _ask(self) -> None:
        path = f"/v1/collections/{self._load.served}/query"
        async with self._http.post(path, json={"question": "Who was born in London?"}) as response:
            await _read(response, 200)


async def _read(response: aiohttp.ClientResponse, expected: int) -> None:
    await response.read()
    if response.status != expected:
        raise _Refused(f"{response.method} answered {response.status}")


class _Refused(Exception):
    """Another status than it should be."""


class _Generator:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._seen = Seen()
        self._failures: Counter[str] = Counter()
        self._over = asyncio.Event()
        # Of runs that go on, and of the one that ends.
        self._following: list[asyncio.Task[None]] = []
        self._ending: list[asyncio.Task[None]] = []

    async def run(self) -> Seen:
        documents = await self._documents()
        callers: list[Caller] = []
        for number in range(self._load.connections):
            callers.append(Caller(self._load, number, documents))
        for start in range(0, len(callers), _OPENED_AT_ONCE):
            await asyncio.gather(
                *(caller.__aenter__() for caller in callers[start : start + _OPENED_AT_ONCE])
            )
        await self._follow(self._load.held_run, ends=False)
        print(json.dumps({"open": _open_connections(self._load.url)}), flush=True)
        watching = asyncio.create_task(self._watch())
        listening = asyncio.create_task(self._listen())
        began = time.perf_counter()
        ending = asyncio.create_task(self._end(began))
        await asyncio.gather(
            *(self._call(caller, number, began) for number, caller in enumerate(callers))
        )
        watching.cancel()
        await ending
        if self._ending and not self._seen.cut_off:
            over = began + self._seen.seconds
            _, late = await asyncio.wait(self._ending, timeout=_END_SECONDS)
            self._seen.ends = time.perf_counter() - over
            if late:
                self._failures["a stream: told no end"] += len(late)
        stopped = (watching, listening, *self._following, *self._ending)
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        await asyncio.gather(*(caller.__aexit__() for caller in callers))
        self._seen.failures = dict(self._failures)
        return self._seen

    async def _documents(self) -> list[str]:
        async with aiohttp.ClientSession(self._load.url) as http:
            path = f"/v1/collections/{self._load.served}/documents"
            async with http.get(path, params={"limit": "500"}) as response:
                return [one["id"] for one in (await response.json())["documents"]]

    async def _call(self, caller: Caller, number: int, began: float) -> None:
        rate = self._load.rate
        pause = self._load.connections / rate if rate else 0.0
        due = began + pause * number / self._load.connections
        while not self._over.is_set():
            if rate is None:
                due = time.perf_counter()
            elif (wait := due - time.perf_counter()) > 0 and await self._is_over_within(wait):
                return
            name, ask = caller.choose()
            try:
                await ask()
                self._seen.reached += not self._over.is_set()
            except (aiohttp.ClientError, TimeoutError, OSError, _Refused) as error:
                words = str(error) if isinstance(error, _Refused) else type(error).__name__
                self._failures[f"{name}: {words}"] += 1
            self._seen.requests += 1
            times = self._seen.times.setdefault(name, [])
            times.append((time.perf_counter() - due) * 1000)
            due += pause

    async def _is_over_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return False
        return True

    async def _end(self, began: float) -> None:
        """When it is over, which callers hear at once: the time that they would have waited for is
        none in which they asked."""
        if not await self._is_over_within(self._load.seconds or _MOST_SECONDS):
            self._seen.cut_off = self._load.seconds is None
            self._over.set()
        self._seen.seconds = time.perf_counter() - began

    async def _follow(self, run_id: str, *, ends: bool) -> None:
        """Returns when every stream has told its first event."""
        first = [asyncio.Event() for _ in range(self._load.streams)]
        tasks = self._ending if ends else self._following
        for event in first:
            tasks.append(asyncio.create_task(self._stream(run_id, event, ends=ends)))
        await asyncio.gather(*(event.wait() for event in first))

    async def _stream(self, run_id: str, first: asyncio.Event, *, ends: bool) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        try:
            async with aiohttp.ClientSession(self._load.url, timeout=timeout) as http:
                last = await self._listen_to(http, run_id, first)
            if not ends or last != "event: end":
                self._failures[f"a stream: ended after {last!r}"] += 1
        except (aiohttp.ClientError, TimeoutError, OSError, _Refused) as error:
            self._failures[f"a stream: {type(error).__name__} {error}"] += 1
        finally:
            first.set()

    async def _listen_to(
        self, http: aiohttp.ClientSession, run_id: str, first: asyncio.Event
    ) -> str:
        """The last line of note. A stream that is told to come again does."""
        last, seen = "", ""
        while True:
            headers = {"Last-Event-ID": seen} if seen else {}
            again = False
            async with http.get(f"/v1/runs/{run_id}/events", headers=headers) as response:
                if response.status != 200:
                    raise _Refused(f"answered {response.status}")
                async for line in response.content:
                    text = line.decode().strip()
                    again = again or text.startswith("retry:")
                    if text.startswith("id:"):
                        seen = text.removeprefix("id:").strip()
                    if text.startswith("event:"):
                        last = text
                        self._seen.events += 1
                        first.set()
            if not again:
                return last

    async def _watch(self) -> None:
        self._seen.open = 2**31
        while True:
            now = await asyncio.to_thread(_open_connections, self._load.url)
            self._seen.open = min(self._seen.open, now)
            await asyncio.sleep(_OPEN_EVERY_SECONDS)

    async def _listen(self) -> None:
        if self._load.seconds is not None:
            return
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            await self._follow(line, ends=True)
        self._over.set()


def _open_connections(url: str) -> int:
    port = int(url.rpartition(":")[2])
    return sum(
        one.status == psutil.CONN_ESTABLISHED and bool(one.raddr) and one.raddr.port == port
        for one in psutil.Process().net_connections(kind="tcp")
    )


def seen_of(told: str) -> Seen:
    told_json: dict[str, Any] = json.loads(told)
    return Seen(**told_json)


def main() -> None:
    allow_many_open_files()
    load = Load(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(uvloop.run(_Generator(load).run()))), flush=True)


if __name__ == "__main__":
    main()
