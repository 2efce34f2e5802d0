"""The button and its form: what it offers, what it promises, and why it is off."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
from dashboard import messages, plain, publish_speeds, settled, visit
from streamlit import config
from streamlit.testing.v1 import AppTest

from bench import catalogue, estimate, index, runs, store, waiting
from bench.permission import COMMAND_LINE
from tests.faults import stage
from tests.faults.surroundings import NotPossibleHere, small_disk


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data"
    yield folder
    alive = [now for now in runs.list_runs(folder) if now.alive]
    for now in sorted(alive, key=lambda now: now.place or 0, reverse=True):
        runs.force_end(now.run, folder, by=COMMAND_LINE)
        assert stage.members(now.run) == []


@pytest.fixture
def busy(data: Path) -> str:
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    return run


def press(app: AppTest, key: str) -> AppTest:
    return settled(app.button(key=key).click().run())


def form(app: AppTest, key: str = "another_benchmark") -> AppTest:
    """The page with the form open; a CPU is its only device here."""
    return press(app, key)


def said(app: AppTest) -> str:
    """All captions, in the form, the page and the sidebar."""
    return "\n".join(plain(one.value) for one in app.caption)


def bars(app: AppTest) -> list[str]:
    """The runs in the sidebar, each with how far it is or where it waits."""
    progress = [plain(one.proto.text) for one in app.sidebar.get("progress")]
    return progress + [plain(one.value) for one in app.sidebar.caption if "in line" in one.value]


def is_open(app: AppTest) -> bool:
    return any(button.key == "run_start" for button in app.button)


def test_on_a_busy_device_the_form_offers_to_wait_in_line(data: Path, busy: str) -> None:
    app = form(visit("method"))
    assert app.button(key="run_start").label == "Add to the queue"
    assert "is busy: this one waits for 1 other." in said(app)
    press(app, "run_start")
    (queued,) = [now for now in runs.list_runs(data) if now.run != busy]
    assert (queued.state, queued.place, queued.total) == ("queued", 1, 12)
    assert not is_open(app)
    assert bars(app)[0].startswith("0 of 1")
    assert bars(app)[1].endswith(": number 1 in line.")
    # On the Runs page too, where it can be cancelled.
    app = visit("runs")
    assert any(one.value.endswith("number 1 in line.") for one in app.main.caption)
    settled(app.button(key=f"cancel-page-{queued.run}").click().run())
    assert stage.over(queued.run, data, timeout_s=12).state == "cancelled"


def test_the_very_same_again_shows_the_run_that_waits(data: Path, busy: str) -> None:
    app = press(form(visit("method")), "run_start")
    assert len(runs.list_runs(data)) == 2
    press(form(app), "run_start")
    assert len(runs.list_runs(data)) == 2
    assert not is_open(app)
    assert "was started before" in app.toast[0].value


def test_a_full_queue_is_said(data: Path, busy: str) -> None:
    for name in stage.NAMES[: waiting.PLACES]:
        stage.submit(data, name, queue=True)
    app = press(form(visit("method")), "run_start")
    (refusal,) = messages(app)["error"]
    assert "4 runs wait for it, which is as many as may" in refusal
    assert len(runs.list_runs(data)) == 5


def test_who_pressed_start_is_not_put_into_a_queue_unasked(data: Path) -> None:
    app = form(visit("method"), "run_benchmark")
    assert app.button(key="run_start").label == "Start"
    other = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    press(app, "run_start")
    (refusal,) = messages(app)["error"]
    assert other in refusal
    assert [now.run for now in runs.list_runs(data)] == [other]
    assert app.button(key="run_start").label == "Add to the queue"


def test_a_press_on_a_page_from_before_shows_the_run_that_lives(data: Path) -> None:
    app = visit("method")
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    press(app, "run_benchmark")
    assert not is_open(app)
    assert len(bars(app)) == 1
    assert [now.run for now in runs.list_runs(data)] == [run]


def test_the_form_stays_open_while_another_run_ends(data: Path, busy: str) -> None:
    app = form(visit("method"))
    runs.cancel(busy, data, by=COMMAND_LINE)
    stage.over(busy, data)
    settled(app.run())
    assert app.button(key="run_start").label == "Start"


def test_a_run_that_ends_while_the_page_is_drawn_is_told_of_once(data: Path, busy: str) -> None:
    app = visit("method")
    assert not app.toast
    runs.cancel(busy, data, by=COMMAND_LINE)
    stage.over(busy, data)
    # The whole page runs again before the fragment that follows the run does.
    settled(app.run())
    assert [plain(one.value) for one in app.toast] == ["Benchmark of test_vit was cancelled."]
    settled(app.run())
    assert not app.toast
    assert not visit("method").toast


def test_resume_waits_in_line_where_the_device_is_busy(data: Path, busy: str) -> None:
    second = stage.submit(data, "test_resnet", queue=True)
    runs.cancel(second, data, by=COMMAND_LINE)
    stage.over(second, data)
    app = visit("runs")
    settled(app.button(key=f"resume-{second}").click().run())
    assert (runs.status(second, data).state, runs.status(second, data).place) == ("queued", 1)


def test_nothing_is_promised_where_nothing_like_it_was_measured() -> None:
    app = form(visit("method"), "run_benchmark")
    assert "How long that takes is not known" in said(app) or "going by" in said(app)


def test_the_expected_time_goes_by_what_was_measured_here(data: Path) -> None:
    (device,) = [device for device in runs.devices() if device.id == "cpu"]
    began = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [
        {
            "architecture": name,
            "image_size": 224,
            "images_per_s": 100.0,
            "device": device.name,
            "device_kind": "cpu",
            # Nothing is shipped with it of this device, whichever it is.
            "precision": "amp-bf16",
            "measured_at": began + timedelta(seconds=20 * number),
        }
        for number, name in enumerate(["resnet18", "resnet34", "resnet50", "vgg16"])
    ]
    publish_speeds(data, "2026-11-01T000000Z-aaaa", rows)
    app = form(visit("method"), "run_benchmark")
    app.selectbox(key="run_precision").set_value("amp-bf16")
    settled(app.run())
    assert "12 models, 12 measurements" in said(app)
    # 12 x 20 s: too few rows to tell large models from small ones.
    assert "Takes about 4 min, going by 3 measurements made here." in said(app)
    app.multiselect(key="run_measures").set_value(["throughput", "latency"])
    settled(app.run())
    assert "Takes about 8 min" in said(app)


def test_everything_is_measured_with_the_most_telling_first(data: Path) -> None:
    app = form(visit("method"), "run_benchmark")
    app.radio(key="run_preset").set_value("Everything")
    press(app, "run_start")
    (run,) = [now.run for now in runs.list_runs(data)]
    asked = runs.run_folder.existing(run, data).request().workloads
    pairs = [(one.architecture, one.image_size) for one in asked]
    assert sorted(pairs) == sorted(catalogue.work_list(preset="all"))
    (device,) = [device for device in runs.devices() if device.id == "cpu"]
    known = estimate.knowledge(
        store.to_frame(index.of(data).known_speeds(device=device.name, device_kind="cpu")),
        catalogue.operations(),
    )
    target = pd.Series(
        {
            "device": device.name,
            "device_kind": "cpu",
            "measure": "throughput",
            "precision": "fp32",
            "layout": "nchw",
            "compiled": "eager",
            "torch": metadata.version("torch").partition("+")[0],
        }
    )
    listed = pd.MultiIndex.from_tuples(pairs)
    assert pairs[:16] == estimate.probes(known, target, listed=listed)


def why_off(app: AppTest) -> str:
    button = app.button(key="run_benchmark")
    assert button.disabled
    return said(app)


def test_the_button_is_off_where_the_folder_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "file" / "data"))
    for page in ("models", "compare", "runs", "method"):
        assert "cannot be written: Not a directory" in why_off(visit(page))


def test_the_button_is_off_where_the_folder_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with small_disk(tmp_path / "disk", mebibytes=80):
            subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
            monkeypatch.setenv("BENCH_DATA", str(tmp_path / "disk" / "data"))
            assert "cannot be written: Read-only file system" in why_off(visit("method"))
    except NotPossibleHere as reason:
        pytest.skip(str(reason))


def test_the_button_is_off_where_there_is_no_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with small_disk(tmp_path / "disk", mebibytes=8):
            monkeypatch.setenv("BENCH_DATA", str(tmp_path / "disk" / "data"))
            assert "MiB free, and this run may need 64 MiB" in why_off(visit("method"))
    except NotPossibleHere as reason:
        pytest.skip(str(reason))


@pytest.fixture
def exposed() -> Iterator[None]:
    """The server listens on every address."""
    before = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    yield
    config.set_option("server.address", before)


def test_the_button_is_off_without_permission(exposed: None) -> None:
    assert "can be reached from other machines" in why_off(visit("method"))


def test_cancel_and_resume_are_off_without_permission(data: Path, exposed: None) -> None:
    over = stage.submit(data, "test_vit", time_limit_s=0.01)
    assert stage.over(over, data).state == "partial"
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    app = visit("runs")
    for key in (f"cancel-page-{run}", f"cancel-sidebar-{run}", f"resume-{over}"):
        button = app.button(key=key)
        assert button.disabled, key
        assert "can be reached from other machines" in plain(button.help)
    assert not [one for one in app.button if one.key == "another_benchmark"]
