"""What the finders found in one text unit, bounded and brought into columns."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import combinations

from graphmill.extraction.characters import WORD, mask
from graphmill.extraction.entity_types import UNKNOWN, type_by_words
from graphmill.extraction.ideographs import find_terms, has_cjk
from graphmill.extraction.languages import detect_language
from graphmill.extraction.phrases import find_phrases
from graphmill.extraction.proper_names import find_names
from graphmill.extraction.sentences import sentences
from graphmill.models import Extraction

# Part of what stored extractions were made by: raise it whenever any output can differ.
EXTRACTOR_VERSION = "fast-1"

# The strongest, by sentences and then title, are kept.
MAX_ENTITIES_PER_TEXT_UNIT = 200
# At most 12 * 11 / 2 = 66 pairs; a table row of 300 names would else give 45,000.
MAX_ENTITIES_PER_SENTENCE = 12

_WORDS = re.compile(rf"[{WORD}]+(?:['-][{WORD}]+)*")


def extract(text: str) -> Extraction:
    """Entities and relationships of one text unit: deterministic, in linear time, never raises."""
    masked = mask(text)
    spans = sentences(text, masked)
    words = Counter(_WORDS.findall(masked))
    language = detect_language(words)
    mentioned: dict[str, set[int]] = {}
    cues: dict[str, Counter[str]] = {}
    for mention in find_names(masked, spans, words, language):
        mentioned.setdefault(mention.title, set()).add(mention.sentence)
        if mention.type:
            cues.setdefault(mention.title, Counter())[mention.type] += 1
    for title, sentence in find_phrases(masked, spans, language):
        mentioned.setdefault(title, set()).add(sentence)
    if has_cjk(masked):
        for title, sentence in find_terms(masked, spans):
            mentioned.setdefault(title, set()).add(sentence)
    mentioned.pop("", None)
    strongest = sorted(mentioned, key=lambda title: (-len(mentioned[title]), title))
    kept = strongest[:MAX_ENTITIES_PER_TEXT_UNIT]
    pairs = _pairs(kept, mentioned)
    return _in_columns({title: mentioned[title] for title in sorted(kept)}, cues, pairs, spans)


def _pairs(
    strongest: list[str], mentioned: Mapping[str, set[int]]
) -> dict[tuple[str, str], list[int]]:
    """Sentences, ascending, of each pair that shares one; source < target."""
    titles_in: dict[int, list[str]] = {}
    for title in strongest:  # so that each sentence has its strongest first
        for sentence in mentioned[title]:
            titles = titles_in.setdefault(sentence, [])
            if len(titles) < MAX_ENTITIES_PER_SENTENCE:
                titles.append(title)
    pairs: dict[tuple[str, str], list[int]] = {}
    for sentence in sorted(titles_in):
        for pair in combinations(sorted(titles_in[sentence]), 2):
            pairs.setdefault(pair, []).append(sentence)
    return pairs


def _in_columns(
    entities: Mapping[str, set[int]],
    cues: Mapping[str, Mapping[str, int]],
    pairs: Mapping[tuple[str, str], list[int]],
    spans: list[tuple[int, int]],
) -> Extraction:
    first_of = {title: min(sentences) for title, sentences in entities.items()}
    used = sorted({*first_of.values(), *(sentences[0] for sentences in pairs.values())})
    sentence_index = {sentence: index for index, sentence in enumerate(used)}
    entity_index = {title: index for index, title in enumerate(entities)}
    ordered = sorted(pairs)
    return Extraction(
        titles=tuple(entities),
        types=tuple(_type(title, cues.get(title, {})) for title in entities),
        counts=tuple(map(len, entities.values())),
        entity_sentences=tuple(sentence_index[first] for first in first_of.values()),
        sources=tuple(entity_index[source] for source, _ in ordered),
        targets=tuple(entity_index[target] for _, target in ordered),
        weights=tuple(len(pairs[pair]) for pair in ordered),
        relationship_sentences=tuple(sentence_index[pairs[pair][0]] for pair in ordered),
        sentence_starts=tuple(spans[sentence][0] for sentence in used),
        sentence_ends=tuple(spans[sentence][1] for sentence in used),
    )


def _type(title: str, cues: Mapping[str, int]) -> str:
    """The words of a name tell more than what stands before it."""
    by_words = type_by_words(title)
    if by_words != UNKNOWN or not cues:
        return by_words
    return min(cues, key=lambda kind: (-cues[kind], kind))
