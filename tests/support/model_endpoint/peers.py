"""Prompts of other systems that `make bench PEERS=1` runs, known by how they begin."""

# LightRAG 1.5 and GraphRAG 3 as they come: a prompt of one's own is not known.
_BEGINNINGS = {
    "lightrag_extract": (
        "---Role---\nYou are a Knowledge Graph Specialist responsible for extracting"
        " entities and relationships from the `---Input Text---` section"
    ),
    "lightrag_summary": (
        "---Role---\nYou are a Knowledge Graph Specialist, proficient in data curation"
    ),
    "graphrag_extract": (
        "-Goal-\nGiven a text document that is potentially relevant to this activity and a list"
        " of entity types"
    ),
    "graphrag_summary": (
        "You are a helpful assistant responsible for generating a comprehensive summary of the"
        " data provided below."
    ),
    "graphrag_report": (
        "You are an AI assistant that helps a human analyst to perform general information"
        " discovery."
    ),
}
_LONGEST = max(map(len, _BEGINNINGS.values()))


def peer_step(first_message: str) -> str | None:
    """What a peer asks for; None: no peer asks."""
    beginning = first_message[: _LONGEST + 10].lstrip()
    for step, words in _BEGINNINGS.items():
        if beginning.startswith(words):
            return step
    return None
