"""Where a command finds its servers; that it never takes one for another."""

from pathlib import Path

import pytest

from graphmill.cli.session import find_addresses
from graphmill.cli.stack import addresses_to_json
from graphmill.embedded.home import Addresses, Home
from graphmill.errors import SettingsError
from graphmill.settings import Settings, load_settings

OURS = Addresses("postgresql://localhost/ours", "127.0.0.1:7233")


def settings(home: Path, database: str | None, temporal: str | None) -> Settings:
    return load_settings({"home": home, "database_url": database, "temporal_address": temporal})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which a stack runs."""

    def read_addresses(_: Home) -> Addresses:
        return OURS

    monkeypatch.setattr(Home, "read_addresses", read_addresses)
    return tmp_path


@pytest.mark.parametrize("temporal", [True, False])
def test_what_runs_is_found_and_what_is_set_wins(home: Path, temporal: bool) -> None:
    assert find_addresses(settings(home, None, None), temporal=temporal) == OURS
    assert find_addresses(settings(home, OURS.database_url, None), temporal=temporal) == OURS
    both = settings(home, "postgresql://elsewhere/x", "elsewhere:7233")
    assert find_addresses(both, temporal=temporal) == Addresses(
        "postgresql://elsewhere/x", "elsewhere:7233"
    )


@pytest.mark.parametrize("temporal", [True, False])
def test_one_server_that_is_set_is_not_mixed_with_what_runs_on_another(
    home: Path, temporal: bool
) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL is set, but"):
        find_addresses(settings(home, "postgresql://elsewhere/x", None), temporal=temporal)
    with pytest.raises(SettingsError, match="TEMPORAL_ADDRESS is set, but"):
        find_addresses(settings(home, None, "elsewhere:7233"), temporal=temporal)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h/x", "postgresql://u:***@h/x"),
        ("postgresql://h/x?user=u&password=secret", "postgresql://h/x?user=u&password=***"),
        (
            "postgresql://h/x?sslpassword=secret&user=u",
            "postgresql://h/x?sslpassword=***&user=u",
        ),
        ("postgresql:///x?host=/run", "postgresql:///x?host=/run"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert addresses_to_json(Addresses(url, None))["database_url"] == shown
