"""What bodies and answers look like, for the OpenAPI document: one collection of papers, from its
first upload to an answer.

No null stands in them: FastAPI takes those out of the document.
"""

from typing import Any, Final

from pydantic import ConfigDict

from graphmill.missing import no_collection
from graphmill.models import CollectionKey

Json = dict[str, Any]


def like(*examples: Json) -> ConfigDict:
    """Of a model that looks like these."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


_COLLECTION: Final = "papers"
_WORKFLOW: Final = f"index/default/{_COLLECTION}"
RUN_ID: Final = "7f8c1a52-3c1e-4a52-9d0c-5b5e2f6a1c11"
# As graphmill makes them of the names "letters/1843-07-10.md" and "babbage.pdf".
LETTER_ID: Final = "c028b596-e6f3-ce7e-4488-a90586e7b815"
PAPER_ID: Final = "13250b09-3d22-9e4c-8864-2fd73234901a"
_TEXT_UNIT: Final = "3b1f0f5e-98a4-5d0e-a0c7-0a6c3a0f7f10"
_LETTER_VERSION: Final = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
_GRAPH: Final = "42"

_NO_GAPS: Json = {"missing": 0, "cut": 0, "reasons": []}
_NO_MODEL_GAPS: Json = {"missing": 0, "reports": 0, "summaries": 0, "reasons": []}
_NOTHING_PAID: Json = {
    "calls": 0,
    "cached": 0,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "usd": 0.0,
}

NEW_COLLECTION: Json = {"name": _COLLECTION}
INDEX: Json = {"method": "standard", "priority": 3, "budget_usd": 5.0}
INDEX_FAST: Json = {"method": "fast"}
RETRY: Json = {"budget_usd": 1.0}
DOCUMENT_IDS: Json = {"documents": [LETTER_ID, PAPER_ID]}
QUESTION: Json = {"question": "Who wrote of the Analytical Engine first?", "mode": "local"}

COLLECTION: Json = {
    "name": _COLLECTION,
    "created_at": "2026-11-30T09:00:00+00:00",
    "documents": {
        "total": 2,
        "uploaded": 0,
        "pending": 0,
        "done": 2,
        "partial": 0,
        "failed": 0,
        "skipped": 0,
    },
    "text_units": 14,
    "entities": 31,
    "relationships": 58,
    "communities": 5,
    "embeddings": _NO_GAPS,
    "model_gaps": _NO_MODEL_GAPS,
}
COLLECTIONS: Json = {"collections": [COLLECTION], "next": _COLLECTION}
_LETTER: Json = {
    "id": LETTER_ID,
    "name": "letters/1843-07-10.md",
    "version": _LETTER_VERSION,
    "size": 2391,
    "creation_date": "1843-07-10T00:00:00+00:00",
    "state": "done",
    "reason": "",
    "format": "md",
    "title": "To Charles Babbage",
    "pages": 1,
    "text_units": 2,
}
DOCUMENTS: Json = {"documents": [_LETTER], "next": "letters/1843-07-10.md"}
DOCUMENT: Json = _LETTER | {
    "model": {"calls": 4, "prompt_tokens": 9120, "completion_tokens": 1711, "usd": 0.0034}
}
UPLOADED: Json = {
    "new": 1,
    "changed": 0,
    "unchanged": 0,
    "documents": [{"id": LETTER_ID, "name": "letters/1843-07-10.md", "version": _LETTER_VERSION}],
}
LIMITS: Json = {
    "document_bytes": 500_000_000,
    "upload_bytes": 2_000_000_000,
    "upload_files": 10_000,
}
UPLOAD: Json = {
    "creation_date": "1843-07-10T00:00:00Z",
    "name": "letters/1843-07-10.md",
    "files": ["# To Charles Babbage\n\nI want to put in something about Bernoulli's Numbers."],
}

RUN_REF: Json = {
    "run_id": RUN_ID,
    "workflow_id": _WORKFLOW,
    "collection": _COLLECTION,
    "joined": False,
}
RETRIED: Json = RUN_REF | {"documents": 1, "texts": 0, "answers": 0}
RUN: Json = {
    "run_id": RUN_ID,
    "workflow_id": _WORKFLOW,
    "collection": _COLLECTION,
    "state": "running",
    "phase": "documents",
    "documents": {"total": 2, "done": 1, "failed": 0, "skipped": 0, "partial": 0},
    "failures": [],
    "text_units": 2,
    "entities": 0,
    "relationships": 0,
    "communities": 0,
    "reports": 0,
    "embeddings": _NO_GAPS,
    "model_gaps": _NO_MODEL_GAPS,
    "projections": [],
    "model": _NOTHING_PAID | {"steps": {}, "models": {}},
    "processed": 1,
    "seconds": 2.4,
    "documents_per_hour": 1500.0,
    "seconds_left": 2.4,
    "reason": "",
    "method": "standard",
    "budget_usd": 5.0,
}

ANSWER: Json = {
    "answer": "Ada Lovelace wrote of it to Charles Babbage [1].",
    "mode": "local",
    "citations": [
        {
            "number": 1,
            "document_id": LETTER_ID,
            "title": "To Charles Babbage",
            "text_unit_id": _TEXT_UNIT,
            "text": "I want to put in something about Bernoulli's Numbers.",
            "page": 1,
        }
    ],
    "entities": [
        {
            "title": "ADA LOVELACE",
            "type": "PERSON",
            "description": "She wrote notes on the Analytical Engine.",
            "score": 0.83,
        }
    ],
    "seconds": 0.04,
}
_ENTITY: Json = {
    "id": "8a6a0c0e-5d7a-5b2c-9a51-f1f0a3a0b001",
    "title": "ADA LOVELACE",
    "type": "PERSON",
    "description": "She wrote notes on the Analytical Engine.",
    "frequency": 6,
    "degree": 9,
    "text_unit_ids": [_TEXT_UNIT],
}
ENTITIES: Json = {"graph": _GRAPH, "entities": [_ENTITY], "next": "ADA LOVELACE"}
NEIGHBOURS: Json = {
    "graph": _GRAPH,
    "neighbours": [
        {
            "relationship_id": "8a6a0c0e-5d7a-5b2c-9a51-f1f0a3a0b003",
            "source": "ADA LOVELACE",
            "target": "CHARLES BABBAGE",
            "description": "She translated a paper about his engine, and wrote notes to it.",
            "weight": 5.0,
            "combined_degree": 17,
            "text_units": 5,
            "text_unit_ids": [_TEXT_UNIT],
            "neighbour": _ENTITY
            | {
                "id": "8a6a0c0e-5d7a-5b2c-9a51-f1f0a3a0b002",
                "title": "CHARLES BABBAGE",
                "description": "He designed the Analytical Engine.",
            },
        }
    ],
    "next": "0",
}
COMMUNITIES: Json = {
    "graph": _GRAPH,
    "communities": [
        {
            "id": "8a6a0c0e-5d7a-5b2c-9a51-f1f0a3a0b004",
            "community": 0,
            "level": 0,
            "parent": -1,
            "children": [3, 4],
            "title": "Ada Lovelace and Charles Babbage",
            "period": "1843-07-10",
            "size": 12,
            "relationships": 20,
            "text_units": 9,
            "entity_ids": [_ENTITY["id"]],
        }
    ],
    "next": "0",
}
REPORTS: Json = {
    "graph": _GRAPH,
    "reports": [
        {
            "id": "8a6a0c0e-5d7a-5b2c-9a51-f1f0a3a0b005",
            "community": 0,
            "level": 0,
            "parent": -1,
            "title": "Ada Lovelace and Charles Babbage",
            "summary": "Two people who wrote to each other about engines that calculate.",
            "full_content": "# Ada Lovelace and Charles Babbage\n\nTwo people who wrote ...",
            "rank": 7.5,
            "rating_explanation": "It is what the collection is about.",
            "findings": [
                {
                    "summary": "Notes on the Analytical Engine",
                    "explanation": "Her notes are longer than the paper that she translated.",
                }
            ],
            "period": "1843-07-10",
            "size": 12,
        }
    ],
    "next": "0",
}
HEALTH: Json = {
    "ok": True,
    "version": "0.1.0",
    "parts": {"database": {"ok": True, "detail": ""}, "temporal": {"ok": True, "detail": ""}},
}
POOLS: Json = {
    "roles": {
        "cpu": {
            "workers": 1,
            "size": 4,
            "active": 3,
            "queued": 12,
            "utilisation": 0.75,
            "running": [
                {
                    "activity": "read_document",
                    "workflow_id": f"{_WORKFLOW}/document/{PAPER_ID}",
                    "worker": "1234@worker-cpu-0",
                    "seconds": 1.9,
                    "attempt": 1,
                }
            ],
        }
    }
}
PROBLEM: Json = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": str(no_collection(CollectionKey("default", _COLLECTION))),
    "request_id": "9f2c1b7a4e5d6f70",
}
