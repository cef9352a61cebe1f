"""The limit of memory is that of the tightest control group, whichever version the kernel has."""

from pathlib import Path

import pytest

from graphmill.memory_limit import memory_limit

_V2 = "0::{}\n"
_V1 = "9:name=systemd:/\n4:cpu,memory:{}\n3:cpuset:/\n0::/\n"
_NO_LIMIT_V1 = "9223372036854771712\n"


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    (tmp_path / "groups" / "memory").mkdir(parents=True)
    return tmp_path / "groups"


def _limit(groups: Path, own: str) -> int | None:
    file = groups.parent / "cgroup"
    file.write_text(own)
    return memory_limit(file, groups)


def _write(groups: Path, path: str, words: str) -> None:
    file = groups / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(words)


def test_a_container_of_version_2_sees_its_limit_at_the_root(groups: Path) -> None:
    _write(groups, "memory.max", "536870912\n")
    assert _limit(groups, _V2.format("/")) == 536870912


def test_the_least_of_all_groups_above_counts(groups: Path) -> None:
    _write(groups, "slice/memory.max", "1000000\n")
    _write(groups, "slice/unit/memory.max", "2000000\n")
    assert _limit(groups, _V2.format("/slice/unit")) == 1000000
    _write(groups, "slice/unit/memory.max", "500000\n")
    assert _limit(groups, _V2.format("/slice/unit")) == 500000


def test_no_limit_is_told_as_none(groups: Path) -> None:
    _write(groups, "slice/memory.max", "max\n")
    assert _limit(groups, _V2.format("/slice")) is None
    _write(groups, "memory/memory.limit_in_bytes", _NO_LIMIT_V1)
    assert _limit(groups, _V1.format("/")) is None


def test_version_1_is_read_where_the_kernel_has_it(groups: Path) -> None:
    _write(groups, "memory/docker/abc/memory.limit_in_bytes", "700000\n")
    _write(groups, "memory/memory.limit_in_bytes", _NO_LIMIT_V1)
    assert _limit(groups, _V1.format("/docker/abc")) == 700000


def test_a_path_of_the_host_that_a_container_does_not_see_is_passed_over(groups: Path) -> None:
    _write(groups, "memory/memory.limit_in_bytes", "800000\n")
    assert _limit(groups, _V1.format("/docker/abc")) == 800000


def test_where_there_are_no_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "nothing", tmp_path) is None
    assert _limit(tmp_path / "groups", "") is None
