"""What is installed is what the pins say, and nothing comes unpinned."""

import importlib.metadata

import pytest
from harness import REPOSITORY, extras, pinned, with_dependencies
from packaging.specifiers import SpecifierSet

RUN = pinned(REPOSITORY / "requirements.txt")
RAY = pinned(REPOSITORY / "requirements-ray.txt")
TEST = pinned(REPOSITORY / "tests" / "requirements.txt") | RAY
FILES = ["requirements.txt", "requirements-ray.txt", "tests/requirements.txt"]
CONSTRAINTS = pinned(REPOSITORY / "constraints.txt")


@pytest.mark.parametrize(("name", "version"), sorted((RUN | TEST).items()))
def test_the_installed_version_is_the_pinned_one(name: str, version: str) -> None:
    # torch's builds add a local part to the same version: 2.13.0+cpu.
    assert SpecifierSet(f"=={version}").contains(importlib.metadata.version(name))


def test_everything_that_comes_along_is_pinned() -> None:
    with_extras = set().union(*(extras(REPOSITORY / file) for file in FILES))
    loose = set(with_dependencies(set(RUN | TEST), with_extras)) - set(RUN | TEST | CONSTRAINTS)
    # PyTorch's CUDA packages are pinned by torch itself, and differ by platform.
    loose = {name for name in loose if not name.startswith(("nvidia-", "cuda-"))}
    assert not loose, f"add to constraints.txt: {sorted(loose)}"


def test_no_package_is_pinned_in_two_places() -> None:
    assert not (RUN.keys() & TEST.keys()) | ((RUN | TEST).keys() & CONSTRAINTS.keys())


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_says_why(file: str) -> None:
    lines = [line for line in (REPOSITORY / file).read_text().splitlines() if "==" in line]
    assert lines
    assert [line for line in lines if "  # " not in line and " # " not in line] == []


@pytest.mark.parametrize("file", [*FILES, "constraints.txt"])
def test_packages_come_by_name_from_wherever_pip_is_set_up_to_look(file: str) -> None:
    text = (REPOSITORY / file).read_text()
    assert "://" not in text
    assert "--" not in text
