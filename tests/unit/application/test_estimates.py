"""Files are counted as a run would read them; what cannot be read costs nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from graphmill.application.estimates import estimate_files
from graphmill.application.folder import find_files
from graphmill.estimates import Estimate
from graphmill.model_settings import EndpointSettings
from graphmill.settings import Settings, load_settings
from graphmill.standard.claims import claims_question
from graphmill.standard.extract_graph import extract_question
from graphmill.standard.options import StandardOptions
from graphmill.tokens import count_tokens

OPTIONS = StandardOptions("a-model", "a-model", "a-model", gleanings=0)


@pytest.fixture(autouse=True)
def no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(*endpoints: EndpointSettings) -> Settings:
    return load_settings({"endpoints": endpoints, "cpu_workers": 1})


def endpoint(name: str, **given: float) -> EndpointSettings:
    return EndpointSettings.model_validate(
        {"name": name, "base_url": "http://127.0.0.1:1/v1", **given}
    )


async def estimate(
    folder: Path, *endpoints: EndpointSettings, options: StandardOptions = OPTIONS
) -> tuple[Estimate, int]:
    """And how many files were told of as read."""
    read: list[None] = []
    found = find_files((folder,), 1_000_000)
    foretold = await estimate_files(
        found.files, options, settings(*endpoints), lambda: read.append(None)
    )
    return foretold, len(read)


async def test_files_are_counted_with_the_question_about_each_text_unit(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    texts = [f"Ada Lovelace met Charles Babbage {n} times in London." * 10 for n in range(3)]
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
    (folder / "same.txt").write_text(texts[0])
    (folder / "broken.pdf").write_text("%PDF-1.7 and nothing after it")
    (folder / "empty.txt").write_text("")
    foretold, read = await estimate(folder, endpoint("one"))
    assert read == foretold.documents == 6
    assert foretold.unreadable == 2
    assert foretold.text_units == 3
    extraction = foretold.steps[0]
    assert extraction.calls == 3
    asked = [extract_question(text, "a-model", OPTIONS.extract) for text in texts]
    tokens = sum(count_tokens(said.content) for one in asked for said in one.messages)
    assert extraction.prompt_tokens == pytest.approx(tokens, abs=3 * 3)


async def test_claims_are_counted_where_they_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    text = "Ada Lovelace met Charles Babbage in London. " * 20
    (folder / "a.txt").write_text(text)
    asking = replace(OPTIONS, claim_description="who met whom")
    assert asking.claims is not None
    foretold, _ = await estimate(folder, endpoint("one"), options=asking)
    claims = foretold.steps[1]
    assert (claims.name, claims.calls) == ("extract_claims", 1)
    asked = claims_question(text, "a-model", asking.claims)
    tokens = sum(count_tokens(said.content) for said in asked.messages)
    assert claims.prompt_tokens == pytest.approx(tokens, abs=3)


async def test_limits_of_endpoints_add_up_and_the_dearest_is_paid(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("Ada Lovelace met Charles Babbage in London.")
    slow, _ = await estimate(
        folder,
        endpoint("one", requests_per_minute=1, prompt_price=1, completion_price=1),
        endpoint("two", requests_per_minute=2, prompt_price=5, completion_price=2),
    )
    extraction = slow.steps[0]
    assert extraction.seconds == pytest.approx(60 / 3)
    assert extraction.usd == pytest.approx(
        (5 * extraction.prompt_tokens + 2 * extraction.completion_tokens) / 1e6
    )
    open_end, _ = await estimate(
        folder, endpoint("one", requests_per_minute=1), endpoint("two", places=1, prompt_price=1)
    )
    assert open_end.steps[0].seconds < 60
    assert open_end.usd is None
