"""extract_claims: claims rest on the text, have dates that are dates, and a status."""

import json
import random
from typing import Any

import pytest

from graphmill.errors import InvalidRequest
from graphmill.standard.answers import InvalidAnswer
from graphmill.standard.claims import (
    MAX_CLAIMS,
    Claim,
    ClaimsOptions,
    ExtractedClaims,
    claims_question,
    read_claims,
)

TEXT = "On 3 May 2021 Acme\nwas fined by Agency B. 北京大学否认了。"


def claim(**changes: Any) -> dict[str, Any]:
    return {
        "subject": "Acme",
        "object": "Agency B",
        "type": "fine",
        "description": "Agency B fined Acme.",
        "status": "TRUE",
        "start_date": "2021-05-03",
        "end_date": "2021-05-03",
        "source_text": "Acme was fined by Agency B.",
    } | changes


def read(*claims: dict[str, Any]) -> ExtractedClaims:
    return read_claims(json.dumps({"claims": claims}), TEXT)


def test_a_claim_is_read() -> None:
    assert read(claim()) == ExtractedClaims(
        (
            Claim(
                "ACME",
                "AGENCY B",
                "FINE",
                "Agency B fined Acme.",
                "TRUE",
                "2021-05-03",
                "2021-05-03",
                "Acme was fined by Agency B.",
            ),
        )
    )


@pytest.mark.parametrize(
    ("given", "date", "wrong"),
    [
        ("2021", "2021", 0),
        ("2021-05", "2021-05", 0),
        ("2021-05-03T10:00:00", "2021-05-03T10:00:00", 0),
        ("", "", 0),
        (None, "", 0),
        ("NONE", "", 0),
        ("unknown", "", 0),
        ("last May", "", 1),
        ("2021-13-01", "", 1),
        ("2021-02-30", "", 1),
    ],
)
def test_a_date_is_iso_or_nothing(given: str | None, date: str, wrong: int) -> None:
    found = read(claim(start_date=given))
    assert (found.claims[0].start_date, found.wrong_dates) == (date, wrong)


def test_a_quotation_that_does_not_stand_in_the_text_is_no_source() -> None:
    found = read(
        claim(),
        claim(subject="B", source_text="Acme paid."),
        claim(subject="C", source_text="北京大学否认了。"),
        claim(subject="D", source_text=None),
    )
    assert [one.source_text for one in found.claims] == [
        "Acme was fined by Agency B.", "", "北京大学否认了。", "",
    ]  # fmt: skip
    assert found.wrong_source_texts == 1


def test_a_quotation_may_be_of_the_text_as_it_was_shown() -> None:
    text = "Acme wrote </text> and lied."
    shown = claims_question(text, "m", ClaimsOptions()).messages[-1].content.split("\n")[1]
    found = read_claims(json.dumps({"claims": [claim(source_text=shown)]}), text)
    assert found.claims[0].source_text == text


def test_nobody_is_no_subject_and_no_object() -> None:
    found = read(claim(object="NONE"), claim(subject=" "), claim(subject="none"), claim(object=""))
    assert [one.object for one in found.claims] == [""]
    assert found.without_subject == 2


def test_claims_are_distinct_bounded_and_in_order() -> None:
    claims = [claim(subject=f"S{number}") for number in range(MAX_CLAIMS + 9)]
    found = read(*claims, claim(subject="S1"))
    assert len(found.claims) == MAX_CLAIMS
    assert found.too_many == 10
    few = claims[:20]
    assert read(*random.Random(1).sample(few, 20)) == read(*few)


@pytest.mark.parametrize("status", ["MAYBE", "", 1, True])
def test_another_status_is_refused(status: object) -> None:
    with pytest.raises(InvalidAnswer, match=r"claims\.0\.status"):
        read(claim(status=status))
    assert read(claim(status=" false ")).claims[0].status == "FALSE"


def test_the_question_says_which_claims() -> None:
    options = ClaimsOptions(entity_types=("pump",), claim_description="Defects {{form}}.")
    system = claims_question(TEXT, "m", options).messages[0].content
    assert "these types: pump." in system
    assert "Which claims are wanted: Defects {{form}}." in system
    with pytest.raises(InvalidRequest, match="claim description has 0"):
        claims_question(TEXT, "m", ClaimsOptions(claim_description=" "))
