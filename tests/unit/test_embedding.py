import socket
import subprocess
import sys

import numpy as np
import pytest

from graphmill.embedding import MAX_CHARACTERS, LocalEmbedder


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


def test_vectors_have_length_one_and_the_promised_dimension(embedder: LocalEmbedder) -> None:
    vectors = np.array(embedder.embed(["The harbour office.", "東京の天気", "Ж"]))
    assert vectors.shape == (3, LocalEmbedder.dimension)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_what_means_alike_is_nearer_than_what_does_not(embedder: LocalEmbedder) -> None:
    ship, boat, bread = embedder.embed_array(
        ["The ship sank in the storm.", "A vessel went down at sea.", "Bake the bread for an hour."]
    )
    assert ship @ boat > ship @ bread + 0.2


def test_a_vector_does_not_depend_on_the_batch(embedder: LocalEmbedder) -> None:
    texts = [f"Sentence {i} of a batch" + " and more" * (i % 7) for i in range(600)]
    together = embedder.embed_array(texts)
    alone = np.concatenate([embedder.embed_array([text]) for text in texts])
    assert np.array_equal(together, alone)


def test_vectors_are_those_of_wordllama_itself(embedder: LocalEmbedder) -> None:
    # In a process of its own: importing wordllama sets up the root logger.
    code = """
import json, sys
from pathlib import Path
import wordllama
model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
print(json.dumps(model.embed([sys.argv[1]], norm=True)[0].tolist()))
"""
    text = "Hatch number two stood open, said the chief engineer (café, 東京)."
    done = subprocess.run(
        [sys.executable, "-c", code, text], capture_output=True, text=True, check=True
    )
    assert embedder.embed([text])[0] == pytest.approx(
        [float(x) for x in done.stdout.strip().strip("[]").split(",")], abs=1e-6
    )


@pytest.mark.parametrize(
    "text", ["", "\x00", "\ud800 lone", "a" * 1_000_000, "\u202e\ufeff", "\U0001f3f4\u200d" * 9]
)
def test_hostile_text_gives_a_vector_of_finite_numbers(embedder: LocalEmbedder, text: str) -> None:
    vector = np.array(embedder.embed([text])[0])
    assert vector.shape == (LocalEmbedder.dimension,)
    assert np.isfinite(vector).all()


def test_only_the_beginning_of_a_huge_text_counts(embedder: LocalEmbedder) -> None:
    beginning = "word " * (MAX_CHARACTERS // 5)
    one, other = embedder.embed([beginning, beginning + "something else " * 100_000])
    assert one == other


def test_no_text_gives_no_vector(embedder: LocalEmbedder) -> None:
    assert embedder.embed([]) == []


def test_the_model_is_named_with_version_and_dimension(embedder: LocalEmbedder) -> None:
    assert embedder.model.startswith("wordllama-l2_supercat-")
    assert embedder.model.endswith("-256")


def test_loading_never_tries_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object, **kwargs: object) -> socket.socket:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    assert len(LocalEmbedder().embed(["offline"])) == 1


def test_loading_imports_no_code_that_downloads() -> None:
    code = """
import sys
from graphmill.embedding import LocalEmbedder
LocalEmbedder().embed(["offline"])
print([n for n in ("wordllama", "requests", "torch", "huggingface_hub") if n in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
