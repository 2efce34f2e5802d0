"""timm-format CSV files written by hand: every kind of row and damage."""

import csv
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import published, store
from bench.errors import InvalidRequest, UnreadableFile

SPEED_NAME = "benchmark-infer-amp-nchw-pt291-cu130-5090.csv"
SPEED_HEADER = (
    "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,"
    "param_count,infer_gmacs,infer_macts"
)
SPEED_ROW = "resnet50,224,6356.02,161.077,1024,25.56,4.11,11.11"
ACCURACY_HEADER = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation"
ACCURACY_ROW = "resnet50.a1_in1k,288,81.214,18.786,95.112,4.888,25.56,1.000,bicubic"
RENAMES = {"convnext_base_in22k": "convnext_base.fb_in22k", "gone": None}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "2026-08"
    made.mkdir()
    return made


def put(folder, name, *lines):
    (folder / name).write_text("\n".join(lines) + "\n")


def read(folder, **options):
    speed, accuracy, report = published.read_folder(folder, renames=RENAMES, **options)
    return store.to_frame(speed), store.to_frame(accuracy), report


def reasons(report):
    return [str(problem) for problem in report.problems]


def refusal(folder, row, *, header=SPEED_HEADER, name=SPEED_NAME):
    """The reason why the second of two rows is refused; the first is good."""
    good = SPEED_ROW if name.startswith("benchmark") else ACCURACY_ROW
    put(folder, name, header, good, row)
    speed, accuracy, report = read(folder)
    assert len(speed) + len(accuracy) == 1
    (problem,) = report.problems
    assert (problem.file, problem.line) == (name, 3)
    return problem.reason


def exactly(text, power=0):
    """The double next to a published decimal, through rational arithmetic."""
    return float(Decimal(text.replace(",", "")) * Decimal(10) ** power)


# files


def test_a_file_of_unknown_name_or_test_set_is_named_and_the_others_stay(folder):
    put(folder, SPEED_NAME, SPEED_HEADER, SPEED_ROW)
    put(folder, "model_metadata-in1k.csv", "model,pretrain", "resnet50,in1k")
    put(folder, "results-imagenet-x.csv", ACCURACY_HEADER, ACCURACY_ROW)
    speed, accuracy, report = read(folder)
    assert (len(speed), len(accuracy)) == (1, 0)
    assert [problem.file for problem in report.problems] == [
        "model_metadata-in1k.csv",
        "results-imagenet-x.csv",
    ]
    assert "test set 'imagenet-x' in its name is unknown" in report.problems[1].reason


# rows


def test_a_row_is_read_to_the_last_digit(folder):
    put(folder, SPEED_NAME, SPEED_HEADER, SPEED_ROW)
    speed, _, report = read(folder)
    row = speed.iloc[0]
    assert row["step_s"] == 0.161077
    assert row["images_per_s"] == 6356.02
    assert (row["parameters"], row["multiply_adds"]) == (25_560_000, 4_110_000_000)
    assert row["activations"] == 11_110_000
    assert row["source"] == f"timm 2026-08: {SPEED_NAME}"
    assert (row["outcome"], list(row["flags"])) == ("ok", [])
    unknown = ["driver", "timm", "cudnn", "measured_at", "environment", "samples_s", "step_low_s"]
    assert row[unknown].isna().all()
    assert report.rows == {SPEED_NAME: 1}


def test_columns_may_come_in_any_order_and_be_missing_or_empty(folder):
    put(
        folder,
        SPEED_NAME,
        "infer_batch_size,infer_gmacs,infer_step_time,model,infer_samples_per_sec,infer_img_size",
        "1024.0,,161.077,resnet50,6356.02,224",
    )
    put(folder, "results-sketch.csv", "top1,img_size,model", "24.1,224,resnet18")
    speed, accuracy, report = read(folder)
    assert report.problems == []
    assert speed.iloc[0]["batch_size"] == 1024
    assert speed.iloc[0][["parameters", "multiply_adds", "activations"]].isna().all()
    assert accuracy.iloc[0]["top1_percent"] == 24.1
    unknown = ["tag", "top5_percent", "crop_fraction", "interpolation", "parameters"]
    assert accuracy.iloc[0][unknown].isna().all()


def test_line_ends_a_byte_order_mark_and_blank_lines_do_not_matter(folder):
    text = f"\ufeff{SPEED_HEADER}\r\n\r\n{SPEED_ROW}\r\n\r\n"
    (folder / SPEED_NAME).write_bytes(text.encode())
    speed, _, report = read(folder)
    assert (len(speed), report.problems) == (1, [])


def test_thousands_may_be_parted_by_commas(folder):
    row = 'eva_giant_patch14_336.clip_ft_in1k,336,89.4,10.6,98.8,1.2,"1,013.01",1.000,bicubic'
    put(folder, "results-imagenet.csv", ACCURACY_HEADER, row)
    _, accuracy, _ = read(folder)
    assert accuracy.iloc[0]["parameters"] == 1_013_010_000


def test_nothing_right_of_images_per_second_is_also_a_speed(folder):
    put(
        folder,
        SPEED_NAME,
        "model,infer_samples_per_sec,infer_img_size",
        "resnet50,6356.02,224",
    )
    speed, _, report = read(folder)
    assert report.problems == []
    assert speed.iloc[0][["step_s", "batch_size"]].isna().all()
    assert speed.iloc[0]["measure"] == "throughput"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("vgg11,224,,,,132.86,7.6,7.4", "incomplete: no infer_samples_per_sec"),
        ("vgg11,,100,10240,1024,132.86,7.6,7.4", "incomplete: no infer_img_size"),
        ("vgg11,224,100,,1024,132.86,7.6,7.4", "incomplete: no infer_step_time"),
        (",224,100,10240,1024,132.86,7.6,7.4", "incomplete: no model"),
        ("vgg11,224,fast,10240,1024,132.86,7.6,7.4", "infer_samples_per_sec is not a number"),
        ("vgg11,224,1_00,10240,1024,132.86,7.6,7.4", "infer_samples_per_sec is not a number"),
        ("vgg11,224,\u0663,10240,1024,132.86,7.6,7.4", "infer_samples_per_sec is not a number"),
        ("vgg11,224,nan,10240,1024,132.86,7.6,7.4", "infer_samples_per_sec is not finite"),
        ("vgg11,224,100,-inf,1024,132.86,7.6,7.4", "infer_step_time is not finite"),
        ("vgg11,224,-100,10240,1024,132.86,7.6,7.4", "infer_samples_per_sec must be positive"),
        ("vgg11,224,100,0,1024,132.86,7.6,7.4", "infer_step_time must be positive"),
        ("vgg11,224.5,100,10240,1024,132.86,7.6,7.4", "infer_img_size must be a whole number"),
        ("vgg11,99999,100,10240,1024,132.86,7.6,7.4", "infer_img_size must be at most 16384"),
        ("vgg11,224,100,10240,1024,many,7.6,7.4", "param_count is not a number"),
        ("vgg11,224,100,10240,1024,132.86,-7.6,7.4", "infer_gmacs must be positive"),
        ("vgg11,224,100,11300,1024,132.86,7.6,7.4", "a batch of 1130.0, not 1024"),
        ("vgg11,224,100,9200,1024,132.86,7.6,7.4", "a batch of 920.0, not 1024"),
        ("vgg11,224,100,10240,1024,132.86,7.6", "has 7 cells, the header has 8"),
        ("vgg11,224,100,10240,1024,132.86,7.6,7.4,1", "has 9 cells, the header has 8"),
        ('"vgg11,224,100,10240,1024,132.86,7.6,7.4', "not readable as CSV"),
        ("=cmd(),224,100,10240,1024,132.86,7.6,7.4", "model is not a name"),
        ("<b>vgg</b>,224,100,10240,1024,132.86,7.6,7.4", "model is not a name"),
        (SPEED_ROW, "a second resnet50, 224, throughput, 1024: see " + SPEED_NAME + ":2"),
    ],
)
def test_a_bad_speed_row_is_named_and_the_good_one_stays(folder, row, reason):
    assert reason in refusal(folder, row)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("vgg11.tv_in1k,224,,31,88.6,11.4,132.86,0.875,bilinear", "incomplete: no top1"),
        ("vgg11.tv_in1k,224,nan,31,88.6,11.4,132.86,0.875,bilinear", "top1 is not finite"),
        ("vgg11.tv_in1k,224,690,31,88.6,11.4,132.86,0.875,bilinear", "top1 must be from 0 to 100"),
        ("vgg11.tv_in1k,224,-1,31,88.6,11.4,132.86,0.875,bilinear", "top1 must be from 0 to 100"),
        ("vgg11.tv_in1k,224,96,31,88.6,11.4,132.86,0.875,bilinear", "do not make 100"),
        ("vgg11.tv_in1k,224,89,11,88.6,11.4,132.86,0.875,bilinear", "top1 89 is above top5 88.6"),
        ("vgg11.tv_in1k,224,69,31,88.6,11.4,132.86,-0.8,bilinear", "crop_pct must be positive"),
        (
            "vgg11.tv_in1k,224,69,31,88.6,11.4,132.86,0.8,<script>",
            "interpolation '<script>' is none of bicubic",
        ),
        ("vgg11.tv_in1k,224,69,31,88.6,11.4,132.86,2.9,bilinear", "crop_pct must be at most 2"),
        (ACCURACY_ROW, "a second resnet50.a1_in1k, imagenet-1k, 288"),
    ],
)
def test_a_bad_accuracy_row_is_named_and_the_good_one_stays(folder, row, reason):
    found = refusal(folder, row, header=ACCURACY_HEADER, name="results-imagenet.csv")
    assert reason in found


def test_an_accuracy_of_zero_is_an_accuracy(folder):
    put(folder, "results-imagenet-a.csv", ACCURACY_HEADER, "a.b,224,0.000,100.000,1,99,1,1,bicubic")
    _, accuracy, report = read(folder)
    assert (accuracy.iloc[0]["top1_percent"], report.problems) == (0.0, [])


def test_a_line_that_is_not_utf_8_is_named_and_the_others_stay(folder):
    bad = SPEED_ROW.replace("resnet50", "resn\xe9t50").encode("latin-1")
    (folder / SPEED_NAME).write_bytes(
        b"\n".join([SPEED_HEADER.encode(), bad, SPEED_ROW.encode(), b""])
    )
    speed, _, report = read(folder)
    assert list(speed["model"]) == ["resnet50"]
    assert reasons(report) == [f"{SPEED_NAME}:2: not UTF-8 text"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column model"),
        (b"\xff\xfem\x00o\x00d\x00e\x00l\x00", "its header is wrong: not UTF-8 text"),
        (b"model,top1\nresnet50,80\n", "no column infer_img_size, infer_samples_per_sec"),
        (
            f"{SPEED_HEADER},model\n{SPEED_ROW},x\n".encode(),
            "its header is wrong: a column appears twice",
        ),
        (f"{SPEED_HEADER}\r{SPEED_ROW}\r".encode(), "its header is wrong"),
    ],
)
def test_a_file_with_a_wrong_header_is_named_as_a_whole(folder, content, reason):
    (folder / SPEED_NAME).write_bytes(content)
    speed, _, report = read(folder)
    assert len(speed) == 0
    (problem,) = report.problems
    assert problem.line is None
    assert reason in problem.reason


def test_a_folder_named_like_a_csv_file_is_named(folder):
    (folder / SPEED_NAME).mkdir()
    _, _, report = read(folder)
    assert "cannot be read" in report.problems[0].reason


def test_two_files_of_one_set_do_not_hold_the_same_row_twice(folder):
    for token in ("5090", "rtx5090"):
        name = f"benchmark-infer-amp-nchw-pt291-cu130-{token}.csv"
        put(folder, name, SPEED_HEADER, SPEED_ROW)
    speed, _, report = read(folder)
    assert len(speed) == 1
    second, seen = "benchmark-infer-amp-nchw-pt291-cu130-rtx5090.csv:2", f"{SPEED_NAME}:2"
    assert reasons(report) == [f"{second}: a second resnet50, 224, throughput, 1024: see {seen}"]


def test_batch_one_everywhere_is_latency_and_anything_else_throughput(folder):
    single = "resnet18,224,100,10,1,11.69,1.8,2.5"
    put(folder, SPEED_NAME, SPEED_HEADER, single)
    assert set(read(folder)[0]["measure"]) == {"latency"}
    put(folder, SPEED_NAME, SPEED_HEADER, single, SPEED_ROW)
    assert set(read(folder)[0]["measure"]) == {"throughput"}


def test_an_old_name_keeps_its_row_beside_the_present_one(folder):
    rows = [
        SPEED_ROW.replace("resnet50", m) for m in ("convnext_base", "convnext_base_in22k", "gone")
    ]
    put(folder, "benchmark-infer-amp-nchw-pt112-cu113-rtx3090.csv", SPEED_HEADER, *rows)
    put(folder, "benchmark-infer-amp-nchw-pt111-cu113-rtx3090.csv", SPEED_HEADER, *rows)
    speed, _, report = read(folder)
    assert report.problems == []
    newer, older = (speed[speed["torch"] == torch] for torch in ("1.12", "1.11"))
    assert list(newer["model"]) == ["convnext_base", "convnext_base_in22k", "gone"]
    assert list(newer["architecture"]) == ["convnext_base", "convnext_base", "gone"]
    assert list(older["architecture"]) == list(older["model"])


# whole folders


def test_a_folder_without_a_date_needs_a_snapshot(tmp_path):
    put(tmp_path, SPEED_NAME, SPEED_HEADER, SPEED_ROW)
    with pytest.raises(InvalidRequest, match=r"a year and a month like 2026-08.*--snapshot"):
        read(tmp_path)
    with pytest.raises(InvalidRequest, match="got '2026-13'"):
        read(tmp_path, snapshot="2026-13")
    speed, _, report = read(tmp_path, snapshot="2027-01")
    assert report.snapshot == "2027-01"
    assert speed.iloc[0]["run"].startswith("2027-01-timm-rtx5090-")


def test_a_folder_that_is_absent_or_empty_is_an_error(tmp_path, folder):
    with pytest.raises(InvalidRequest, match="no folder"):
        read(tmp_path / "2020-01")
    with pytest.raises(InvalidRequest, match="no CSV file in"):
        read(folder)


def import_(folder, data, **options):
    return published.import_folder(folder, data, renames=RENAMES, **options)


def speeds(data):
    return store.to_frame(store.read(data / "published" / "speed.parquet", store.SPEED_SCHEMA))


def test_importing_again_changes_nothing_not_even_a_byte(folder, tmp_path):
    put(folder, SPEED_NAME, SPEED_HEADER, SPEED_ROW)
    put(folder, "results-imagenet.csv", ACCURACY_HEADER, ACCURACY_ROW)
    import_(folder, tmp_path)
    files = [tmp_path / "published" / f"{name}.parquet" for name in ("speed", "accuracy")]
    before = [file.read_bytes() for file in files]
    import_(folder, tmp_path)
    assert [file.read_bytes() for file in files] == before


def test_importing_again_replaces_a_files_rows_and_keeps_all_others(folder, tmp_path):
    other = "benchmark-train-amp-nchw-pt112-cu113-rtx3090.csv"
    put(folder, SPEED_NAME, SPEED_HEADER, SPEED_ROW, SPEED_ROW.replace("resnet50", "vgg11"))
    put(folder, other, SPEED_HEADER.replace("infer", "train"), SPEED_ROW)
    import_(folder, tmp_path)
    import_(folder, tmp_path, snapshot="2026-09")
    put(folder, SPEED_NAME, SPEED_HEADER, SPEED_ROW.replace("6356.02", "6300.00"))
    (folder / other).unlink()
    import_(folder, tmp_path)
    rows = speeds(tmp_path)
    replaced = rows[rows["source"] == f"timm 2026-08: {SPEED_NAME}"]
    assert list(replaced["images_per_s"]) == [6300.0]
    assert list(rows.groupby("source").size()) == [1, 1, 2, 1]


def test_a_file_that_yields_nothing_replaces_nothing(folder, tmp_path):
    put(folder, SPEED_NAME, SPEED_HEADER, SPEED_ROW)
    import_(folder, tmp_path)
    put(folder, SPEED_NAME, SPEED_HEADER, "resnet50,224,,,,,,")
    report = import_(folder, tmp_path)
    assert report.imported == 0
    assert len(speeds(tmp_path)) == 1


def test_a_damaged_parquet_file_is_not_written_over(folder, tmp_path):
    put(folder, SPEED_NAME, SPEED_HEADER, SPEED_ROW)
    put(folder, "results-imagenet.csv", ACCURACY_HEADER, ACCURACY_ROW)
    damaged = tmp_path / "published" / "accuracy.parquet"
    damaged.parent.mkdir()
    damaged.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(UnreadableFile, match=r"accuracy\.parquet, to be added to, is not readable"):
        import_(folder, tmp_path)
    assert damaged.read_bytes() == b"PAR1 not really PAR1"
    assert not (tmp_path / "published" / "speed.parquet").exists()


# what nobody thought of


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_rows_or_reasons_and_never_a_crash(folder, content):
    (folder / SPEED_NAME).write_bytes(content)
    (folder / "results-imagenet.csv").write_bytes(ACCURACY_HEADER.encode() + b"\n" + content)
    _, _, report = read(folder)
    lines = [line for line in content.split(b"\n") if line.strip()]
    accuracy = [p for p in report.problems if p.file == "results-imagenet.csv"]
    assert len(accuracy) + report.rows.get("results-imagenet.csv", 0) == len(lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, len(SPEED_ROW) - 1), st.characters(codec="ascii", exclude_characters="\n"))
def test_one_wrong_character_never_yields_a_row_that_contradicts_itself(folder, at, character):
    """What remains is a row whose figures agree, under the name that the file gives."""
    changed = SPEED_ROW[:at] + character + SPEED_ROW[at + 1 :]
    put(folder, SPEED_NAME, SPEED_HEADER, changed)
    speed, _, report = read(folder)
    assert len(speed) + len(report.problems) == 1
    for _, row in speed.iterrows():
        assert row["images_per_s"] * row["step_s"] == pytest.approx(row["batch_size"], rel=0.1)
        cells = next(csv.reader([changed]))
        assert row["model"] == cells[0].strip()
        assert row["images_per_s"] == exactly(cells[2].strip())


@given(
    st.decimals("0.01", "999999", places=2, allow_nan=False),
    st.integers(1, 4096),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_published_decimal_comes_back_to_the_last_digit(folder, rate, batch):
    step_ms = (Decimal(1000) * batch / rate).quantize(Decimal("0.000001"))
    row = f"resnet50,224,{rate},{step_ms},{batch},{rate},{rate},{rate}"
    put(folder, SPEED_NAME, SPEED_HEADER, row)
    speed, _, _ = read(folder)
    mine = speed.iloc[0]
    assert mine["images_per_s"] == float(rate)
    assert mine["step_s"] == float(step_ms / 1000)
    assert mine["parameters"] == rate * 10**6
    assert mine["multiply_adds"] == rate * 10**9
