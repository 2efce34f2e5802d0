"""`python -m bench import`: timm-format CSV files become results, reported and read back."""

import json

import pytest
from commands import RTX5090, complaint, rows_of

SPEED_NAME = "benchmark-infer-amp-nchw-pt291-cu130-5090.csv"
SPEED_HEADER = "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size"


@pytest.fixture
def csv_folder(tmp_path):
    folder = tmp_path / "2027-03"
    folder.mkdir()
    row = "resnet50,224,6356.02,161.077,1024"
    (folder / SPEED_NAME).write_text(f"{SPEED_HEADER}\n{row}\nvgg11,224,,,\n")
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    return folder


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
