"""The peers' own virtual environments: made once, in the user's cache."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from dataclasses import dataclass
from pathlib import Path

# What is installed with it is not locked: each of the two asks for a hundred packages.
_INSTALL_SECONDS = 1800
_DRIVERS = Path(__file__).resolve().parent / "drivers"
# Written last: an environment without it is half made.
_DONE = "complete"


@dataclass(frozen=True, slots=True)
class Peer:
    """`requirements` name what is installed; `driver` is the script that runs there."""

    name: str
    version: str
    requirements: tuple[str, ...]
    driver: Path


LIGHTRAG = Peer(
    "LightRAG",
    "1.5.7",
    # It installs openai by itself when that is first needed; a measurement wants it there before.
    ("lightrag-hku==1.5.7", "openai==2.54.0"),
    _DRIVERS / "lightrag_index.py",
)
GRAPHRAG = Peer("GraphRAG", "3.3.0", ("graphrag==3.3.0",), _DRIVERS / "graphrag_index.py")
PEERS = (LIGHTRAG, GRAPHRAG)


class NotInstalled(Exception):
    """The words say what pip said."""


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "graphmill" / "peers"


def python_of(peer: Peer) -> Path:
    return _folder_of(peer) / "bin" / "python"


def token_tables() -> Path | None:
    """tiktoken's tables, which would else be fetched over the network: GraphRAG's litellm ships
    them under the names that tiktoken looks for. None: GraphRAG is not installed."""
    pattern = "lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"
    return next(_folder_of(GRAPHRAG).glob(pattern), None)


def is_installed(peer: Peer) -> bool:
    return (_folder_of(peer) / _DONE).exists()


async def install(peer: Peer) -> None:
    """Minutes, and a gigabyte of disk for GraphRAG.

    Raises:
        NotInstalled: it could not be.
    """
    folder = _folder_of(peer)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    await _run(sys.executable, "-m", "venv", str(folder))
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check")
    await _run(str(python_of(peer)), "-m", "pip", "install", *quiet, *peer.requirements)
    (folder / _DONE).touch()


def _folder_of(peer: Peer) -> Path:
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return cache_folder() / f"{peer.name.lower()}-{peer.version}-{python}"


async def _run(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *words, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(_INSTALL_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        raise NotInstalled(f"not done after {_INSTALL_SECONDS} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or ["pip said nothing"]
        raise NotInstalled(lines[-1])
