"""Where `python -m api` wants keys, and what it says before it starts."""

import pytest

from api.__main__ import check_addresses, main
from graphmill.errors import SettingsError
from graphmill.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_on_loopback_no_key_is_needed(host: str) -> None:
    assert not Settings(api_host=host).api_needs_keys
    assert Settings(api_host=host, api_require_keys=True).api_needs_keys


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "", "example.org"])
def test_on_any_other_address_one_is(host: str) -> None:
    assert Settings(api_host=host).api_needs_keys


def test_missing_addresses_are_named() -> None:
    with pytest.raises(SettingsError, match="TEMPORAL_ADDRESS and DATABASE_URL"):
        check_addresses(Settings(database_url="postgresql:///x", temporal_address=None))


def test_a_refusal_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert main() == 2
    told = capsys.readouterr().err
    assert "needs TEMPORAL_ADDRESS and DATABASE_URL" in told
    assert told.count("\n") == 1
