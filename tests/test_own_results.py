"""Results of one's own on the page: what is damaged, odd, empty or not there at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dashboard import (
    drawn,
    messages,
    plain,
    publish_accuracy,
    publish_speeds,
    sentence,
    settled,
    shown,
    visit,
)
from selections import RUN_5090
from streamlit.testing.v1 import AppTest

EVIL = "<b>bold</b> **[x](https://example.org)** :red[r] $x$ `c` ~~s~~"


pytestmark = pytest.mark.usefixtures("data")


def own(data: Path, run: str = "2026-11-01T120000Z-aaaa", *, folder: str = "measured") -> Path:
    rows = [
        {"architecture": "resnet50", "image_size": 224, "images_per_s": 900.0},
        {"architecture": "vit_base_patch16_224", "image_size": 224, "images_per_s": 300.0},
    ]
    return publish_speeds(data, run, rows, folder=folder)


@pytest.mark.parametrize("folder", ["runs", "measured"])
def test_results_of_ones_own_are_a_results_set_with_intervals(data: Path, folder: str) -> None:
    run = "2026-11-01T120000Z-aaaa"
    rows = [{"architecture": "resnet50", "image_size": 224, "images_per_s": 900.0}]
    publish_speeds(data, run, rows, folder=folder)
    app = visit(set=run)
    assert app.selectbox(key="set").value == run
    (row,) = shown(app).to_dict("records")
    assert row["model"].startswith("resnet50.")
    assert row["seconds"] == pytest.approx(1 / 900)
    assert row["low"] < row["seconds"] < row["high"]
    (table,) = app.dataframe
    assert table.value["interval"].str.startswith("±").all()


def test_a_new_file_is_seen_at_the_next_rerun(data: Path) -> None:
    app = visit()
    before = app.selectbox(key="set").options
    own(data)
    settled(app.run())
    added = set(app.selectbox(key="set").options) - set(before)
    assert len(added) == 1
    assert "measured 2026-11-01 12:00" in added.pop()


def left_out(app: AppTest) -> list[str]:
    """The banners about files that cannot be read."""
    return [text for text in messages(app)["warning"] if text.startswith("Left out ")]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0x10
    path.write_bytes(content)


def text(path: Path) -> None:
    path.write_text("model,speed\nresnet50,900\n")


def another_schema(path: Path) -> None:
    path.unlink()
    pq.write_table(pa.table({"model": ["resnet50"], "speed": [900]}), path)


@pytest.mark.parametrize("folder", ["measured", "runs"])
@pytest.mark.parametrize("damage", [truncated, flipped, text, another_schema])
def test_a_file_that_cannot_be_trusted_is_named_and_everything_else_stays(
    data: Path, damage, folder: str
) -> None:
    run = "2026-11-02T120000Z-bbbb"
    good, bad = own(data), own(data, run, folder=folder)
    damage(bad)
    app = visit()
    (said,) = left_out(app)
    assert run in said
    assert said.endswith("Every other file is shown.")
    assert len(shown(app)) > 1000
    options = app.selectbox(key="set").options
    assert sum("measured 2026-11-01" in option for option in options) == 1
    assert good.exists()
    for page in ("compare", "runs", "method"):
        visit(page)


def test_of_two_unreadable_runs_each_can_be_told_from_its_banner(data: Path) -> None:
    for run in ("2026-11-02T120000Z-bbbb", "2026-11-03T120000Z-cccc"):
        text(own(data, run, folder="runs"))
    said = left_out(visit())
    assert len(said) == len(set(said)) == 2, said


def test_an_unreadable_accuracy_of_ones_own_is_named_and_the_shipped_one_serves(
    data: Path,
) -> None:
    path = data / "published" / "accuracy.parquet"
    path.parent.mkdir(parents=True)
    text(path)
    app = visit()
    (said,) = messages(app)["warning"]
    assert "accuracy.parquet" in said
    assert len(shown(app)) > 1000


def test_a_name_made_of_markup_is_escaped_wherever_markdown_is_written(data: Path) -> None:
    publish_accuracy(data, [{"model": EVIL, "image_size": 224, "top1_percent": 99.0}])
    architecture = EVIL.partition(".")[0]
    rows = [{"architecture": architecture, "image_size": 224, "images_per_s": 900.0}]
    run = "2026-11-01T120000Z-aaaa"
    publish_speeds(data, run, [{**row, "device": EVIL, "torch": "<i>2</i>"} for row in rows])
    app = visit(set=run, model=f"{EVIL}@224")
    (row,) = shown(app).to_dict("records")
    assert row["model"] == EVIL
    assert EVIL in sentence(app) or plain(EVIL) in sentence(app)
    texts = [
        one.value for kind in ("markdown", "caption", "subheader") for one in getattr(app, kind)
    ]
    assert sum("bold" in one for one in texts) >= 3, "the sentence, the particulars, the card"
    for one in texts:
        for mark in ("<b>", "**[x]", ":red[", "$x$", "`c`", "~~s"):
            assert mark not in one, one
    assert not any(one.allow_html for one in app.markdown)


def test_a_results_set_whose_models_have_no_accuracy_says_so(data: Path) -> None:
    run = "2026-11-01T120000Z-aaaa"
    rows = [{"architecture": "resnet50", "image_size": 97, "images_per_s": 900.0}]
    publish_speeds(data, run, rows)
    app = visit(set=run)
    assert app.selectbox(key="set").value == run
    said = [text for kind in messages(app).values() for text in kind]
    assert any("accuracy" in text for text in said), said
    beside = visit(beside=run)
    assert len(shown(beside)) > 1000


def test_a_run_in_which_everything_failed_takes_nothing_else_along(data: Path) -> None:
    run = "2026-11-01T120000Z-aaaa"
    rows = [{"architecture": "resnet50", "image_size": 224, "images_per_s": None}]
    publish_speeds(data, run, rows)
    app = visit()
    assert len(shown(app)) > 1000
    for page, link in (
        ("models", {"set": run}),
        ("models", {"beside": run}),
        ("compare", {}),
        ("method", {}),
        ("runs", {}),
    ):
        visit(page, **link)


def test_ones_own_accuracy_of_a_publication_stands_in_for_the_shipped_one(data: Path) -> None:
    rows = [{"model": "resnet50.mine", "image_size": 224, "top1_percent": 81.5}]
    publish_accuracy(data, rows)
    (row,) = shown(visit(set=RUN_5090)).to_dict("records")
    assert (row["model"], row["top1"]) == ("resnet50.mine", 81.5)


def test_a_chart_of_one_model_is_drawn_with_a_sentence(data: Path) -> None:
    run = "2026-11-01T120000Z-aaaa"
    publish_speeds(
        data, run, [{"architecture": "resnet50", "image_size": 224, "images_per_s": 900.0}]
    )
    app = visit(set=run)
    assert "is resnet50." in sentence(app)
    assert len(drawn(app)) == 1


WITHOUT_RESULTS = """
import json
from dashboard import messages, visit
found = {}
for page in ("models", "compare", "runs", "method"):
    app = visit(page)
    found[page] = {
        "info": messages(app)["info"],
        "headings": [one.value for one in app.header],
        "charts": len(app.get("vega_lite_chart")),
        "buttons": [one.label for one in app.sidebar.button],
    }
print(json.dumps(found))
"""


def test_a_cost_that_nobody_knows_is_said_and_one_point_is_no_proxy(data: Path) -> None:
    run = "2026-11-01T120000Z-aaaa"
    publish_accuracy(data, [{"model": "mine", "image_size": 224, "top1_percent": 80.0}])
    publish_speeds(data, run, [{"architecture": "mine", "image_size": 224, "images_per_s": 900.0}])
    app = visit(set=run, against="Multiply-adds")
    assert messages(app)["info"] == ["Nothing is known of these models' multiply-adds."]
    settled(app.radio(key="against").set_value("Accuracy").run())
    assert shown(app)["model"].tolist() == ["mine"]

    rows = [{"architecture": "mine", "image_size": 224, "images_per_s": 900.0, "parameters": 10**7}]
    publish_speeds(data, "2026-11-01T120001Z-bbbb", rows)
    app = visit(set="2026-11-01T120001Z-bbbb", against="Parameters")
    assert shown(app)["cost"].tolist() == [10**7]
    said = [plain(one.value) for one in app.main.markdown]
    assert "Too few points have known parameters to say how they go with time." in said


def test_without_any_results_every_page_says_how_to_get_some(
    repository: Path, tmp_path: Path, data: Path
) -> None:
    bare = tmp_path / "project"
    for folder in ("bench", "pages", ".streamlit"):
        shutil.copytree(
            repository / folder, bare / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(repository / "app.py", bare)
    (bare / "tests").mkdir()
    for helper in ("dashboard.py", "harness.py"):
        shutil.copy(repository / "tests" / helper, bare / "tests")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RESULTS],
        cwd=bare,
        env={**os.environ, "PYTHONPATH": f"{bare}:{bare / 'tests'}", "BENCH_DATA": str(data)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    for page, seen in found.items():
        assert len(seen["headings"]) == 1, page
        assert "Run benchmark" in seen["buttons"], page
        assert seen["charts"] == 0
    for page in ("models", "compare"):
        (said,) = found[page]["info"]
        assert "python -m bench import FOLDER" in said
        assert "Run benchmark" in said
    (said,) = found["runs"]["info"]
    assert said.startswith("Nothing has been measured here yet.")
    assert found["method"]["info"] == ["There are no results yet."]
