"""What is known of a file before it goes up."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from graphmill.uploads import EARLIEST, LATEST, describe_file


# tmpfs keeps any time; other file systems cut it off where they must, and what they kept counts.
@pytest.mark.parametrize("seconds", [10**12, -(10**12)])
def test_a_modification_time_that_no_calendar_has_becomes_the_nearest(
    tmp_path: Path, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    status = os.stat_result([*path.stat()[:10]], {"st_mtime_ns": seconds * 10**9})

    def stat(_: Path) -> os.stat_result:
        return status

    monkeypatch.setattr(Path, "stat", stat)
    assert describe_file("a.txt", path).creation_date == (LATEST if seconds > 0 else EARLIEST)


def test_a_modification_time_is_kept_to_the_microsecond(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    date = describe_file("a.txt", path).creation_date
    assert date == datetime.fromisoformat("2023-11-14T22:13:20.123456+00:00")
