"""The command line as a user meets it: help, tables, JSON, CSV, one clear line for a mistake."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from bench import cli, store

ROOT = Path(__file__).parents[1]
RTX5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"
RTX3090_OLD = "2022-07-timm-rtx3090-amp-fp16-nchw-pt1.11-cu11.3"
COMMANDS = ("models", "results", "points", "catalogue", "import")
SPEED_NAME = "benchmark-infer-amp-nchw-pt291-cu130-5090.csv"
SPEED_HEADER = "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size"


@pytest.fixture
def bench(tmp_path):
    """Runs a command on a data folder of its own; what ships is read beside it."""

    def run(*arguments):
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(
            cli.main, words, prog_name="python -m bench", env={"BENCH_DATA": str(tmp_path / "data")}
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def csv_folder(tmp_path):
    folder = tmp_path / "2027-03"
    folder.mkdir()
    row = "resnet50,224,6356.02,161.077,1024"
    (folder / SPEED_NAME).write_text(f"{SPEED_HEADER}\n{row}\nvgg11,224,,,\n")
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    return folder


def rows_of(result):
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def complaint(result):
    """The one line of an error, without click's usage hint; never a traceback."""
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    *hint, line = result.stderr.strip().split("\n")
    assert line.startswith("Error: ")
    assert all(text.startswith(("Usage:", "Try ")) or not text for text in hint)
    return line


# every command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example_and_the_data_folder(bench, command):
    result = bench(command, "--help")
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    assert f"Example: python -m bench {command}" in text
    assert "--data FOLDER" in text
    assert "env var: BENCH_DATA; default: data" in text
    assert "--json" in text
    assert "--csv" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_does_not_exist_is_one_line(bench, command):
    assert "No such option" in complaint(bench(command, "--fast"))


def test_the_help_lists_every_command(bench):
    result = bench("--help")
    assert all(f"\n  {command} " in result.output for command in COMMANDS)


def test_a_data_folder_that_is_a_file_is_one_line(bench, tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert "is a file" in complaint(bench("results", "--data", file))


def test_a_real_process_answers_and_fails_as_the_runner_does(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "bench", *arguments, "--data", str(tmp_path)]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)

    good = run("results", "--json")
    assert (good.returncode, good.stderr) == (0, "")
    assert any(entry["id"] == RTX5090 for entry in json.loads(good.stdout))
    bad = run("points", "nothing-like-it")
    assert bad.returncode == 1
    assert bad.stderr == (
        "Error: no results set 'nothing-like-it'; `python -m bench results` lists them\n"
    )


def test_help_needs_none_of_the_heavy_packages():
    code = (
        "import sys; from bench.cli import main\n"
        "try: main(['points', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'pandas', 'pyarrow', 'torch', 'rich'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr == "set()\n"


# models


def test_models_lists_what_timm_has(bench):
    rows = json.loads(bench("models", "--json").stdout)
    assert len({row["architecture"] for row in rows}) == 1371
    assert set(rows[0]) == {
        "architecture",
        "family",
        "image_size",
        "weights",
        "parameters",
        "multiply_adds",
        "activations",
        "message",
    }
    (refused,) = (row for row in rows if row["architecture"] == "vit_base_patch16_sapiens2")
    assert refused["image_size"] is None
    assert "not a square RGB image" in refused["message"]


def test_models_takes_a_pattern(bench):
    rows = rows_of(bench("models", "resnet50", "--csv"))
    assert [(row["architecture"], row["family"], row["image_size"]) for row in rows] == [
        ("resnet50", "resnet", "288"),
        ("resnet50", "resnet", "224"),
    ]
    assert {row["parameters"] for row in rows} == {"25557032"}
    of_weights = rows_of(bench("models", "*.a1_in1k", "--csv"))
    assert ("resnet50", "288") in {(r["architecture"], r["image_size"]) for r in of_weights}
    table = bench("models", "resnet50").stdout
    assert "image size" in table
    assert "25.6 M" in table


def test_models_offers_what_was_perhaps_meant(bench):
    assert "did you mean resnet50" in complaint(bench("models", "resnet5O"))


# results


def test_results_as_json_are_what_the_document_promises(bench):
    sets = {entry["id"]: entry for entry in json.loads(bench("results", "--json").stdout)}
    entry = sets[RTX3090_OLD]
    assert entry["measures"] == {"throughput": 749, "training": 755}
    assert (entry["device"], entry["device_kind"]) == ("NVIDIA GeForce RTX 3090", "cuda")
    assert (entry["precision"], entry["layout"], entry["compiled"]) == ("amp-fp16", "nchw", "eager")
    assert (entry["torch"], entry["timm"], entry["measured_at"]) == ("1.11", None, None)
    assert "timm 2022-07: benchmark-infer-amp-nchw-pt111-cu113-rtx3090.csv" in entry["source"]


def test_results_of_an_empty_data_folder_are_those_that_ship(bench):
    rows = rows_of(bench("results", "--csv"))
    published = [row for row in rows if row["source"].startswith("timm ")]
    assert len(published) == 24
    assert {row["throughput"] for row in published if row["id"] == RTX5090} == {"1627"}
    assert RTX5090 in bench("results").stdout


def test_a_damaged_file_is_named_and_everything_else_is_shown(bench, tmp_path):
    damaged = tmp_path / "data" / "measured" / "bad.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PAR1")
    result = bench("results", "--csv")
    assert len(rows_of(result)) >= 24
    assert f"Left out {damaged}: not readable as Parquet" in result.stderr


# points


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
    from bench import points

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


# import


def test_an_import_is_reported_read_back_and_shown_beside_what_ships(bench, csv_folder):
    result = bench("import", csv_folder)
    assert result.exit_code == 0
    assert SPEED_NAME in result.stdout
    assert f"{SPEED_NAME}:3: incomplete: no infer_samples_per_sec" in result.stderr
    assert "notes.csv: its name is not" in result.stderr
    assert result.stderr.endswith("Snapshot 2027-03: 1 rows imported, 2 problems.\n")
    sets = {entry["id"]: entry for entry in json.loads(bench("results", "--json").stdout)}
    mine = sets["2027-03-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"]
    assert mine["measures"] == {"throughput": 1}
    assert RTX5090 in sets


def test_an_import_as_json_and_csv(bench, csv_folder):
    report = json.loads(bench("import", csv_folder, "--json").stdout)
    assert report["snapshot"] == "2027-03"
    assert report["rows"] == {SPEED_NAME: 1}
    assert [(p["file"], p["line"]) for p in report["problems"]] == [
        (SPEED_NAME, 3),
        ("notes.csv", None),
    ]
    rows = rows_of(bench("import", csv_folder, "--csv"))
    assert rows == [
        {"file": SPEED_NAME, "rows": "1", "refused": "1"},
        {"file": "notes.csv", "rows": "0", "refused": "1"},
    ]


def test_an_import_of_nothing_usable_fails_and_still_says_why(bench, csv_folder):
    (csv_folder / SPEED_NAME).unlink()
    result = bench("import", csv_folder)
    assert result.exit_code == 1
    assert "notes.csv: its name is not" in result.stderr
    assert result.stderr.splitlines()[-1] == (
        f"Error: nothing could be imported from {csv_folder}: 1 problems"
    )


def test_an_import_needs_a_date_a_folder_and_files(bench, tmp_path, csv_folder):
    undated = csv_folder.rename(tmp_path / "results")
    assert "give it with --snapshot" in complaint(bench("import", undated))
    assert bench("import", undated, "--snapshot", "2027-03").exit_code == 0
    assert "a year and a month" in complaint(bench("import", undated, "--snapshot", "March"))
    assert "no folder" in complaint(bench("import", tmp_path / "absent"))
    empty = tmp_path / "2027-04"
    empty.mkdir()
    assert "no CSV file in" in complaint(bench("import", empty))


def test_an_import_into_a_folder_that_cannot_be_written_is_one_line(bench, csv_folder, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "published").touch()
    line = complaint(bench("import", csv_folder))
    assert "File exists" in line or "Not a directory" in line


# catalogue


def test_catalogue_says_what_it_lacks_where_there_is_no_torch(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from bench.cli import main; main(prog_name='python -m bench')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "catalogue", "--data", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: this needs torch, torchvision and timm: ")
    assert not (tmp_path / "published").exists()


def test_catalogue_needs_at_least_one_process(bench):
    assert "0 is not in the range" in complaint(bench("catalogue", "--processes", 0))


# text that steers


def test_what_could_steer_a_terminal_is_not_printed(bench, tmp_path):
    shipped = store.read(store.SHIPPED / "published/speed.parquet", store.SPEED_SCHEMA)
    row = shipped.slice(0, 1).to_pylist()[0] | {"run": "2027", "device": "\x1b[31mred\x1b]0;x\x07"}
    table = pa.Table.from_pylist([row], schema=store.SPEED_SCHEMA)
    store.publish(table, tmp_path / "data" / "measured" / "x.parquet")
    result = bench("results")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "red" in result.stdout


def test_numbers_stay_whole_and_missing_ones_stay_missing():
    from bench import cli_output

    frame = pd.DataFrame(
        {
            "count": pd.array([25557032, None], dtype="Int64"),
            "share": [0.1, float("nan")],
            "on": [True, False],
            "flags": [["noisy", "launch_bound"], []],
        }
    )
    assert cli_output.records(frame) == [
        {"count": 25557032, "share": 0.1, "on": True, "flags": ["noisy", "launch_bound"]},
        {"count": None, "share": None, "on": False, "flags": []},
    ]
