"""Runs in LightRAG's environment: index a folder of texts, and say what that took.

python lightrag_index.py FOLDER WORK_FOLDER BASE_URL PLACES DIMENSIONS
"""

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path

import networkx
from lightrag import LightRAG
from lightrag.llm.openai import openai_complete_if_cache, openai_embed
from lightrag.utils import EmbeddingFunc

_MODEL = "a-model"
_KEY = "not-needed"


async def _index(folder: Path, work: Path, base_url: str, places: int, dimensions: int) -> dict:
    async def ask(prompt, system_prompt=None, history_messages=None, **kwargs) -> str:
        return await openai_complete_if_cache(
            _MODEL,
            prompt,
            system_prompt=system_prompt,
            history_messages=history_messages or [],
            base_url=base_url,
            api_key=_KEY,
            **kwargs,
        )

    embed = EmbeddingFunc(
        embedding_dim=dimensions,
        max_token_size=8192,
        func=partial(openai_embed.func, model="an-embedder", base_url=base_url, api_key=_KEY),
    )
    rag = LightRAG(
        working_dir=str(work),
        llm_model_func=ask,
        llm_model_name=_MODEL,
        embedding_func=embed,
        # All that it does at once is as much as the endpoint has places; the rest is as it comes.
        llm_model_max_async=places,
        embedding_func_max_async=places,
        max_parallel_insert=places,
    )
    await rag.initialize_storages()
    files = sorted(folder.iterdir())
    began, cpu_began = time.monotonic(), time.process_time()
    await rag.ainsert(
        [file.read_text(encoding="utf-8") for file in files],
        file_paths=[file.name for file in files],
    )
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    counts = await rag.get_processing_status()
    await rag.finalize_storages()
    graph = networkx.read_graphml(work / "graph_chunk_entity_relation.graphml")
    chunks = json.loads((work / "kv_store_text_chunks.json").read_text(encoding="utf-8"))
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "graph": {
            "documents": counts.get("processed", 0),
            "text_units": len(chunks),
            "entities": graph.number_of_nodes(),
            "relationships": graph.number_of_edges(),
            "reports": 0,
        },
    }


if __name__ == "__main__":
    _folder, _work, _base_url, _places, _dimensions = sys.argv[1:]
    _result = asyncio.run(
        _index(Path(_folder), Path(_work), _base_url, int(_places), int(_dimensions))
    )
    print(json.dumps(_result))
