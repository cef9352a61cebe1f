"""What people write to start a run is what the run gets."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

from graphmill.errors import InvalidRequest
from graphmill.index_request import IndexRequest
from graphmill.models import Method


@pytest.mark.parametrize(
    "request_",
    [
        IndexRequest("sample"),
        IndexRequest("sample", "me", Method.STANDARD, True, 1, 2.5),
        IndexRequest("sample", method=Method.FAST, budget_usd=0.0),
        IndexRequest("sample", batch=True),
        IndexRequest("sample", recluster=True),
    ],
)
def test_a_request_survives_its_json(request_: IndexRequest) -> None:
    assert IndexRequest.from_json(request_.to_json()) == request_


def test_what_is_not_said_is_left_open() -> None:
    request = IndexRequest.from_json({"collection": "sample"})
    assert request.method is None
    assert request.budget_usd is None
    assert IndexRequest.from_json({"collection": "sample", "method": None}) == request
    # A worker of an earlier release refuses fields that it does not know.
    assert not {"method", "budget_usd", "batch", "recluster"} & set(request.to_json())
    # As runs that began before this release wrote it.
    assert IndexRequest.from_json({"collection": "sample", "method": "fast"}).method is Method.FAST


def test_the_page_on_the_temporal_cli_lists_every_field(project_root: Path) -> None:
    page = (project_root / "docs" / "howto" / "temporal-cli.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert listed == [field.name for field in dataclasses.fields(IndexRequest)]


@pytest.mark.parametrize("wrong", ["5", True, -1, -0.001, math.nan, math.inf, 1e10, [5]])
def test_a_budget_that_is_no_amount_of_dollars_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidRequest, match="expected is a number of dollars"):
        IndexRequest.from_json({"collection": "sample", "budget_usd": wrong})


def test_whole_dollars_are_a_budget() -> None:
    request = IndexRequest.from_json({"collection": "sample", "budget_usd": 5})
    assert request.budget_usd == 5.0


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_batch_is_true_or_false(wrong: object) -> None:
    with pytest.raises(InvalidRequest, match="expected is true or false"):
        IndexRequest.from_json({"collection": "sample", "batch": wrong})


def test_method_fast_has_nothing_to_ask_in_batches() -> None:
    with pytest.raises(InvalidRequest, match="method fast asks no model"):
        IndexRequest.from_json({"collection": "sample", "method": "fast", "batch": True})
