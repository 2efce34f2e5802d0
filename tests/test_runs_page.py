"""The Runs page on real runs: supervisors and journals are real, the worker follows a plan."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dashboard import messages, plain, settled, visit
from streamlit.testing.v1 import AppTest

from bench import locks, runs
from bench.permission import COMMAND_LINE, Asker
from tests.faults import stage

ADA = Asker(command_line=True, email="ada@example.org")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data"
    yield folder
    for now in runs.list_runs(folder):
        if now.alive:
            runs.force_end(now.run, folder, by=COMMAND_LINE)
        assert stage.members(now.run) == []


def texts(app: AppTest) -> list[str]:
    """All that the page says, as plain text."""
    kinds = ("markdown", "caption", "error", "warning", "info")
    return [plain(one.value) for kind in kinds for one in getattr(app.main, kind)]


def badges(app: AppTest) -> list[str]:
    """The states of the cards, from the top: a badge is Markdown of its own."""
    return [
        one.value.partition("-badge[")[2].rstrip("]")
        for one in app.main.markdown
        if "-badge[" in one.value
    ]


def buttons(app: AppTest) -> list[str]:
    return [one.label for one in app.main.button]


def links(app: AppTest) -> list[str]:
    return [one.proto.label for one in app.main.get("page_link")]


def downloads(app: AppTest) -> list[str]:
    return [one.proto.label for one in app.main.get("download_button")]


def done(data: Path, *names: str, **how) -> str:
    run = stage.submit(data, *names, **how)
    stage.over(run, data)
    return run


def test_where_nothing_was_measured_the_page_says_how_to_start() -> None:
    app = visit("runs")
    (said,) = messages(app)["info"]
    assert "Nothing has been measured here yet." in said
    assert "python -m bench run" in said
    assert [one.value for one in app.header] == ["Benchmark runs"]


def test_a_finished_run_is_shown_with_all_that_can_be_done_with_it(data: Path) -> None:
    run = done(data, "test_vit", "test_resnet", title="two of *them*", by=ADA)
    app = visit("runs")
    assert badges(app) == ["done"]
    said = texts(app)
    assert "two of *them*" in said
    assert "2 of 2 measurements made." in said
    (facts,) = [text for text in said if run in text]
    assert facts.startswith(f"Stand-in · {run} · took ")
    assert facts.endswith("started by ada@example.org")
    assert links(app) == ["Show on the chart"]
    assert downloads(app) == ["Parquet"]
    assert buttons(app) == []
    assert messages(app) == {"info": [], "warning": [], "error": []}


def test_failures_and_flags_are_counted_by_kind(data: Path) -> None:
    done(
        data,
        *stage.NAMES[:4],
        plan={
            stage.NAMES[0]: "segfault",
            stage.NAMES[1]: "exit:1",
            stage.NAMES[2]: "out_of_memory",
        },
    )
    app = visit("runs")
    (said,) = [text for text in texts(app) if text.startswith("Without a figure: ")]
    assert said in (
        "Without a figure: 2 crashed, 1 out of memory",
        "Without a figure: 1 out of memory, 2 crashed",
    )
    assert badges(app) == ["done"]


def test_a_living_run_shows_its_progress_and_can_be_cancelled(data: Path) -> None:
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    app = visit("runs")
    assert badges(app) == ["running"]
    (bar, foot) = (area.get("progress")[0].proto for area in (app.main, app.sidebar))
    assert bar.value == foot.value == 50
    assert bar.text.startswith("1 of 2")
    assert any(
        "test_resnet, 160 px, latency: measure" in plain(c.value) for c in app.sidebar.caption
    )
    assert buttons(app) == ["Cancel"]
    assert links(app) == ["Show on the chart"]
    assert "Run benchmark" not in [one.label for one in app.sidebar.button]
    settled(app.main.button[0].click().run())
    end = stage.over(run, data, timeout_s=12)
    assert end.state == "cancelled"
    settled(app.run())
    assert badges(app) == ["cancelled"]
    assert buttons(app) == ["Resume"]
    assert downloads(app) == ["Parquet"]
    assert stage.members(run) == []


def test_cancel_in_the_sidebar_is_the_same_cancel_on_every_page(data: Path) -> None:
    run = stage.submit(data, "test_vit", plan={"test_vit": "deaf:600"})
    stage.measuring(run, data, "test_vit")
    app = visit("method")
    (cancel,) = [one for one in app.sidebar.button if one.label == "Cancel"]
    settled(cancel.click().run())
    assert runs.status(run, data).cancelling or not runs.status(run, data).alive
    assert stage.over(run, data, timeout_s=12).state == "cancelled"
    settled(app.run())
    assert "Run benchmark" in [one.label for one in app.sidebar.button]


def test_a_cancelled_run_is_resumed_and_measures_what_is_missing(data: Path) -> None:
    # All is real here, the worker too: rows of one run must come from one device and software.
    names = stage.NAMES[4:7]
    run = runs.submit(stage.request(*names), data, by=COMMAND_LINE)
    stage.until(lambda: runs.status(run, data).done, "its first row", timeout_s=120)
    runs.cancel(run, data, by=COMMAND_LINE)
    missing = 3 - stage.over(run, data).done
    assert missing
    app = visit("runs")
    assert badges(app) == ["cancelled"]
    (resume,) = app.main.button
    settled(resume.click().run())
    assert badges(app)[0] in ("queued", "starting", "running", "done")
    end = stage.over(run, data, timeout_s=120)
    assert (end.state, end.done) == ("done", 3)
    rows = pq.read_table(data / "runs" / run / "results.parquet").to_pylist()
    assert [(row["model"], row["outcome"]) for row in rows] == [(name, "ok") for name in names]
    settled(app.run())
    assert badges(app) == ["done"]
    assert buttons(app) == []


def test_a_run_cut_by_its_time_limit_is_partial_and_says_why(data: Path) -> None:
    done(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"}, time_limit_s=3.0)
    app = visit("runs")
    assert badges(app) == ["partial"]
    assert "1 of 2 measurements made." in texts(app)
    assert any("time limit" in text for text in texts(app))
    assert buttons(app) == ["Resume"]


def test_a_killed_run_is_shown_as_crashed_with_what_it_measured(data: Path) -> None:
    run = stage.submit(data, "test_vit", "test_resnet", plan={"test_resnet": "slow:600"})
    stage.measuring(run, data, "test_resnet")
    stage.supervisor_of(data, run).kill()
    stage.over(run, data, timeout_s=5)
    app = visit("runs")
    assert badges(app) == ["crashed"]
    (said,) = messages(app)["error"]
    assert "what was measured is kept" in said
    assert buttons(app) == ["Resume"]
    # Whoever opens a page publishes it.
    settled(app.run())
    assert downloads(app) == ["Parquet"]
    assert len(pq.read_table(data / "runs" / run / "results.parquet")) == 1


def test_a_run_whose_worker_never_starts_has_failed_and_the_log_says_why(data: Path) -> None:
    start = stage.start_with(options=("--start", "die"))
    run = runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
    stage.over(run, data)
    app = visit("runs")
    assert badges(app) == ["failed"]
    (said,) = messages(app)["error"]
    assert "no module named torch" in said
    assert "no module named torch" in app.code[0].value
    assert downloads(app) == []
    assert links(app) == []
    assert buttons(app) == ["Resume"]
    for page in ("models", "compare", "method"):
        visit(page)


def test_a_run_that_waits_for_its_supervisor_is_queued(data: Path) -> None:
    def start(folder, lock):
        return [sys.executable, "-c", "import time; time.sleep(600)"]

    run = runs.submit(stage.request("test_vit"), data, by=COMMAND_LINE, start=start)
    app = visit("runs")
    assert badges(app) == ["queued"]
    assert any(run in text for text in texts(app))
    assert locks.holder("cpu").run == run


def without_its_end(run: Path) -> list[bytes]:
    """The lines of a run's journal but the last: those of a run that crashed."""
    return (run / "journal.jsonl").read_bytes().splitlines(keepends=True)[:-1]


def test_damaged_lines_of_a_journal_are_counted_and_the_rest_is_shown(data: Path) -> None:
    folder = data / "runs" / done(data, "test_vit", "test_resnet")
    lines = without_its_end(folder)
    (folder / "journal.jsonl").write_bytes(b"".join([lines[0], b"{ not json\n", *lines[1:]]))
    app = visit("runs")
    assert badges(app) == ["crashed"]
    assert "2 of 2 measurements made." in texts(app)
    assert messages(app)["warning"] == ["1 line of its journal could not be read and was left out."]


@pytest.mark.parametrize("is_published", [True, False])
@pytest.mark.parametrize("state", ["done", "crashed"])
def test_a_run_whose_request_is_damaged_takes_no_page_along(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    state: str,
    is_published: bool,
) -> None:
    run = done(data, "test_vit")
    # Another folder: a server that has read a request keeps it in mind.
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "other"))
    copy = shutil.copytree(data / "runs" / run, tmp_path / "other" / "runs" / run)
    (copy / "request.json").write_text("{")
    if not is_published:
        (copy / "results.parquet").unlink()
    if state == "crashed":
        (copy / "journal.jsonl").write_bytes(b"".join(without_its_end(copy)))
    app = visit("runs")
    assert badges(app) == [state]
    assert any(run in text for text in texts(app))
    if state == "crashed":
        assert any("cannot be read" in text for text in messages(app)["error"])
    for page in ("models", "compare", "method"):
        visit(page)


def test_titles_names_and_logs_are_shown_as_text(data: Path) -> None:
    evil = "<b>x</b> **y** [z](https://example.org) :red[r]"
    run = done(data, "test_vit", title=evil, by=Asker(command_line=True, email="*a*@b.c"))
    (data / "runs" / run / "log.txt").write_text(f"{evil}\n\x1b[31mred\n")
    app = visit("runs")
    assert evil in [
        one.value.replace("\\", "").replace("\u2060", "")[2:-2] for one in app.main.markdown
    ]
    for one in [*app.main.markdown, *app.main.caption]:
        assert "<b>" not in one.value
        assert ":red[" not in one.value
        assert not one.allow_html
    assert any("started by *a*@b.c" in text for text in texts(app))
    assert evil in app.code[0].value
    assert "\x1b" not in app.code[0].value


def test_a_finished_run_appears_on_the_chart_and_failed_rows_do_not(data: Path) -> None:
    run = done(data, "test_vit", "test_resnet", plan={"test_vit": "segfault"})
    app = visit(set=run, test_models="true")
    assert app.selectbox(key="set").value == run
    (row,) = app.dataframe[0].value.to_dict("records")
    assert row["model"].startswith("test_resnet.")
    assert "1 failure" in plain(app.sidebar.caption[0].value)


def test_the_newest_twenty_runs_are_shown_and_the_rest_on_request(data: Path) -> None:
    first = done(data, "test_vit")
    for minute in range(24):
        copy = data / "runs" / f"2026-01-01T00{minute:02}00Z-{minute:04x}"
        shutil.copytree(data / "runs" / first, copy)
    app = visit("runs")
    assert len(badges(app)) == 20
    assert first in next(text for text in texts(app) if "Z-" in text), "the newest comes first"
    settled(app.main.button[0].click().run())
    assert len(badges(app)) == 25
