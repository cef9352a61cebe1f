"""Fixtures for every test."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# `make test` passes today what it passed yesterday: examples are the same in every run, and a busy
# machine is no failure. `make soak` (--hypothesis-profile=soak) looks for new ones.
settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("test")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout: the folder of pyproject.toml."""
    return PROJECT_ROOT


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
