"""A benchmark from the button to the Parquet file: real models, a real worker, a real browser."""

import re
from collections.abc import Callable

import harness
import pandas as pd
import pytest
import vega
from browsing import idle, sidebar, until, visit
from playwright.sync_api import Locator, Page, expect

from bench import runs, timing
from bench.records import Measurement, Protocol
from tests.faults import stage

pytestmark = pytest.mark.browser

# Small and quick on a CPU, with published accuracy, and no models that timm made for its tests.
MODELS = ["lcnet_050", "tinynet_e"]
STARTS_MS, MEASURES_MS, CANCELS_MS = 60_000, 150_000, 15_000


def runs_of(server: harness.Server) -> set[str]:
    return {path.name for path in (server.data / "runs").glob("*Z-*")}


def dialog(page: Page) -> Locator:
    """The form behind Run benchmark, with its devices found."""
    sidebar(page).get_by_role("button", name="Run benchmark").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_role("button", name="Start")).to_be_visible(timeout=STARTS_MS)
    expect(form.get_by_role("combobox", name="Device")).not_to_have_value("")
    return form


def assert_the_rules_of_stopping_were_kept(row: Measurement) -> None:
    """Seven samples and 0.3 s, or twice the cap was over: then three at least, which is flagged."""
    rules = Protocol()
    cap_s = rules.latency_cap_s if row.workload.measure == "latency" else rules.throughput_cap_s
    took_s = [sample_s * row.details["steps_per_sample"] for sample_s in row.samples_s]
    if len(took_s) >= rules.min_samples:
        assert sum(took_s) >= rules.min_s
        assert row.details["stopped_by"] in ("interval", "stall", "cap")
        return
    assert len(took_s) >= timing.FEWEST_SAMPLES
    assert sum(took_s) >= 2 * cap_s
    assert len(took_s) == timing.FEWEST_SAMPLES or sum(took_s[:-1]) < 2 * cap_s
    assert row.details["stopped_by"] == "slow"
    assert "noisy" in row.flags


def test_two_small_models_are_measured_and_laid_beside_what_is_shown(page: Page, server) -> None:
    before = runs_of(server)
    visit(page)
    page.evaluate("window.neverReloaded = true")
    form = dialog(page)
    form.get_by_text("Search", exact=True).click()
    expect(form.get_by_role("button", name="Start")).to_be_disabled()
    for name in MODELS:
        form.get_by_label("Architectures", exact=True).fill(name)
        page.get_by_role("option", name=name, exact=True).click()
        page.keyboard.press("Tab")  # leaves the menu, which hides the form behind it
    expect(form.get_by_text("2 models, 2 measurements")).to_be_visible()
    form.get_by_role("button", name="Start").click()

    # Its progress stands where the button was.
    foot = sidebar(page).get_by_text("Benchmark of lcnet_050, tinynet_e")
    expect(foot).to_be_visible(timeout=STARTS_MS)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(sidebar(page).get_by_role("button", name="Run benchmark")).to_have_count(0)
    expect(sidebar(page).get_by_text(re.compile(r"[01] of 2"))).to_be_visible(timeout=STARTS_MS)

    # The first figure lays the run beside what is shown, while the second is measured.
    until(page, "rows.some(row => row.beside)")
    toast = page.get_by_test_id("stToast")
    expect(toast).to_contain_text("Benchmark of lcnet_050, tinynet_e is done.", timeout=MEASURES_MS)
    expect(sidebar(page).get_by_role("button", name="Run benchmark")).to_be_enabled()
    until(page, "new Set(rows.filter(row => row.beside).map(row => row.model)).size >= 2")
    idle(page)
    beside = [row for row in vega.rows(page) if row["beside"]]
    assert {row["model"].partition(".")[0] for row in beside} == set(MODELS)
    assert all(row["low"] <= row["seconds"] <= row["high"] for row in beside)
    assert all("measured 20" in row["set"] for row in beside)
    assert len(vega.shown(page)) > 1000 + len(beside)
    diamonds = [m for m in vega.marks(page, "symbol") if (m["model"] or "").split(".")[0] in MODELS]
    assert len(diamonds) > len(beside), "once as published, once as measured here"
    assert page.evaluate("window.neverReloaded") is True

    (run,) = runs_of(server) - before
    table = pd.read_parquet(server.data / "runs" / run / "results.parquet")
    assert sorted(table["model"]) == MODELS
    assert table["outcome"].tolist() == ["ok", "ok"]
    assert (table["device_kind"] == "cpu").all()
    rate = table.set_index("architecture")["images_per_s"]
    for row in beside:
        assert 1 / row["seconds"] == pytest.approx(rate[row["model"].partition(".")[0]])
    for row in runs.measurements(run, server.data):
        assert_the_rules_of_stopping_were_kept(row)

    # The Runs page offers the same file, and the way back to the chart.
    page.get_by_test_id("stHeader").get_by_role("link", name="Runs").click()
    expect(page.get_by_text("2 of 2 measurements made.")).to_be_visible(timeout=STARTS_MS)
    with page.expect_download() as download:
        page.locator(f".st-key-run-{run}").get_by_role("button", name="Parquet").click()
    pd.testing.assert_frame_equal(pd.read_parquet(download.value.path()), table)
    card = page.locator(f".st-key-run-{run}")
    card.get_by_role("link", name="Show on the chart").click()
    until(page, "rows.length < 20")
    assert {row["model"].partition(".")[0] for row in vega.shown(page)} == set(MODELS)
    assert page.evaluate("window.neverReloaded") is True


def test_a_long_run_is_cancelled_from_the_page_and_outlives_a_reload(
    page: Page, open_page: Callable[..., Page], server
) -> None:
    before = runs_of(server)
    visit(page)
    form = dialog(page)
    form.get_by_text("Best of each family", exact=True).click()
    expect(form.get_by_text(re.compile(r"1\d\d models, 1\d\d measurements"))).to_be_visible()
    form.get_by_role("button", name="Start").click()
    progress = sidebar(page).get_by_text(re.compile(r"\d+ of 1\d\d"))
    expect(progress).to_be_visible(timeout=STARTS_MS)

    page.reload()
    expect(progress).to_be_visible(timeout=STARTS_MS)
    other = open_page(base_url=server.url)
    other.goto("/runs")
    expect(other.get_by_test_id("stMain").get_by_text("running", exact=True)).to_be_visible(
        timeout=STARTS_MS
    )
    sidebar(page).get_by_role("button", name="Cancel").click()
    # Both windows see it end.
    for window in (page, other):
        expect(sidebar(window).get_by_role("button", name="Run benchmark")).to_be_enabled(
            timeout=CANCELS_MS
        )
    expect(page.get_by_test_id("stToast")).to_contain_text("was cancelled")
    expect(other.get_by_test_id("stMain").get_by_text("cancelled", exact=True)).to_be_visible()
    (run,) = runs_of(server) - before
    stage.until(lambda: not stage.members(run), "no process of it is left", timeout_s=12)


def test_the_form_refuses_a_device_that_is_busy_by_then(
    page: Page, open_page: Callable[..., Page], server
) -> None:
    visit(page)
    late = open_page(base_url=server.url)
    visit(late)
    forms = [dialog(page), dialog(late)]
    for form in forms:
        form.get_by_text("Best of each family", exact=True).click()
        expect(form.get_by_text(re.compile(r"1\d\d models"))).to_be_visible()
    forms[0].get_by_role("button", name="Start").click()
    cancel = sidebar(page).get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible(timeout=STARTS_MS)
    forms[1].get_by_role("button", name="Start").click()
    expect(forms[1].get_by_role("alert")).to_be_visible(timeout=STARTS_MS)
    cancel.click()
    expect(sidebar(page).get_by_role("button", name="Run benchmark")).to_be_enabled(
        timeout=CANCELS_MS
    )
