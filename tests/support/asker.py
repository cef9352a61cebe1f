"""`python -m tests.support.asker TENANT COLLECTION COUNT START`: a worker that only asks.

Asks COUNT questions at once, START the number of the first, through what `graphmill worker llm`
asks with: endpoints and database are those of the environment and of graphmill.toml. Says "asking"
when it begins, and a JSON object at the end: how many were answered anew, and how many were known.
"""

import asyncio
import json
import sys
from collections import Counter
from uuid import UUID

from graphmill.llm.caller import ModelCaller
from graphmill.llm.calls import Message, Payer, Question, Schema
from graphmill.llm.pool import Retried
from graphmill.model_endpoints import open_model_caller
from graphmill.models import CollectionKey
from graphmill.settings import load_settings
from graphmill.stores.postgres.database import open_pool

# All askers are of one run.
RUN = UUID(int=1)
SCHEMA = Schema(
    "summarize_description",
    {
        "type": "object",
        "properties": {"description": {"type": "string"}},
        "required": ["description"],
        "additionalProperties": False,
    },
)


async def ask(caller: ModelCaller, key: CollectionKey, number: int) -> bool:
    """Whether the answer was known."""
    said = Message("user", f"describe number {number}")
    question = Question("test.v1", "a-model", (said,), SCHEMA, max_tokens=40)
    _, told = await caller.ask(Payer(key, RUN, "summaries"), question, _read)
    return told.cached


def _read(text: str) -> str:
    return str(json.loads(text)["description"])


async def main(tenant: str, collection: str, count: int, start: int) -> None:
    settings = load_settings()
    assert settings.database_url is not None
    retried: list[Retried] = []
    pool = await open_pool(settings.database_url, settings.database_connections)
    async with open_model_caller(pool, settings, retried.append) as caller:
        print("asking", flush=True)
        key = CollectionKey(tenant, collection)
        known = Counter(
            await asyncio.gather(*(ask(caller, key, start + number) for number in range(count)))
        )
    await pool.close()
    found = {"answered": known[False], "known": known[True], "retried": len(retried)}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
