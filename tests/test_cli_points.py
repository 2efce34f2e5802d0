"""`python -m bench points`: what the chart draws, as figures, and what it refuses."""

import json

import pytest
from commands import RTX3090_OLD, RTX5090, complaint, rows_of

from bench import points, store


def test_points_as_csv_have_the_promised_columns_and_every_weight(bench):
    rows = rows_of(bench("points", RTX5090, "--csv"))
    promised = "model architecture family image_size top1_percent seconds_per_image images_per_s"
    assert set(f"{promised} parameters frontier lead".split()) <= set(rows[0])
    named = [row for row in rows if row["model"] == "resnet50.a1_in1k"]
    (resnet,) = (row for row in named if row["image_size"] == "288")
    assert float(resnet["images_per_s"]) == 3849.63
    assert float(resnet["seconds_per_image"]) == pytest.approx(1 / 3849.63)
    assert len({(row["model"], row["image_size"]) for row in rows}) == len(rows) > 1400


def test_points_are_those_of_the_library(bench):

    speed = store.to_frame(
        store.read(store.SHIPPED / "published/speed.parquet", store.SPEED_SCHEMA)
    )
    accuracy = store.to_frame(
        store.read(store.SHIPPED / "published/accuracy.parquet", store.ACCURACY_SCHEMA)
    )
    expected = points.points(speed, accuracy, run=RTX3090_OLD, measure="training")
    rows = json.loads(bench("points", RTX3090_OLD, "--measure", "training", "--json").stdout)
    assert [row["model"] for row in rows] == list(expected["model"])
    assert [row["top1_percent"] for row in rows] == list(expected["top1_percent"])
    assert [row["seconds_per_image"] for row in rows] == list(expected["seconds_per_image"])


def test_a_beginning_that_only_one_set_has_is_enough(bench):
    whole = bench("points", RTX3090_OLD, "--csv").stdout
    assert bench("points", "2022-07-timm-rtx3090-amp-fp16-nchw", "--csv").stdout == whole


def test_a_whole_id_is_itself_even_where_another_begins_with_it(bench):
    assert (
        bench("points", RTX5090, "--csv").stdout
        != bench("points", f"{RTX5090}-compiled", "--csv").stdout
    )


def test_one_of_each_family_and_no_test_model(bench):
    for by in ("trade-off", "accurate", "fastest"):
        rows = rows_of(bench("points", RTX5090, "--best-per-family", by, "--csv"))
        families = [row["family"] for row in rows]
        assert len(set(families)) == len(families) > 50
        assert not any(row["model"].startswith("test_") for row in rows)


def test_test_models_go_when_asked(bench):
    def count(*options):
        rows = rows_of(bench("points", RTX5090, "--csv", *options))
        return sum(row["model"].startswith("test_") for row in rows)

    assert count() == count("--test-models") > 0
    assert count("--no-test-models") == 0


def test_the_frontier_is_the_part_that_nothing_beats(bench):
    every = rows_of(bench("points", RTX5090, "--csv"))
    front = rows_of(bench("points", RTX5090, "--frontier", "--csv"))
    pairs = [(float(row["seconds_per_image"]), float(row["top1_percent"])) for row in every]

    def beaten(row):
        seconds, top1 = float(row["seconds_per_image"]), float(row["top1_percent"])
        return any(s <= seconds and t >= top1 and (s, t) != (seconds, top1) for s, t in pairs)

    assert {r["model"] for r in front} == {r["model"] for r in every if not beaten(r)}


def test_families_and_a_budget_narrow_the_points(bench):
    families = ("--family", "resnet", "--family", "vit")
    budget = ("--max-ms", 0.5, "--min-top1", 75)
    rows = rows_of(bench("points", RTX5090, *families, *budget, "--csv"))
    assert {row["family"] for row in rows} == {"resnet", "vit"}
    assert all(float(row["seconds_per_image"]) <= 0.0005 for row in rows)
    assert all(float(row["top1_percent"]) >= 75 for row in rows)


def test_a_budget_that_nothing_meets_is_an_empty_answer_not_an_error(bench):
    result = bench("points", RTX5090, "--min-top1", 99.9, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert bench("points", RTX5090, "--min-top1", 99.9).exit_code == 0


def test_another_accuracy_set(bench):
    rows = rows_of(bench("points", RTX5090, "--accuracy", "imagenet-a", "--csv"))
    best = max(rows, key=lambda row: float(row["top1_percent"]))
    assert float(best["top1_percent"]) == 88.627


def test_the_table_for_people_reads_well(bench):
    table = bench("points", RTX5090, "--best-per-family", "accurate").stdout
    assert "ms an image" in table.splitlines()[0]
    assert "eva02" in table


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["no-such-set"], "no results set 'no-such-set'; `python -m bench results` lists them"),
        (["2026-08-timm-rtx4090"], "results sets begin with '2026-08-timm-rtx4090': "),
        ([""], "no results set ''"),
        ([RTX5090, "--measure", "training"], "holds no training; it holds throughput"),
        ([RTX5090, "--measure", "speed"], "'speed' is not one of"),
        ([RTX5090, "--accuracy", "cifar"], "no accuracy set 'cifar'"),
        ([RTX5090, "--family", "resnest50"], "no family 'resnest50' in this set; did you mean"),
        ([RTX5090, "--max-ms", "0"], "'--max-ms': 0.0 is not in the range x>0"),
        ([RTX5090, "--max-ms", "nan"], "nan is not a number to compare with"),
        ([RTX5090, "--min-top1", "101"], "101.0 is not in the range 0<=x<=100"),
        ([RTX5090, "--best-per-family", "cheapest"], "'cheapest' is not one of"),
        ([], "Missing argument 'RESULTS'"),
    ],
)
def test_points_say_what_is_wrong_in_one_line(bench, arguments, line):
    assert line in complaint(bench("points", *arguments))
