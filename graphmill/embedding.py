"""Sentence vectors without a network: WordLlama's token vectors, averaged and normalised.

Source: WordLlama (https://github.com/dleemiller/WordLlama), model l2_supercat: token embeddings of
Llama 2, trained for mean pooling and cut to 256 dimensions. The weights and the tokenizer are read
straight from the files in the `wordllama` wheel. Its own loader is not imported: that sets up the
root logger, needs three times as long, and holds code that downloads what it does not find.
"""

import importlib.util
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import cast

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from tokenizers import Tokenizer

from graphmill.errors import SettingsError

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"

# Four times a default text unit. A mean over more tokens says nothing new, and costs time.
MAX_CHARACTERS = 20_000
# Tokens of this many texts are held at once.
_BATCH = 256


class LocalEmbedder:
    """Texts to vectors of 256 dimensions, float32, length 1 (all zero for a text without tokens).

    A text's vector depends on its first 20,000 characters and nothing else, not on its neighbours
    in a batch. Weights (33 MB in memory) are read at the first use, once. Safe in threads.
    """

    dimension: int = 256

    def __init__(self) -> None:
        self._lock = Lock()
        self._loaded: tuple[Tokenizer, NDArray[np.float32]] | None = None

    @property
    def model(self) -> str:
        """Name, version and dimension: vectors of different models are never compared."""
        return f"wordllama-l2_supercat-{metadata.version('wordllama')}-{self.dimension}"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of `dimension` floats for each text, in order."""
        return self.embed_array(texts).tolist()

    def embed_array(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `embed`: an array of shape (len(texts), dimension)."""
        tokenizer, weights = self._load()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            # Lone surrogates cannot be tokenized: they become question marks.
            batch = [
                text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
                for text in texts[start : start + _BATCH]
            ]
            encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for offset, encoding in enumerate(encodings):
                if not encoding.ids:
                    continue
                # One text at a time: padding to the longest of a batch would cost memory.
                mean = weights[encoding.ids].mean(axis=0, dtype=np.float32)
                norm = np.linalg.norm(mean)
                if norm > 0:
                    vectors[start + offset] = mean / norm
        return vectors

    def _load(self) -> tuple[Tokenizer, NDArray[np.float32]]:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = _read_model()
        return self._loaded


def _read_model() -> tuple[Tokenizer, NDArray[np.float32]]:
    # find_spec locates the package without running it.
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError("the package wordllama is not installed: install graphmill again")
    folder = Path(spec.submodule_search_locations[0])
    try:
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        with safe_open(folder / _WEIGHTS, framework="np") as file:  # pyright: ignore[reportUnknownVariableType]
            tensor = cast(NDArray[np.float16], file.get_tensor("embedding.weight"))  # pyright: ignore[reportUnknownMemberType]
    except Exception as error:  # the tokenizers library raises Exception itself
        raise SettingsError(
            f"the embedding model in {folder} cannot be read ({error}): install wordllama again"
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, np.ascontiguousarray(tensor, dtype=np.float32)
