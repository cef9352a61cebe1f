"""Method fast: entities and relationships of a text unit, found without a model.

Entities are names and noun phrases found by regular expressions; two that share a sentence are
related. Why so, and how well it does: docs/decisions/fast-extraction.md.
"""

from graphmill.extraction.fast import EXTRACTOR_VERSION, extract

__all__ = ["EXTRACTOR_VERSION", "extract"]
