"""The image is built of what is locked, and has all that the service needs. No engine builds it
here: hadolint reads the Dockerfile, and the wheel that it installs is built and looked into."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.go_checkers import refused, run, said

_PACKAGES = ("graphmill", "workflows", "activities", "workers", "api")


def _hadolint() -> Path:
    return Path(sys.executable).parent / "hadolint"


def test_hadolint_takes_the_dockerfile(project_root: Path, tmp_path: Path) -> None:
    done = run(_hadolint(), project_root / "Dockerfile")
    assert done.returncode == 0, said(done)

    broken = tmp_path / "Dockerfile"
    text = (project_root / "Dockerfile").read_text()
    broken.write_text(re.sub(r"python:[\d.]+-slim-bookworm", "python:latest", text))
    assert refused(run(_hadolint(), broken), ["DL3007"])
    broken.write_text(text.replace("USER 10001:10001", "USER root"))
    assert refused(run(_hadolint(), broken), ["DL3002"])


def _blocks(lock: Path) -> Iterator[tuple[str, str]]:
    """(package, its version and hashes)."""
    for block in re.split(r"\n(?=[a-z0-9])", lock.read_text()):
        if found := re.match(r"([a-z0-9._-]+)==", block):
            yield found[1], block.strip()


def test_the_image_has_what_is_locked_and_nothing_that_only_tests_need(project_root: Path) -> None:
    whole = dict(_blocks(project_root / "requirements.lock"))
    image = dict(_blocks(project_root / "requirements-image.lock"))
    differing = [name for name, block in image.items() if whole.get(name) != block]
    assert differing == [], "make lock writes both"

    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]

    def names(wanted: list[str]) -> set[str]:
        return {re.split(r"[\[>=<]", one)[0].lower() for one in wanted}

    service = names(project["dependencies"])
    assert service <= set(image)
    # setuptools builds the service; PyYAML is wanted by what the service needs too.
    dev = names(project["optional-dependencies"]["dev"]) - {"setuptools", "pyyaml"}
    assert not dev & set(image)


def test_the_image_has_every_file_of_the_service(project_root: Path, tmp_path: Path) -> None:
    """SQL, prompts and migrations are not Python: what is not named is left out of a wheel."""
    source = tmp_path / "source"
    source.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for package in _PACKAGES:
        shutil.copytree(project_root / package, source / package, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(project_root / name, source)
    wheels = tmp_path / "wheels"
    done = run(
        sys.executable,
        *("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--wheel-dir", wheels, "."),
        cwd=source,
    )
    assert done.returncode == 0, said(done)
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    there = {
        str(path.relative_to(source))
        for package in _PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file()
    }
    assert packed == there


def test_the_image_has_the_python_that_the_tests_run_on(project_root: Path) -> None:
    """The one that is promised: what people have that is newer, CI does not run."""
    text = (project_root / "Dockerfile").read_text()
    tools = tomllib.loads((project_root / "pyproject.toml").read_text())["tool"]
    tested = tools["pyright"]["pythonVersion"]
    found = re.findall(r"^FROM python:(\d+\.\d+)\.(\d+)-(\S+)", text, re.MULTILINE)
    assert [minor for minor, _, _ in found] == [tested, tested]
    assert len({patch for _, patch, _ in found}) == 1
    assert "&& pip check" in text


def test_any_user_may_be_where_commands_start_and_none_where_secrets_lie(
    project_root: Path,
) -> None:
    """`docker compose run --user` is how an export and a refit are told to be one's own."""
    text = (project_root / "Dockerfile").read_text()
    workdir = re.findall(r"^WORKDIR (\S+)$", text, re.MULTILINE)[-1]
    modes = {
        folder: mode
        for mode, folders in re.findall(r"install --directory .*?--mode (\d+) ([^\n\\]+)", text)
        for folder in folders.split()
    }
    assert modes[workdir] == "0755"
    assert {mode for folder, mode in modes.items() if folder != workdir} == {"0750"}


def test_what_the_image_copies_is_let_in_and_no_secret_is(project_root: Path) -> None:
    lines = (project_root / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied: set[str] = set()
    for line in (project_root / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied.update(line.split()[1:-1])
    assert copied == let_in
    assert {"pyproject.toml", *_PACKAGES} <= copied


def test_env_files_are_kept_out_of_git(project_root: Path) -> None:
    for name in (".env", "models.env"):
        done = subprocess.run(["git", "check-ignore", "-q", name], cwd=project_root, check=False)
        assert done.returncode == 0, name
