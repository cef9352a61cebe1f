"""Runs in GraphRAG's environment: index a folder of texts, and say what that took.

python graphrag_index.py FOLDER WORK_FOLDER BASE_URL PLACES DIMENSIONS
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import graphrag.api as api
import pandas as pd
import yaml
from graphrag.config.load_config import load_config


def _settings(folder: Path, base_url: str, places: int, dimensions: int) -> dict:
    """As `graphrag init` writes them, but for the endpoint's address, its number of places and its
    embeddings' size."""
    reach = {
        "model_provider": "openai",
        "auth_method": "api_key",
        "api_base": base_url,
        "api_key": "not-needed",
        "retry": {"type": "exponential_backoff"},
    }
    return {
        "completion_models": {"default_completion_model": reach | {"model": "gpt-4.1"}},
        "embedding_models": {
            "default_embedding_model": reach | {"model": "text-embedding-3-large"}
        },
        "concurrent_requests": places,
        "input": {"type": "text"},
        "input_storage": {"type": "file", "base_dir": str(folder)},
        "output_storage": {"type": "file", "base_dir": "output"},
        "reporting": {"type": "file", "base_dir": "logs"},
        "cache": {"type": "json", "storage": {"type": "file", "base_dir": "cache"}},
        "vector_store": {
            "type": "lancedb",
            "db_uri": "output/lancedb",
            "vector_size": dimensions,
        },
    }


async def _index(folder: Path, work: Path, base_url: str, places: int, dimensions: int) -> dict:
    settings = _settings(folder, base_url, places, dimensions)
    (work / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = load_config(work)
    began, cpu_began = time.monotonic(), time.process_time()
    outputs = await api.build_index(config=config, method="standard")
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    for output in outputs:
        if output.error is not None:
            raise RuntimeError(f"workflow {output.workflow} failed") from output.error

    def rows(table: str) -> int:
        path = work / "output" / f"{table}.parquet"
        return len(pd.read_parquet(path)) if path.exists() else 0

    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "graph": {
            "documents": rows("documents"),
            "text_units": rows("text_units"),
            "entities": rows("entities"),
            "relationships": rows("relationships"),
            "reports": rows("community_reports"),
        },
    }


if __name__ == "__main__":
    _folder, _work, _base_url, _places, _dimensions = sys.argv[1:]
    _result = asyncio.run(
        _index(Path(_folder), Path(_work), _base_url, int(_places), int(_dimensions))
    )
    print(json.dumps(_result))
