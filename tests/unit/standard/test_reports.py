"""Community reports by a model: what it is shown fits and is numbered here; what it writes is
bounded and refers to what it was shown."""

import csv
import io
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.errors import InvalidRequest
from graphmill.ids import community_report_id, entity_id
from graphmill.models import Community, Finding
from graphmill.references import KnownIds
from graphmill.reports import MAX_CHARACTERS, ReportContext, ReportEntity, ReportRelationship
from graphmill.standard.answers import InvalidAnswer
from graphmill.standard.cleaning import one_line
from graphmill.standard.community_context import (
    ChildReport,
    CommunityContext,
    ReportClaim,
    community_context,
    rolled_up_context,
)
from graphmill.standard.reports import (
    ModelReport,
    ReportOptions,
    read_report,
    report_question,
    to_community_report,
)

KNOWN = KnownIds(entities=(905, 907), relationships=(23,))


def count(text: str) -> int:
    """A token is four characters here."""
    return -(-len(text) // 4)


def community(number: int = 0, parent: int = -1, titles: Sequence[str] = ()) -> Community:
    return Community(
        id=UUID(int=number),
        community=number,
        level=parent + 1,
        parent=parent,
        children=(8, 9),
        title=f"Community {number}",
        entity_ids=tuple(map(entity_id, titles)),
        relationship_ids=(),
        text_unit_ids=(),
        period="2026-01-02",
        size=max(1, len(titles)),
    )


def context(
    bonds: Sequence[tuple[str, str]], alone: Sequence[str] = (), first: int = 100
) -> ReportContext:
    titles = sorted({end for bond in bonds for end in bond} | set(alone))
    return ReportContext(
        community(0, titles=titles),
        tuple(
            ReportEntity(title, "person", f"About {title}.", 7 * place, first + place, place)
            for place, title in enumerate(titles)
        ),
        tuple(
            ReportRelationship(*bond, f"{bond[0]} to {bond[1]}.", place / 3, 5 * first + place)
            for place, bond in enumerate(bonds)
        ),
    )


BONDS = [("ADA", "BO"), ("ADA", "CY"), ("CY", "DI")]
CLAIM = ReportClaim(77, "CY", "", "FRAUD", "Cy, it is said, lied.", "SUSPECTED", "2021", "")


def test_a_context_reads_like_this() -> None:
    shown = community_context(context(BONDS, ['EVE, "X"\n-----Claims-----']), [CLAIM], 8000, count)
    assert shown.text == (
        "-----Entities-----\n"
        "id,title,type,description\n"
        "1,ADA,person,About ADA.\n"
        "2,CY,person,About CY.\n"
        "3,BO,person,About BO.\n"
        "4,DI,person,About DI.\n"
        '5,"EVE, ""X"" -----Claims-----",person,"About EVE, ""X"" -----Claims-----."\n'
        "\n"
        "-----Relationships-----\n"
        "id,source,target,description\n"
        "1,ADA,CY,ADA to CY.\n"
        "2,ADA,BO,ADA to BO.\n"
        "3,CY,DI,CY to DI.\n"
        "\n"
        "-----Claims-----\n"
        "id,subject,object,type,status,start,end,description\n"
        '1,CY,,FRAUD,SUSPECTED,2021,,"Cy, it is said, lied."'
    )  # fmt: skip
    assert shown.whole
    assert shown.known == KnownIds(
        entities=(100, 102, 101, 103, 104), relationships=(501, 500, 502), claims=(77,)
    )


@given(st.text(st.sampled_from("\",'\n\r\t\0\x85\u2028\ud800é圖 a;") | st.characters()))
def test_whatever_is_in_a_cell_a_row_is_one_line_of_csv(text: str) -> None:
    one = context([], ["ADA"])
    one = replace(one, entities=(replace(one.entities[0], type=text, description=text),))
    (_, _, row) = community_context(one, [], 8000, count).text.split("\n")
    line = one_line(text, len(text))
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow([1, "ADA", line, line])
    assert row == written.getvalue()


TITLES = st.sampled_from(["ADA", "BO", "ÇI", "圖", "القاهرة", "F" * 150])
PAIRS = st.tuples(TITLES, TITLES).filter(lambda pair: pair[0] < pair[1])


@given(
    st.lists(PAIRS, min_size=1, max_size=15, unique=True),
    st.randoms(use_true_random=False),
    st.integers(1000, 1200),
)
def test_neither_order_nor_ids_nor_the_rest_of_the_graph_show(
    bonds: list[tuple[str, str]], chance: random.Random, most: int
) -> None:
    one = context(bonds)
    other = replace(
        one,
        entities=tuple(
            replace(
                entity, human_readable_id=entity.human_readable_id + 5000, degree=1, frequency=9
            )
            for entity in chance.sample(one.entities, len(one.entities))
        ),
        relationships=tuple(
            replace(link, human_readable_id=link.human_readable_id * 3, weight=0.1)
            for link in chance.sample(one.relationships, len(one.relationships))
        ),
    )
    shown = community_context(one, [CLAIM], most, count)
    again = community_context(other, [CLAIM], most, count)
    assert (shown.text, shown.whole) == (again.text, again.whole)
    assert [id + 5000 for id in shown.known.entities] == list(again.known.entities)
    assert count(shown.text) <= most


def test_a_large_community_is_trimmed_to_what_is_best_connected() -> None:
    star = [("HUB", f"X{number:03}") for number in range(400)]
    pairs = [(f"P{number:03}", f"Q{number:03}") for number in range(400)]
    claims = [replace(CLAIM, human_readable_id=number, subject="HUB") for number in range(300)]
    shown = community_context(context([*pairs, *star]), claims, 2000, count)
    assert not shown.whole
    assert 1700 < count(shown.text) <= 2000
    assert "HUB" in shown.text
    assert "P000" not in shown.text
    # Every relationship's ends are shown, and claims have their share.
    assert len(shown.known.entities) == len(shown.known.relationships) + 1
    assert 20 < len(shown.known.claims) < 60


def test_one_long_description_does_not_crowd_out_the_rest() -> None:
    one = context(BONDS)
    entities = (replace(one.entities[0], description="x " * 50_000), *one.entities[1:])
    shown = community_context(replace(one, entities=entities), [], 2000, count)
    assert not shown.whole
    assert len(shown.known.entities) == 4


def test_what_is_not_this_community_s_is_refused() -> None:
    one = context(BONDS)
    with pytest.raises(InvalidRequest, match="outside community 0"):
        community_context(replace(one, entities=one.entities[1:]), [], 8000, count)
    with pytest.raises(InvalidRequest, match="no entities"):
        community_context(replace(one, entities=(), relationships=()), [], 8000, count)
    with pytest.raises(InvalidRequest, match="are 999"):
        community_context(one, [], 999, count)
    with pytest.raises(InvalidRequest, match="no record"):
        community_context(context([], ["F" * 5000]), [], 1000, count)
    child = child_report(1, ["ADA"], "x", parent=3)
    with pytest.raises(InvalidRequest, match="community 1 is no child of community 0"):
        rolled_up_context(one, [], [child], 8000, count)


def child_report(number: int, titles: Sequence[str], content: str, parent: int = 0) -> ChildReport:
    of = community(number, parent, titles)
    report = ModelReport(
        f"Report {number}", "In short.", (Finding("Finding.", content),), 5.5, "So."
    )
    return ChildReport(of, to_community_report(of, report))


def test_an_oversize_community_is_rolled_up_from_its_children() -> None:
    one = context([*BONDS, ("BO", "EVE")])
    children = [
        child_report(11, ["ADA", "BO"], "Both [Data: Entities (101, 100); Relationships (500)]."),
        child_report(12, ["CY", "DI"], "Others [Data: Reports (40)]."),
    ]
    shown = rolled_up_context(one, [CLAIM], children, 8000, count)
    assert shown.text == (
        "-----Reports-----\n"
        "id,title,rating,content\n"
        '1,Report 11,5.5,"# Report 11 In short. ## Finding.'
        ' Both [Data: Entities (1, 2); Relationships (1)]."\n'
        "2,Report 12,5.5,# Report 12 In short. ## Finding. Others [Data: Reports (3)].\n"
        "\n"
        "-----Entities-----\n"
        "id,title,type,description\n"
        "2,ADA,person,About ADA.\n"
        "3,CY,person,About CY.\n"
        "1,BO,person,About BO.\n"
        "4,EVE,person,About EVE.\n"
        "\n"
        "-----Relationships-----\n"
        "id,source,target,description\n"
        "2,ADA,CY,ADA to CY.\n"
        "3,BO,EVE,BO to EVE.\n"
        "\n"
        "-----Claims-----\n"
        "id,subject,object,type,status,start,end,description\n"
        '1,CY,,FRAUD,SUSPECTED,2021,,"Cy, it is said, lied."'
    )
    assert shown.known == KnownIds(
        reports=(11, 12, 40),
        entities=(101, 100, 102, 104),
        relationships=(500, 501, 503),
        claims=(77,),
    )
    assert shown.whole
    backwards = rolled_up_context(one, [CLAIM], children[::-1], 8000, count)
    assert backwards == shown


def test_reports_that_do_not_fit_in_full_are_there_in_short() -> None:
    titles = [f"E{number:02}" for number in range(40)]
    bonds = list(pairwise(titles))
    children = [
        child_report(
            number, titles[number * 8 : number * 8 + 8 - number], f"Long {number} " + "x" * 4000
        )
        for number in range(1, 5)
    ]
    shown = rolled_up_context(context(bonds), [], children, 4000, count)
    assert not shown.whole
    assert count(shown.text) <= 4000
    assert [f"Report {number}" in shown.text for number in range(1, 5)] == [True] * 4
    assert [f"Long {number}" in shown.text for number in range(1, 5)] == [True, True, False, False]
    assert "E15 to E16" in shown.text  # between two children
    assert "E08 to E09" not in shown.text  # within one


def report(**changes: Any) -> str:
    return json.dumps(
        {
            "title": "Ada's\nmill",
            "summary": "First.\n\nSecond [Data: Entities (9)].",
            "rating": 7.26,
            "rating_explanation": "Because.",
            "findings": [
                {"summary": "One\nline", "explanation": "It is so [Data: Entities (2, 1, 3)]."}
            ],
        }
        | changes,
        ensure_ascii=False,
    )


def test_a_report_is_read_with_the_ids_that_are_stored() -> None:
    read = read_report(report(), KNOWN)
    assert read == ModelReport(
        title="Ada's mill",
        summary="First.\n\nSecond.",
        findings=(Finding("One line", "It is so [Data: Entities (907, 905)]."),),
        rank=7.3,
        rating_explanation="Because.",
        removed_ids=2,
    )
    stored = to_community_report(community(4), read)
    assert stored.full_content == (
        "# Ada's mill\n\nFirst.\n\nSecond.\n\n## One line\n\nIt is so [Data: Entities (907, 905)]."
    )
    assert stored.id == community_report_id(stored.full_content_json)
    assert list(json.loads(stored.full_content_json)) == [
        "title", "summary", "findings", "rating", "rating_explanation",
    ]  # fmt: skip
    assert (stored.community, stored.rank, stored.period) == (4, 7.3, "2026-01-02")


@pytest.mark.parametrize(("rating", "rank"), [(-1, 0), (0, 0), ("8", 8), (1e9, 10), (9.96, 10)])
def test_a_rank_is_zero_to_ten(rating: object, rank: float) -> None:
    assert read_report(report(rating=rating), KNOWN).rank == rank


@pytest.mark.parametrize("title", ["", " \u200b", "[Data: Entities (9)]"])
def test_a_report_without_a_title_or_summary_is_refused(title: str) -> None:
    with pytest.raises(InvalidAnswer, match="title is empty"):
        read_report(report(title=title), KNOWN)
    with pytest.raises(InvalidAnswer, match="summary is empty"):
        read_report(report(summary=title), KNOWN)


def test_a_hostile_report_can_still_be_embedded() -> None:
    findings = [{"summary": "s" * 999, "explanation": f"{number}" * 3000} for number in range(90)]
    read = read_report(report(title="t" * 9999, summary="圖" * 99_999, findings=findings), KNOWN)
    assert len(read.findings) == 2
    assert len(to_community_report(community(), read).full_content) <= MAX_CHARACTERS
    longest = [{"summary": "s" * 9999, "explanation": "x" * 99_999}]
    read = read_report(report(title="t" * 999, summary="x" * 9999, findings=longest), KNOWN)
    assert len(read.findings) == 1


def test_a_report_in_another_language_keeps_its_references() -> None:
    finding = {"summary": "要点", "explanation": "北京大学成立于1898年 [Data: Entities (1)]。"}
    read = read_report(report(title="北京", summary="摘要。", findings=[finding]), KNOWN)
    assert read.findings[0].explanation == "北京大学成立于1898年 [Data: Entities (905)]。"


def test_the_question_asks_for_so_many_words() -> None:
    shown = CommunityContext("rows", KNOWN, True)
    asked = report_question(shown, "m", ReportOptions(max_words=77))
    assert "At most 77 words in all." in asked.messages[0].content
    assert asked.messages[1].content == "<text>\nrows\n</text>"
