"""Fixtures for every test."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

# Nobody's collector is sent what tests do.
for _name in [name for name in os.environ if name.startswith("OTEL_")]:
    del os.environ[_name]
# Stacks that start at the same moment would all find the default ports free.
for _port in ("TEMPORAL_PORT", "TEMPORAL_UI_PORT", "API_PORT"):
    os.environ.setdefault(f"GRAPHMILL_{_port}", "0")

PROJECT_ROOT = Path(__file__).resolve().parent.parent
_TOGETHER = {
    "/chaos/": "chaos",
    "/deployment/": "deployment",
    "/test_graph_projection": "neo4j",
    "/test_graph_reads": "neo4j",
    "/test_projected_search": "neo4j",
    "/test_any_change": "neo4j",
}
_LONGEST_FIRST = ("chaos", "e2e", "workflows", "contracts")

# `make test` passes today what it passed yesterday: examples are the same in every run, and a busy
# machine is no failure. `make soak` (--hypothesis-profile=soak) looks for new ones.
settings.register_profile("test", max_examples=50, derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, so that nobody waits for it at the end."""
    items.sort(key=lambda item: _place(item.path.parent.name))


def _place(folder: str) -> int:
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


class FilesAtOnce(LoadScopeScheduling):
    """What runs at once (`make test`) is whole files, so that what a file's tests share is made
    once; the chaos tests together, since all compare with one undisturbed run, those of graph
    stores, which share a Neo4j, and those of what is deployed, which share checkers.

    (Marks for --dist loadgroup do nothing: xdist 3.8 writes them where pytest 9.2 reads no more.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return next((name for part, name in _TOGETHER.items() if part in file), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesAtOnce:
    return FilesAtOnce(config, log)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout: the folder of pyproject.toml."""
    return PROJECT_ROOT


@pytest.fixture(scope="session")
def long_versions(pytestconfig: pytest.Config) -> bool:
    """Whether `make soak` runs, and what is shared by tests may be as large as theirs."""
    return not (pytestconfig.getoption("markexpr") or "").startswith("not soak")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real documents and corpora beside the checkout; never copied into it.

    Where it is absent, tests are skipped on a user's machine and fail where CI is set: a pipeline
    that silently leaves them out would promise what nobody has seen.
    """
    folder = PROJECT_ROOT.parent / "shared"
    if not folder.is_dir():
        words = f"{folder} is not here: the shared documents and corpora are needed for this test"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return folder
