"""Settings are read from the names that are documented, and wrong ones are named."""

from pathlib import Path

import pytest

from graphmill.errors import SettingsError
from graphmill.settings import load_settings


@pytest.fixture(autouse=True)
def no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("GRAPHMILL_HOME", "GRAPHMILL_TENANT", "DATABASE_URL", "GRAPHMILL_API_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_variables_of_other_programs_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("TENANT", "of-somebody-else")
    monkeypatch.setenv("API_PORT", "1")
    settings = load_settings()
    assert settings.home == Path(".graphmill")
    assert settings.tenant == "default"
    assert settings.api_port == 8000


def test_the_environment_wins_over_the_file_and_the_caller_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphmill.toml").write_text('GRAPHMILL_TENANT = "file"\nGRAPHMILL_API_PORT = 1\n')
    monkeypatch.setenv("GRAPHMILL_TENANT", "environment")
    assert load_settings().tenant == "environment"
    assert load_settings().api_port == 1
    assert load_settings({"tenant": "caller"}).tenant == "caller"


def test_a_wrong_setting_is_named_with_what_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHMILL_API_PORT", "many")
    with pytest.raises(SettingsError, match=r"GRAPHMILL_API_PORT is 'many': .*integer"):
        load_settings()


def test_a_file_that_is_no_toml_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "graphmill.toml").write_text("= = =")
    with pytest.raises(SettingsError, match=r"graphmill\.toml cannot be read"):
        load_settings()


def test_a_table_of_the_file_is_overruled_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphmill.toml").write_text("[chunk]\nsize = 500\noverlap = 7\n")
    monkeypatch.setenv("GRAPHMILL_CHUNK_SIZE", "800")
    monkeypatch.setenv("CHUNK", "of somebody else")
    assert load_settings().chunk.size == 800
    assert load_settings().chunk.overlap == 7


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GRAPHMILL_CHUNK_SIEZ", r"chunk\.siez is not known"),
        ("GRAPHMILL_LIMIT_PARSE_SECONDS", r"limits\.parse_seconds is 'x'"),
    ],
)
def test_a_misspelt_or_wrong_key_of_a_table_is_named(
    name: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=told):
        load_settings()


def test_an_unknown_key_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "graphmill.toml").write_text("chnk = 5\n")
    with pytest.raises(SettingsError, match="chnk is not known"):
        load_settings()


def test_no_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "graphmill.toml").write_text('OPENAI_API_KEY = ["sk-1"]\nDATABASE_URL = ["pg-2"]\n')
    with pytest.raises(SettingsError) as told:
        load_settings()
    assert "OPENAI_API_KEY" in str(told.value)
    assert "DATABASE_URL" in str(told.value)
    assert "sk-1" not in str(told.value)
    assert "pg-2" not in str(told.value)


def test_an_overlap_as_large_as_a_chunk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHMILL_CHUNK_SIZE", "200")
    monkeypatch.setenv("GRAPHMILL_CHUNK_OVERLAP", "200")
    with pytest.raises(SettingsError, match=r"chunk.*overlap"):
        load_settings()


def test_qdrant_is_set_by_its_documented_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_URL", "https://qdrant.example.com:6333/")
    monkeypatch.setenv("QDRANT_API_KEY", "s3cr3t")
    monkeypatch.setenv("QDRANT_QUANTIZATION", "scalar")
    settings = load_settings()
    assert settings.qdrant_url == "https://qdrant.example.com:6333"
    assert (settings.qdrant_batch_size, settings.qdrant_parallel_uploads) == (100, 4)
    assert settings.qdrant_quantization == "scalar"
    assert settings.qdrant_api_key.get_secret_value() == "s3cr3t"
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize("url", ["example.com:6333", "https://user:s3cr3t@example.com", "ftp://x"])
def test_a_wrong_address_of_qdrant_is_named_and_not_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_URL", url)
    with pytest.raises(SettingsError, match=r"QDRANT_URL: .*(address|QDRANT_API_KEY)") as told:
        load_settings()
    assert url not in str(told.value)


def test_what_is_small_and_whose_share_is_larger_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = load_settings().priorities
    assert (default.sizes, default.documents, default.weights) == ((100_000,), 100, {})
    assert default.highest == 1
    (tmp_path / "graphmill.toml").write_text(
        "[priorities]\nsizes = [1_000_000, 20_000]\nweights = { acme = 4, other = 0.5 }\n"
    )
    assert load_settings().priorities.sizes == (1_000_000, 20_000)
    assert load_settings().priorities.weights == {"acme": 4.0, "other": 0.5}
    monkeypatch.setenv("GRAPHMILL_PRIORITY_SIZES", "5000, 200")
    monkeypatch.setenv("GRAPHMILL_PRIORITY_DOCUMENTS", "7")
    assert load_settings().priorities.sizes == (5000, 200)
    assert load_settings().priorities.documents == 7
    monkeypatch.setenv("GRAPHMILL_PRIORITY_HIGHEST", "3")
    assert load_settings().priorities.highest == 3
    monkeypatch.setenv("GRAPHMILL_PRIORITY_SIZES", "")
    assert load_settings().priorities.sizes == ()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("sizes = [1, 2, 3, 4, 5]", "priorities.sizes"),
        ("sizes = [0]", "priorities.sizes"),
        ("weights = { acme = 0 }", "priorities.weights.acme"),
        ("highest = 0", "priorities.highest"),
        ("highest = 4", "priorities.highest"),
    ],
)
def test_levels_and_weights_that_there_are_not_are_refused(
    tmp_path: Path, given: str, named: str
) -> None:
    (tmp_path / "graphmill.toml").write_text(f"[priorities]\n{given}\n")
    with pytest.raises(SettingsError, match=named):
        load_settings()
