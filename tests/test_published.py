"""timm's own CSV files, all of them, against the csv module and Decimal.

The tests marked with `published_files` read ../shared/timm-results beside the repository.
"""

import csv
import random
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from bench import published, store

TIMM_RESULTS = Path(__file__).parents[2] / "shared" / "timm-results"
published_files = pytest.mark.skipif(
    not TIMM_RESULTS.is_dir(), reason="timm's CSV files are not beside the repository"
)
SNAPSHOTS = ("2022-07", "2026-08")


def reasons(report):
    return [str(problem) for problem in report.problems]


@pytest.fixture(scope="module")
def imported():
    """snapshot -> (speed, accuracy, report), with the renames that ship."""
    from bench import catalogue

    renames = catalogue.renames()
    found = {}
    for snapshot in SNAPSHOTS:
        speed, accuracy, report = published.read_folder(TIMM_RESULTS / snapshot, renames=renames)
        found[snapshot] = (store.to_frame(speed), store.to_frame(accuracy), report)
    return found


def complete_rows(file):
    """A file's rows by line number, read with the csv module, those without a speed left out."""
    prefix = "train" if "-train-" in file.name else "infer"
    with file.open(newline="") as text:
        reader = csv.DictReader(text)
        rows = {}
        for row in reader:
            rows[reader.line_num] = row
    if file.name.startswith("results-"):
        return rows
    needed = [f"{prefix}_{name}" for name in ("samples_per_sec", "step_time", "img_size")]
    return {line: row for line, row in rows.items() if all(row[name] for name in needed)}


def csv_files(snapshot, kind):
    return sorted((TIMM_RESULTS / snapshot).glob(f"{kind}-*.csv"))


@published_files
def test_every_complete_row_of_every_file_is_imported(imported):
    for snapshot in SNAPSHOTS:
        _, _, report = imported[snapshot]
        files = csv_files(snapshot, "benchmark") + csv_files(snapshot, "results")
        assert set(report.rows) == {file.name for file in files}
        for file in files:
            assert report.rows[file.name] == len(complete_rows(file)), file.name
    speed_files = [f for s in SNAPSHOTS for f in csv_files(s, "benchmark")]
    accuracy_files = [f for s in SNAPSHOTS for f in csv_files(s, "results")]
    assert (len(speed_files), len(accuracy_files)) == (26, 14)


@published_files
def test_what_is_not_imported_of_timms_files_is_named(imported):
    assert imported["2022-07"][2].problems == []
    incomplete, another, metadata = reasons(imported["2026-08"][2])
    file = "benchmark-infer-amp-nchw-pt210-cu121-rtx3090.csv"
    assert incomplete == f"{file}:1293: incomplete: no infer_samples_per_sec"
    assert another == f"{file}:1294: incomplete: no infer_samples_per_sec"
    assert metadata.startswith("model_metadata-in1k.csv: its name is not benchmark-")


def exactly(text, power=0):
    """The double next to a published decimal, through rational arithmetic."""
    return float(Decimal(text.replace(",", "")) * Decimal(10) ** power)


@published_files
def test_speeds_equal_the_text_of_the_files(imported):
    chance = random.Random(20261123)
    for snapshot in SNAPSHOTS:
        speed, _, _ = imported[snapshot]
        for file in csv_files(snapshot, "benchmark"):
            prefix = "train" if "-train-" in file.name else "infer"
            rows = complete_rows(file)
            ours = speed[speed["source"] == f"timm {snapshot}: {file.name}"]
            ours = ours.set_index(["model", "image_size"])
            for line in chance.sample(sorted(rows), 60):
                row = rows[line]
                mine = ours.loc[(row["model"], int(row[f"{prefix}_img_size"]))]
                assert mine["images_per_s"] == exactly(row[f"{prefix}_samples_per_sec"])
                assert mine["step_s"] == exactly(row[f"{prefix}_step_time"], -3)
                assert mine["batch_size"] == Decimal(row[f"{prefix}_batch_size"])
                assert mine["parameters"] == Decimal(row["param_count"]) * 10**6
                for name, column, power in (
                    ("multiply_adds", "infer_gmacs", 9),
                    ("activations", "infer_macts", 6),
                ):
                    if row.get(column):
                        assert mine[name] == Decimal(row[column]) * 10**power
                    else:
                        assert pd.isna(mine[name])


@published_files
def test_accuracies_equal_the_text_of_the_files(imported):
    chance = random.Random(20261124)
    for snapshot in SNAPSHOTS:
        _, accuracy, _ = imported[snapshot]
        for file in csv_files(snapshot, "results"):
            rows = complete_rows(file)
            ours = accuracy[accuracy["source"] == f"timm {snapshot}: {file.name}"]
            ours = ours.set_index(["model", "image_size"])
            for line in chance.sample(sorted(rows), 60):
                row = rows[line]
                mine = ours.loc[(row["model"], int(row["img_size"]))]
                assert mine["top1_percent"] == exactly(row["top1"])
                assert mine["top5_percent"] == exactly(row["top5"])
                assert mine["crop_fraction"] == exactly(
                    row["crop_pct" if "crop_pct" in row else "cropt_pct"]
                )
                assert mine["interpolation"] == row["interpolation"]
                assert mine["parameters"] == Decimal(row["param_count"].replace(",", "")) * 10**6
                assert mine["architecture"] == row["model"].split(".")[0]


@published_files
def test_inference_and_training_of_one_environment_are_one_set(imported):
    speed, _, _ = imported["2022-07"]
    measures = speed.groupby("run")["measure"].unique().map(sorted).to_dict()
    assert measures == {
        "2022-07-timm-rtx3090-amp-fp16-nchw-pt1.11-cu11.3": ["throughput", "training"],
        "2022-07-timm-rtx3090-amp-fp16-nhwc-pt1.11-cu11.3": ["throughput", "training"],
    }


@published_files
def test_files_of_single_images_are_latency_and_no_others(imported):
    speed, _, _ = imported["2026-08"]
    latency = speed[speed["measure"] == "latency"]
    assert set(latency["device"]) == {"Intel Core i9-10940X", "Intel Core i7-12700H"}
    assert set(latency["batch_size"]) == {1}
    assert set(speed[speed["device_kind"] == "cpu"]["measure"]) == {"latency"}


@published_files
def test_the_set_that_the_documents_name_exists(imported):
    speed, _, _ = imported["2026-08"]
    rows = speed[speed["run"] == "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"]
    assert len(rows) == 1627
    assert set(rows["device"]) == {"NVIDIA GeForce RTX 5090"}


@published_files
def test_renames_join_what_old_names_did_not(imported):
    speed, accuracy, _ = imported["2026-08"]
    known = accuracy[accuracy["dataset"] == "imagenet-1k"]
    keys = set(zip(known["architecture"], known["image_size"], strict=True))
    joins = {}
    for torch in ("1.12", "1.13"):
        rows = speed[(speed["torch"] == torch) & (speed["layout"] == "nchw")]
        old = sum(key in keys for key in zip(rows["model"], rows["image_size"], strict=True))
        new = sum(key in keys for key in zip(rows["architecture"], rows["image_size"], strict=True))
        joins[torch] = (len(rows), old, new)
    assert joins == {"1.12": (838, 526, 683), "1.13": (932, 626, 747)}


@published_files
def test_the_oldest_speeds_keep_the_names_of_their_accuracies(imported):
    speed, accuracy, _ = imported["2022-07"]
    assert (speed["model"] == speed["architecture"]).all()
    names = set(accuracy["architecture"])
    assert "convnext_base_in22ft1k" in names
    assert "convnext_base_in22ft1k" in set(speed["architecture"])


@published_files
def test_what_ships_is_what_the_files_say(imported):
    shipped = store.SHIPPED / "published"
    for table, name, schema in (
        (0, "speed", store.SPEED_SCHEMA),
        (1, "accuracy", store.ACCURACY_SCHEMA),
    ):
        ours = store.to_frame(store.read(shipped / f"{name}.parquet", schema))
        fresh = pd.concat([imported[snapshot][table] for snapshot in SNAPSHOTS])
        order = ["source", "model", "image_size"]
        pd.testing.assert_frame_equal(
            ours.sort_values(order).reset_index(drop=True),
            fresh.sort_values(order).reset_index(drop=True),
        )
