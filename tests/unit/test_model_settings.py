"""Which endpoints there are, and which model does what."""

from pathlib import Path

import pytest

from graphmill.errors import SettingsError
from graphmill.model_settings import DEFAULT_MODEL, OPENAI_URL, ModelRole, PriceSettings
from graphmill.settings import load_settings
from graphmill.standard_settings import standard_options

TABLES = """
[models]
reports = "large"

[[endpoints]]
name = "near"
base_url = "http://localhost:8080/v1/"
requests_per_minute = 600
places = 50

[[endpoints]]
name = "far"
base_url = "https://models.example/v1"
api_key_env = "FAR_KEY"
models = {large = "large-2026"}
prompt_price = 0.5
"""


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    embedding = ("EMBEDDING_MODEL", "EMBEDDING_PRICE")
    for name in ("BASE_URL", "API_KEY", "MODEL", *embedding, "MAX_RPM", "MAX_TPM"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)


def test_without_an_address_or_a_model_nothing_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-program")
    assert load_settings().model_endpoints == ()


def test_a_model_alone_means_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "some-model")
    monkeypatch.setenv("OPENAI_MAX_RPM", "500")
    settings = load_settings()
    (endpoint,) = settings.model_endpoints
    assert (endpoint.base_url, endpoint.requests_per_minute) == (OPENAI_URL, 500)
    assert settings.model_for(ModelRole.REPORTS) == "some-model"
    assert settings.model_for(ModelRole.EMBEDDINGS) == ""


def test_an_address_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:11434/v1")
    settings = load_settings()
    assert [endpoint.name for endpoint in settings.model_endpoints] == ["openai"]
    assert settings.model_for(ModelRole.EXTRACTION) == DEFAULT_MODEL


def test_prices_are_told_beside_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "some-model")
    assert load_settings().model_endpoints[0].price_of("some-model") is None
    assert not load_settings().priced(ModelRole.REPORTS)
    monkeypatch.setenv("OPENAI_PROMPT_PRICE", "0.4")
    monkeypatch.setenv("OPENAI_COMPLETION_PRICE", "0")
    (endpoint,) = load_settings().model_endpoints
    assert (endpoint.prompt_price, endpoint.completion_price) == (0.4, 0.0)
    assert endpoint.price_of("some-model") == PriceSettings(prompt=0.4)
    assert load_settings().priced(ModelRole.REPORTS)


def test_anthropic_s_route_has_limits_and_prices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MODEL": "claude",
        "MAX_RPM": "50",
        "MAX_TPM": "30000",
        "PROMPT_PRICE": "1",
        "COMPLETION_PRICE": "5",
    }.items():
        monkeypatch.setenv(f"ANTHROPIC_{name}", value)
    settings = load_settings()
    (endpoint,) = settings.model_endpoints
    assert (endpoint.requests_per_minute, endpoint.tokens_per_minute) == (50, 30_000)
    assert endpoint.price_of("claude") == PriceSettings(prompt=1, completion=5)
    assert settings.priced(*ModelRole)  # what a budget needs


def test_several_endpoints_stand_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphmill.toml").write_text(TABLES)
    monkeypatch.setenv("ENDPOINTS", "of somebody else")
    monkeypatch.setenv("MODELS", "of somebody else")
    settings = load_settings()
    near, far = settings.model_endpoints
    assert (near.base_url, near.places, near.models) == ("http://localhost:8080/v1", 50, {})
    assert (far.models, far.api_key_env) == ({"large": "large-2026"}, "FAR_KEY")
    assert settings.model_for(ModelRole.REPORTS) == "large"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ('name = "near"', "two endpoints have the name near"),
        ('name = "Far Away"', "name"),
        ('name = "far"\napi_key = 5', "api_key"),
        ('name = "far"\nkey = "sk-123"', "key is not known"),
    ],
)
def test_a_wrong_endpoint_is_named(tmp_path: Path, changed: str, told: str) -> None:
    (tmp_path / "graphmill.toml").write_text(TABLES.replace('name = "far"', changed))
    with pytest.raises(SettingsError, match=told):
        load_settings()


def test_a_key_in_an_address_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:sk-secret@models.example/v1")
    with pytest.raises(SettingsError, match="not into the address") as error:
        load_settings()
    assert "sk-secret" not in str(error.value)


def test_keys_are_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "some-model")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    settings = load_settings()
    (endpoint,) = settings.model_endpoints
    assert endpoint.api_key is not None
    assert endpoint.api_key.get_secret_value() == "sk-secret"
    for text in (repr(settings), str(settings.model_dump()), repr(endpoint)):
        assert "sk-secret" not in text


def test_what_to_find_is_set_in_the_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphmill.toml").write_text(
        '[extraction]\nentity_types = ["ship", "owner"]\nrelationship_types = ["owns"]\n'
        'patterns = [["owner", "owns", "ship"]]\nstrict = true\n'
    )
    schema = load_settings().extraction.graph_schema
    assert schema.patterns == (("owner", "owns", "ship"),)
    assert schema.strict
    monkeypatch.setenv("GRAPHMILL_EXTRACTION_ENTITY_TYPES", "ship, owner, place")
    assert load_settings().extraction.entity_types == ("ship", "owner", "place")
    monkeypatch.setenv("GRAPHMILL_EXTRACTION_ENTITY_TYPES", "ship")
    with pytest.raises(SettingsError, match=r"pattern .* names a type"):
        load_settings()


def test_claims_are_asked_for_only_where_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "a-model")
    options = standard_options(load_settings())
    assert options is not None
    assert options.claims is None
    (tmp_path / "graphmill.toml").write_text(
        '[extraction]\nclaims = true\nclaim_description = " who paid whom "\n'
    )
    options = standard_options(load_settings())
    assert options is not None
    assert options.claims is not None
    assert options.claims.claim_description == "who paid whom"
    monkeypatch.setenv("GRAPHMILL_EXTRACTION_CLAIMS", "false")
    options = standard_options(load_settings())
    assert options is not None
    assert options.claims is None
    for wrong in ("  ", "x" * 2001):
        monkeypatch.setenv("GRAPHMILL_EXTRACTION_CLAIM_DESCRIPTION", wrong)
        with pytest.raises(SettingsError, match="claim_description"):
            load_settings()


def test_a_model_for_embeddings_alone_is_asked_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_EMBEDDING_MODEL", "vectors")
    monkeypatch.setenv("OPENAI_EMBEDDING_PRICE", "0.02")
    settings = load_settings()
    (endpoint,) = settings.model_endpoints
    assert (endpoint.base_url, endpoint.models) == (OPENAI_URL, {"vectors": "vectors"})
    assert settings.model_for(ModelRole.EMBEDDINGS) == "vectors"
    # Method fast stays the default, and what it costs is known.
    assert not settings.answers_text
    assert settings.priced(ModelRole.EMBEDDINGS)
    monkeypatch.setenv("OPENAI_MODEL", "some-model")
    settings = load_settings()
    assert settings.answers_text
    assert settings.model_endpoints[0].serves("some-model")
    assert not settings.priced(ModelRole.EMBEDDINGS, ModelRole.REPORTS)


def test_a_model_has_its_own_price_or_that_of_its_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphmill.toml").write_text(
        TABLES + "completion_price = 2\nprices = {vectors = {prompt = 0.02}}\n"
    )
    _, far = load_settings().model_endpoints
    assert far.price_of("vectors") == PriceSettings(prompt=0.02)
    assert far.price_of("large") == PriceSettings(prompt=0.5, completion=2)
    assert not load_settings().priced(ModelRole.REPORTS)  # the near one serves it too


def test_an_embedding_model_that_no_endpoint_serves_is_named_at_the_start(tmp_path: Path) -> None:
    tables = TABLES.replace('name = "near"', 'name = "near"\nmodels = {small = "small"}')
    tables = tables.replace("[models]", '[models]\nembeddings = "vectors"')
    (tmp_path / "graphmill.toml").write_text(tables)
    with pytest.raises(SettingsError, match="no endpoint serves the embedding model 'vectors'"):
        load_settings()
