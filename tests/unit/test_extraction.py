import gzip
import json
import os
import re
import time
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmill.extraction import extract
from graphmill.extraction.characters import mask
from graphmill.extraction.fast import MAX_ENTITIES_PER_SENTENCE, MAX_ENTITIES_PER_TEXT_UNIT
from graphmill.extraction.sentences import MAX_SENTENCE
from graphmill.models import Extraction

CORPUS = Path(__file__).parents[3] / "shared/corpora/musique100"


def pairs(found: Extraction) -> set[tuple[str, str]]:
    return {
        (found.titles[source], found.titles[target])
        for source, target in zip(found.sources, found.targets, strict=True)
    }


def types(text: str) -> dict[str, str]:
    found = extract(text)
    return dict(zip(found.titles, found.types, strict=True))


def counts(text: str) -> dict[str, int]:
    found = extract(text)
    return dict(zip(found.titles, found.counts, strict=True))


def test_names_in_one_sentence_are_related_and_others_are_not() -> None:
    text = "Carl Rogers taught at the University of Chicago. Anna Freud lived in Vienna."
    found = extract(text)
    assert found.titles == ("ANNA FREUD", "CARL ROGERS", "UNIVERSITY OF CHICAGO", "VIENNA")
    assert pairs(found) == {("ANNA FREUD", "VIENNA"), ("CARL ROGERS", "UNIVERSITY OF CHICAGO")}
    sentences = [text[a:b] for a, b in zip(found.sentence_starts, found.sentence_ends, strict=True)]
    assert sentences == [
        "Carl Rogers taught at the University of Chicago.",
        "Anna Freud lived in Vienna.",
    ]
    assert found.entity_sentences == (1, 0, 0, 1)


def test_weights_and_counts_are_sentences() -> None:
    text = (
        "We met Bob Dylan and Joan Baez. Then Bob Dylan, Bob Dylan and Joan Baez sang."
        " Joan Baez left."
    )
    found = extract(text)
    assert counts(text) == {"BOB DYLAN": 2, "JOAN BAEZ": 3}
    assert found.weights == (2,)
    assert found.relationship_sentences == (0,)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("He met J. R. R. Tolkien there.", "J. R. R. TOLKIEN"),
        ("Later on we saw that Ludwig van Beethoven came.", "LUDWIG VAN BEETHOVEN"),
        ("It was Apollo 11 that landed.", "APOLLO 11"),
        ("We saw Robert O\u2019Neill\u2019s house.", "ROBERT O'NEILL"),
        ("It was the Bank of the West again.", "BANK OF THE WEST"),
        ("She led the 2010 FIFA World Cup team.", "2010 FIFA WORLD CUP"),
        (
            "She joined the International Council for Small Business.",
            "INTERNATIONAL COUNCIL FOR SMALL BUSINESS",
        ),
        ("He flew to St. Louis on Monday.", "ST. LOUIS"),
        ("They sued AT&T at once.", "AT&T"),
        ("He lives in the U.S. now.", "US"),
        ("They read **Acme** [Corp](https://x.org/Not-This) mail.", "ACME CORP"),
        ("A name of New\nYork City broken by a line.", "NEW YORK CITY"),
        ("The Hollywood Reporter wrote it.", "HOLLYWOOD REPORTER"),
        ("In Search of a Song is a 1971 album.", "IN SEARCH OF A SONG"),
    ],
)  # fmt: skip
def test_name_is_found_whole(text: str, title: str) -> None:
    assert title in extract(text).titles


@pytest.mark.parametrize(
    "text",
    [
        "However, it rained. They left on Monday. In January 2020 nothing was said. He did.",
        "Located far away. Walking is good. Slowly it went.",
        "The quick brown fox jumped over the lazy dog.",
        "See https://Example.com/Some/Path or write to John.Doe@Example.com.",
    ],
)
def test_capitals_without_names_give_nothing(text: str) -> None:
    assert extract(text).titles == ()


def test_word_at_a_sentence_start_needs_evidence() -> None:
    assert "GREENHOUSES" not in extract("Greenhouses convert light into heat.").titles
    assert counts("We visited Liverpool. Liverpool suffered most.") == {"LIVERPOOL": 2}
    assert extract("Harvest came. The harvest was good.").titles == ()


def test_recurring_noun_phrases_are_found_in_lower_case() -> None:
    text = "The nuclear reactor was shut down. Engineers repaired the nuclear reactor."
    assert counts(text) == {"NUCLEAR REACTOR": 2}


def test_each_row_of_a_table_is_a_sentence_of_its_own() -> None:
    text = (
        "| Company | Seat |\n|---|---|\n| Initech GmbH | Bad Homburg |\n"
        "| Umbrella Inc. | Raccoon City |"
    )
    assert pairs(extract(text)) == {
        ("BAD HOMBURG", "INITECH GMBH"),
        ("RACCOON CITY", "UMBRELLA INC"),
    }


def test_types_follow_their_cues() -> None:
    assert types("He left Initech GmbH in Munich.") == {
        "INITECH GMBH": "organization",
        "MUNICH": "geo",
    }
    assert types("Then Dr. Jane Smith spoke of the Battle of Hastings.") == {
        "JANE SMITH": "person",
        "BATTLE OF HASTINGS": "event",
    }
    assert types("We asked Zork Blarg.") == {"ZORK BLARG": ""}


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("German", "Die Deutsche Bank AG hat ihren Hauptsitz in Frankfurt am Main, z.B. dort.",
         {"DEUTSCHE BANK AG", "FRANKFURT AM MAIN"}),
        ("French", "L'Université de Paris est grande. Le président Emmanuel Macron y est allé.",
         {"UNIVERSITÉ DE PARIS", "EMMANUEL MACRON"}),
        ("Spanish", "El cambio climático afecta a México. El cambio climático es un problema.",
         {"CAMBIO CLIMÁTICO", "MÉXICO"}),
        ("Russian", "Александр Сергеевич Пушкин родился здесь. Это написал А. С. Пушкин.",
         {"АЛЕКСАНДР СЕРГЕЕВИЧ ПУШКИН", "А. С. ПУШКИН"}),
        ("Chinese", "北京大学和清华大学都很好。人工智能发展很快,人工智能改变世界。",
         {"北京大学", "清华大学", "人工智能"}),
        ("Japanese", "トヨタ自動車株式会社は有名だ。人工知能は重要である。人工知能を学ぶ。",
         {"トヨタ自動車株式会社", "人工知能"}),
        ("Korean", "삼성전자는 회사이다. 삼성전자의 본사는 멀다. 서울대학교는 크다.",
         {"삼성전자", "서울대학교"}),
        ("Arabic", "قال عبد الفتاح السيسي إن مصر تتقدم. عبد الفتاح السيسي رئيس مصر.",
         {"عبد الفتاح السيسي", "مصر"}),
        ("Hindi", "नरेंद्र मोदी ने दिल्ली में भाषण दिया। नरेंद्र मोदी भारत के प्रधानमंत्री हैं।",
         {"नरेंद्र मोदी"}),
        ("Hebrew", "בנק ישראל נמצא בירושלים. בנק ישראל קבע את הריבית.", {"בנק ישראל"}),
        ("Thai", "มหาวิทยาลัยจุฬาลงกรณ์ ตั้งอยู่ใน ไทย. มหาวิทยาลัยจุฬาลงกรณ์ ใหญ่.", {"มหาวิทยาลัยจุฬาลงกรณ์"}),
    ],
)  # fmt: skip
def test_languages_give_their_names(language: str, text: str, expected: set[str]) -> None:
    assert expected <= set(extract(text).titles), language


def test_stopwords_of_other_languages_are_no_entities() -> None:
    text = "Das ist so. Aber nicht immer. Und dann kam sie. Die Frau sah ihn. Wir gingen."
    assert extract(text).titles == ()


def test_a_row_of_300_names_gives_bounded_pairs() -> None:
    names = [f"Name{chr(97 + i // 26)}{chr(97 + i % 26)} Family" for i in range(300)]
    found = extract("| " + " | ".join(names) + " |")
    assert len(found.titles) == MAX_ENTITIES_PER_TEXT_UNIT
    sentences = 300 * 15 // (MAX_SENTENCE // 2) + 1
    assert 0 < len(found.sources) <= sentences * MAX_ENTITIES_PER_SENTENCE**2 // 2


def test_a_sentence_without_end_is_cut_around_its_mentions() -> None:
    found = extract(
        "and so it went on " * 100 + "with Carl Rogers of course " + "and on and on " * 100
    )
    assert found.titles == ("CARL ROGERS",)
    assert found.sentence_ends[0] - found.sentence_starts[0] <= MAX_SENTENCE


def normal(text: str) -> str:
    """As titles are written, without the full stops of U.S."""
    upper = unicodedata.normalize("NFC", unicodedata.normalize("NFC", mask(text)).upper())
    upper = upper.replace("\u02bc", "'")
    return re.sub(r"[\s.]+", "", upper)


def check(text: str) -> None:
    found = extract(text)
    n_entities, n_pairs = len(found.titles), len(found.sources)
    n_sentences = len(found.sentence_starts)
    assert len(found.types) == len(found.counts) == len(found.entity_sentences) == n_entities
    assert len(found.targets) == len(found.weights) == len(found.relationship_sentences) == n_pairs
    assert n_entities <= MAX_ENTITIES_PER_TEXT_UNIT
    assert list(found.titles) == sorted(set(found.titles))
    assert set(found.types) <= {"", "organization", "person", "geo", "event"}
    columns = list(zip(found.sources, found.targets, strict=True))
    assert all(0 <= source < target < n_entities for source, target in columns)
    assert columns == sorted(set(columns))
    assert all(count >= 1 for count in (*found.counts, *found.weights))
    used = {*found.entity_sentences, *found.relationship_sentences}
    assert used == set(range(n_sentences))
    spans = list(zip(found.sentence_starts, found.sentence_ends, strict=True))
    assert all(
        0 <= start < end <= len(text) and end - start <= MAX_SENTENCE for start, end in spans
    )
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    for title, sentence in zip(found.titles, found.entity_sentences, strict=True):
        assert 1 <= len(title) <= 200
        assert title == unicodedata.normalize("NFC", title) == title.strip()
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in title)
        assert not set("\u2018\u2019\u201c\u201d\u001f|*`") & set(title)
        start, end = spans[sentence]
        assert normal(title) in normal(text[start:end])
    for source, target, sentence in zip(
        found.sources, found.targets, found.relationship_sentences, strict=True
    ):
        start, end = spans[sentence]
        assert normal(found.titles[source]) in normal(text[start:end])
        assert normal(found.titles[target]) in normal(text[start:end])
    assert found == extract(text)


WORDS = (
    "Acme Corp. Inc of the The and for University Dr. J. R. Tolkien O'Neill Paris's US U.S. AT&T"
    " 11 2010 harvest nuclear reactor jumped | # - > * ** ` [ ]( http://x.org/Y <b> &amp; \n \n\n"
    " \t . , ; : ! ? ( ) \" ' \u2019 \u201c İstanbul ß ŉ ǰ Straße 北京大学 公司 的 人工智能"
    " 。 トヨタ は 삼성전자는 Москва А. जय भारत । مصر ไทย"
    " e\u0301 \u00ad \u200d \x00 \x1f \x85 AAAA ΐ ﬁ ǅ"
).split(" ")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=60), st.sampled_from(["", " "]))
def test_any_mixture_of_words_and_markup_keeps_the_contract(parts: list[str], glue: str) -> None:
    check(glue.join(parts))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_keeps_the_contract(text: str) -> None:
    check(text)


HOSTILE = [
    "A", "A. ", "a", " ", "\n", "THE BIG ACME ", "Acme Corp ", "[", "[a](", "<a ", "http://", "a@",
    "&a", "| A ", "A-", "! ", "A of the ", "University of A and ", "A's ", "汉字", "カ・", "汉·",
    "《", "한국", "भारत ", "مصر ", "a\u0301", "**a", "# A\n", '"A" ', "In 1 ", ". \n", "(",
]  # fmt: skip


@pytest.mark.parametrize("seed", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_takes_linear_time(seed: str) -> None:
    def seconds(characters: int) -> float:
        text = (seed * characters)[:characters]
        begin = time.process_time()
        found = extract(text)
        assert len(found.titles) <= MAX_ENTITIES_PER_TEXT_UNIT
        return time.process_time() - begin

    seconds(1000)
    # Quadratic would be 16; a fixed part keeps tiny times from deciding.
    assert seconds(100_000) < 8 * (seconds(25_000) + 0.05)


def passages() -> list[dict[str, str]]:
    path = CORPUS / "corpus.jsonl.gz"
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing")
        pytest.skip("the shared corpora are not here")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_most_names_that_a_model_found_in_real_passages_are_found() -> None:
    documents = passages()
    with gzip.open(CORPUS / "openie.jsonl.gz", "rt", encoding="utf-8") as lines:
        by_model = {row["id"]: row["entities"] for row in map(json.loads, lines)}
    named = met = titles = 0
    for document in documents:
        found = {
            re.sub(r"^THE ", "", title).replace(".", "")
            for title in extract(document["text"]).titles
        }
        titles += len(found)
        for entity in by_model[document["id"]]:
            words = entity.split()
            if sum(word[0].isupper() for word in words) >= 2 and entity in document["text"]:
                named += 1
                met += re.sub(r"^THE |\.", "", entity.upper()) in found
    assert named > 4000
    assert met / named > 0.80
    assert titles / len(documents) < 12


def test_real_passages_keep_the_contract() -> None:
    for document in passages()[::25]:
        check(document["text"])
