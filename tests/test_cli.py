"""The command line as a user meets it: help, tables, JSON, CSV, one clear line for a mistake."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from commands import RTX3090_OLD, RTX5090, complaint, rows_of

from bench import store

ROOT = Path(__file__).parents[1]
COMMANDS = ("models", "results", "points", "catalogue", "import")


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
