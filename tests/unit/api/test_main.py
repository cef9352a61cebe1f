"""`python -m api` serves this machine alone, and says so before it starts."""

import pytest

from api.__main__ import check_addresses, check_host, main
from graphmill.errors import SettingsError
from graphmill.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_loopback_is_served(host: str) -> None:
    check_host(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "", "example.org"])
def test_any_other_address_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="GRAPHMILL_API_HOST"):
        check_host(host)


def test_missing_addresses_are_named() -> None:
    with pytest.raises(SettingsError, match="TEMPORAL_ADDRESS and DATABASE_URL"):
        check_addresses(Settings(database_url="postgresql:///x", temporal_address=None))


def test_a_refusal_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRAPHMILL_API_HOST", "0.0.0.0")
    monkeypatch.setenv("DATABASE_URL", "postgresql:///x")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert main() == 2
    told = capsys.readouterr().err
    assert "GRAPHMILL_API_HOST is '0.0.0.0'" in told
    assert told.count("\n") == 1
