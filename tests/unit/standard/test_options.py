"""What is asked for is known by digests: what does not ask for claims is as it was without them."""

import json
from dataclasses import replace

import pytest

from graphmill.standard import claims
from graphmill.standard.options import StandardOptions

PLAIN = StandardOptions("a-model", "a-model", "a-model")
CLAIMING = replace(PLAIN, claim_description="who paid whom")


@pytest.mark.parametrize("options", [PLAIN, CLAIMING])
def test_options_survive_json(options: StandardOptions) -> None:
    assert StandardOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_claims_change_the_digest_of_the_graph_and_none_of_extractions() -> None:
    other = replace(CLAIMING, claim_description="who owns what")
    assert len({one.digest for one in (PLAIN, CLAIMING, other)}) == 3
    assert len({one.claims_digest for one in (PLAIN, CLAIMING, other)}) == 3
    assert len({one.extraction_digest for one in (PLAIN, CLAIMING, other)}) == 1


def test_options_without_claims_say_nothing_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do their digests know how claims are read."""
    assert "claim_description" not in PLAIN.to_json()
    assert PLAIN.claims_digest == ""
    before, claiming = PLAIN.digest, CLAIMING.digest
    monkeypatch.setattr(claims, "READER_VERSION", "another")
    assert PLAIN.digest == before
    assert CLAIMING.digest != claiming


def test_claims_are_asked_for_of_the_schemas_types_in_the_language_that_is_set() -> None:
    assert PLAIN.claims is None
    asked = replace(CLAIMING, language="German").claims
    assert asked is not None
    assert (asked.claim_description, asked.language) == ("who paid whom", "German")
    assert asked.entity_types == PLAIN.schema.entity_types
