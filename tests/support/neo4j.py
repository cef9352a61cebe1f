"""A real Neo4j Community server over Bolt, which can be killed and started again on its folder."""

import hashlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from neo4j import AsyncDriver, AsyncGraphDatabase

from graphmill.stores.neo4j.graph import Neo4jGraph

_SOURCES = Path(__file__).parent / "neo4j_server"
_START_SECONDS = 180.0
_BUILD_SECONDS = 600.0
# A JVM that compiles little: a server of a test lives for seconds, and would spend them compiling.
_SMALL = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def class_path() -> str:
    """Neo4j's jars and our main class, fetched and compiled once for this machine.

    Skips the test where there is no Java or Maven; outside of CI, where that is a failure.
    """
    missing = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    if missing:
        words = f"{' and '.join(missing)} not found: the tests of Neo4j need Java 17 and Maven"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    sources = sorted(_SOURCES.iterdir())
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    folder = Path.home() / ".cache" / "graphmill" / f"neo4j-{digest}"
    if not folder.is_dir():
        _build(folder)
    return f"{folder}{os.pathsep}{folder}/*"


def _build(folder: Path) -> None:
    # Into a folder of our own, renamed when it is whole: several tests may build at once.
    own = folder.with_name(f"{folder.name}.{os.getpid()}")
    own.mkdir(parents=True)
    try:
        _run("mvn", "-q", "-B", "-f", _SOURCES / "pom.xml",
             "dependency:copy-dependencies", f"-DoutputDirectory={own}")  # fmt: skip
        _run("javac", "-cp", f"{own}/*", "-d", own, _SOURCES / "Neo4jServer.java")
        own.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _run(*words: str | Path) -> None:
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=_BUILD_SECONDS
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]


class Neo4jServer:
    """On `folder`, where its data stays."""

    def __init__(self, folder: Path, jvm: Sequence[str] = _SMALL) -> None:
        self._folder = folder
        self._jvm = jvm
        self._class_path = class_path()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def uri(self) -> str:
        return f"bolt://127.0.0.1:{self._port}"

    def open_driver(self) -> AsyncDriver:
        # Its keyword arguments have no types.
        return AsyncGraphDatabase.driver(  # pyright: ignore[reportUnknownMemberType]
            self.uri,
            auth=("neo4j", "not asked for"),
            max_transaction_retry_time=2,
            notifications_min_severity="OFF",
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["java", *self._jvm, "-cp", self._class_path, "Neo4jServer",
             str(self._folder), str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        stopper = threading.Timer(_START_SECONDS, self._process.kill)
        stopper.start()
        said: list[str] = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == "ready":
                stopper.cancel()
                return
            said.append(line)
        raise AssertionError(f"Neo4j did not start: {''.join(said)[-2_000:]}")

    def kill(self) -> None:
        """As kill -9 does, which costs none of the ten seconds that it takes to leave by itself."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


@pytest.fixture(scope="session")
def neo4j(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer]:
    server = Neo4jServer(tmp_path_factory.mktemp("neo4j"))
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture
async def driver(neo4j: Neo4jServer) -> AsyncIterator[AsyncDriver]:
    async with neo4j.open_driver() as driver:
        yield driver


@pytest_asyncio.fixture
async def graph(driver: AsyncDriver) -> Neo4jGraph:
    """Over an empty server."""
    await driver.execute_query("MATCH (n) DETACH DELETE n")
    graph = Neo4jGraph(driver)
    await graph.prepare()
    return graph
