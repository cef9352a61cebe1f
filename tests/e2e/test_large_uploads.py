"""Many files and a large one over HTTP: the API's memory stays small, and a kill -9 amid an upload
leaves nothing but what was stored whole; sent again, every document is there once."""

import asyncio
import io
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from graphmill import Client
from tests.support.memory import PeakMemory
from tests.support.stack import Stack, Target

MOST_BYTES = 300_000_000
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Sizes:
    files: int
    large_bytes: int


SIZES = (
    pytest.param(Sizes(1_000, 50 * MB), id="a-tenth"),
    pytest.param(
        Sizes(10_000, 500 * MB), id="whole", marks=(pytest.mark.soak, pytest.mark.timeout(1200))
    ),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("large")
    # Its own, so that what is left there is nobody else's.
    (home / "spool").mkdir()
    stack = Stack(home, {"TMPDIR": str(home / "spool")})
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module", params=SIZES)
def sizes(request: pytest.FixtureRequest) -> Sizes:
    sizes: Sizes = request.param
    return sizes


@pytest.fixture(scope="module")
def folder(sizes: Sizes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as name:
        folder = Path(name)
        for number in range(sizes.files):
            text = f"Document {number}: Ada met Charles. " * 40
            (folder / f"{number:05}.txt").write_text(text)
        chance = random.Random(1)
        with (folder / "large.txt").open("wb") as file:
            for _ in range(sizes.large_bytes // MB):
                file.write(chance.randbytes(MB))
        yield folder


def url_of(stack: Stack) -> str:
    assert stack.addresses is not None
    assert stack.addresses.api_url is not None
    return stack.addresses.api_url


def all_names(sizes: Sizes) -> list[str]:
    return [*(f"{number:05}.txt" for number in range(sizes.files)), "large.txt"]


async def stored_names(stack: Stack, collection: str) -> list[str]:
    async with Client(url_of(stack)) as client:
        return [document.name async for document in client.documents(collection)]


async def check_whole(stack: Stack, collection: str, sizes: Sizes) -> None:
    """Every document once with all its bytes, no bytes without a document, no file left."""
    assert await stored_names(stack, collection) == all_names(sizes)
    assert stack.addresses is not None
    connection = await asyncpg.connect(stack.addresses.database_url)
    try:
        wrong = await connection.fetch(
            "SELECT d.name FROM documents d WHERE collection = $1 AND size <>"
            " (SELECT coalesce(sum(length(c.bytes)), 0) FROM contents c WHERE c.tenant = d.tenant"
            " AND c.collection = d.collection AND c.version = d.version)",
            collection,
        )
        assert wrong == []
        assert await bytes_of_nobody(connection) == 0
    finally:
        await connection.close()
    check_no_file_is_left(stack)


async def bytes_of_nobody(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    count: int = await connection.fetchval(
        "SELECT count(*) FROM contents c WHERE NOT EXISTS (SELECT FROM documents d"
        " WHERE d.tenant = c.tenant AND d.collection = c.collection AND d.version = c.version)"
    )
    return count


def check_no_file_is_left(stack: Stack) -> None:
    assert list((stack.home.path / "spool").glob("graphmill-upload-*")) == []


async def until_answers(stack: Stack) -> None:
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(base_url=url_of(stack), trust_env=False) as http,
    ):
        while True:
            try:
                if (await http.get("/health")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def test_the_client_uploads_a_folder_through_kills_of_the_api(
    stack: Stack, folder: Path, sizes: Sizes
) -> None:
    sent = 0
    small_are_sent = asyncio.Event()

    def on_batch(documents: int) -> None:
        nonlocal sent
        before, sent = sent, sent + documents
        if before < sizes.files // 3 <= sent:
            stack.kill(Target.API)
        if sent == sizes.files:
            small_are_sent.set()

    with PeakMemory(lambda: stack.find(Target.API)) as memory:
        began = time.monotonic()
        async with Client(url_of(stack)) as client:
            uploading = asyncio.create_task(client.upload("by-client", folder, on_batch=on_batch))
            waiting = asyncio.create_task(small_are_sent.wait())
            await asyncio.wait((uploading, waiting), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.3)  # amid the large one
            assert not uploading.done()
            stack.kill(Target.API)
            uploaded = await uploading
        seconds = time.monotonic() - began
    assert len(uploaded.documents) == sizes.files + 1
    await check_whole(stack, "by-client", sizes)
    report(memory, sizes, f"by the client, {seconds:.1f} s with two kills")


class KillingFile(io.RawIOBase):
    """A file on its way out, from which on a kill comes at a place of it."""

    def __init__(self, path: Path, stack: Stack, after: int) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._stack = stack
        self._left = after

    def read(self, size: int = -1, /) -> bytes:
        part = self._file.read(size)
        killed, self._left = self._left <= 0, self._left - len(part)
        if not killed and self._left <= 0:
            self._stack.kill(Target.API)
        return part

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()


def send_in_one(
    stack: Stack, folder: Path, sizes: Sizes, kill_after: int | None
) -> httpx.Response | None:
    """All files in one request, the large one last; None: the connection ended."""
    with ExitStack() as opened, httpx.Client(trust_env=False, timeout=600) as http:
        parts: list[tuple[str, tuple[str, bytes | io.RawIOBase | io.BufferedReader]]] = [
            ("files", (name, (folder / name).read_bytes())) for name in all_names(sizes)[:-1]
        ]
        large = folder / "large.txt"
        file = (
            opened.enter_context(large.open("rb"))
            if kill_after is None
            else opened.enter_context(KillingFile(large, stack, kill_after))
        )
        parts.append(("files", ("large.txt", file)))
        url = f"{url_of(stack)}/v1/collections/in-one/documents"
        try:
            return http.post(url, files=parts)  # pyright: ignore[reportArgumentType]
        except httpx.TransportError:
            return None


async def test_one_request_of_all_files_is_stored_whole_or_not_at_all(
    stack: Stack, folder: Path, sizes: Sizes
) -> None:
    files = sizes.files - 1  # a request has 10,000 at most
    some = Sizes(files, sizes.large_bytes)
    with PeakMemory(lambda: stack.find(Target.API)) as memory:
        answer = await asyncio.to_thread(send_in_one, stack, folder, some, sizes.large_bytes // 2)
        assert answer is None
        await until_answers(stack)
        check_no_file_is_left(stack)
        assert stack.addresses is not None
        connection = await asyncpg.connect(stack.addresses.database_url)
        found = "SELECT count(*) FROM documents WHERE collection = 'in-one'"
        assert await connection.fetchval(found) == 0
        assert await bytes_of_nobody(connection) == 0

        # Its bytes are all there, and are being stored.
        sending = asyncio.create_task(
            asyncio.to_thread(send_in_one, stack, folder, some, None), name="sending"
        )
        await until_storing(connection)
        stack.kill(Target.API)
        assert await sending is None
        await until_answers(stack)
        check_no_file_is_left(stack)
        assert await connection.fetchval(found) == 0
        assert await bytes_of_nobody(connection) == 0
        await connection.close()

        began = time.monotonic()
        answer = await asyncio.to_thread(send_in_one, stack, folder, some, None)
        seconds = time.monotonic() - began
        assert answer is not None
        assert (answer.status_code, answer.json()["new"]) == (201, files + 1)
    await check_whole(stack, "in-one", some)
    report(memory, some, f"in one request, {seconds:.1f} s")


async def until_storing(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Somebody writes bytes of documents, in a transaction that is not over."""
    async with asyncio.timeout(300):
        while not await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL AND query LIKE 'INSERT INTO contents%'"
        ):
            await asyncio.sleep(0.01)


def report(memory: PeakMemory, sizes: Sizes, words: str) -> None:
    print(
        f"\n{sizes.files:,} files and one of {sizes.large_bytes / MB:,.0f} MB {words}:"
        f" the API had {memory.bytes / MB:.0f} MB at most ({memory.looks} looks)"
    )
    assert memory.looks > 10
    assert memory.bytes < MOST_BYTES
