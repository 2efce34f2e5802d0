"""The README says what there is: every command, no other, and nothing that leads nowhere."""

import re

import click
import pytest
from harness import REPOSITORY

from bench.__main__ import main

COMMANDS = sorted(name for name, command in main.commands.items() if not command.hidden)


@pytest.fixture(scope="module")
def readme() -> str:
    return (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str, readme: str) -> None:
    assert re.search(rf"python -m bench {name}\b", readme)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_shows_an_example(name: str) -> None:
    command = main.commands[name]
    text = command.get_help(click.Context(command, info_name=name))
    assert command.help
    assert f"python -m bench {name}" in text, text


def test_every_command_in_the_readme_exists(readme: str) -> None:
    named = set(re.findall(r"python -m bench ([a-z]\w*)", readme))
    assert named
    assert named <= set(main.commands)


def test_every_make_target_in_the_readme_exists(readme: str) -> None:
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "test"} <= set(targets)
    assert set(re.findall(r"\bmake ([a-z]+)\b", readme)) <= set(targets)
    assert {"make run", "make test"} <= set(re.findall(r"\bmake [a-z]+\b", readme))


def test_every_file_that_the_readme_shows_or_links_is_there(readme: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)|(?:src|href)=\"([^\"#]+)\"", readme)
    files = [link or other for link, other in links if "://" not in (link or other)]
    assert files, "a README with a screenshot links at least one file"
    assert [file for file in files if not (REPOSITORY / file).exists()] == []
