"""`python -m bench estimate`, and estimates in `points`."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from dashboard import OF_A_CPU, publish_slower_cpu

from bench.cli import main

RUN = "2026-11-01T120000Z-aaaa"


def run(*arguments: str, data: Path) -> str:
    result = CliRunner().invoke(main, [*arguments, "--data", str(data)])
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str, data: Path) -> str:
    result = CliRunner().invoke(main, [*arguments, "--data", str(data)])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    return result.output


def publish(data: Path, count: int) -> list[tuple[str, int]]:
    return publish_slower_cpu(data, RUN, count, seed=1)


def test_what_was_not_measured_is_printed_with_its_interval(tmp_path: Path) -> None:
    measured = publish(tmp_path, 16)
    rows = pd.DataFrame(json.loads(run("estimate", RUN, "--json", data=tmp_path)))
    assert len(rows) > 1500
    pairs = set(zip(rows["architecture"], rows["image_size"], strict=True))
    assert not pairs & set(measured)
    assert (rows["seconds_low"] < rows["seconds_per_image"]).all()
    assert (rows["seconds_per_image"] < rows["seconds_high"]).all()


def test_points_say_which_are_estimated_and_can_do_without(tmp_path: Path) -> None:
    measured = publish(tmp_path, 16)
    points = pd.DataFrame(json.loads(run("points", RUN, "--json", data=tmp_path)))
    assert points["estimated"].sum() > 1000
    alone = points[~points["estimated"]]
    assert set(zip(alone["architecture"], alone["image_size"], strict=True)) <= set(measured)
    without = pd.DataFrame(
        json.loads(run("points", RUN, "--no-estimates", "--json", data=tmp_path))
    )
    assert sorted(without["model"]) == sorted(alone["model"])
    assert not without["estimated"].any()


def test_published_sets_have_no_estimates(tmp_path: Path) -> None:
    points = pd.DataFrame(json.loads(run("points", OF_A_CPU, "--json", data=tmp_path)))
    assert not points["estimated"].any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a results set, or say --evaluate"),
        ((RUN, "--evaluate"), "name a results set, or say --evaluate"),
        ((RUN, "--write"), "--write goes with --evaluate"),
        ((RUN, "--measure", "training"), "holds no training"),
        (("2027",), "no results set '2027'"),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    publish(tmp_path, 8)
    assert said in refused("estimate", *arguments, data=tmp_path)


def test_seven_models_are_too_few(tmp_path: Path) -> None:
    publish(tmp_path, 7)
    assert "fewer than eight models" in refused("estimate", RUN, data=tmp_path)
