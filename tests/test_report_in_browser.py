"""A report opened from its file with the network off: it filters, hovers, zooms and sorts."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import vega
from axe_playwright_python.sync_playwright import Axe
from browsing import PATIENCE_MS, until
from dashboard import publish_accuracy, publish_slower_cpu, publish_speeds
from playwright.sync_api import Locator, Page, Route, expect
from selections import asked
from test_report import HOSTILE, LARGEST_BYTES, bench
from test_screens import check_chart

from bench import catalogue, licences, points, results
from pages.ui import filtering

pytestmark = pytest.mark.browser

SHOWN = "rows.filter(row => row.shown)"
# A filter in the page's address, and the same as the dashboard's selection.
FILTERS = {
    "": {},
    "show=trade-off": {"best_by": "trade-off"},
    "show=accurate&max_ms=0.7&size=224": {
        "best_by": "accurate", "max_s": 0.7e-3, "image_sizes": (224,)},
    "show=fastest&min_top1=80.5&max_params=100": {
        "best_by": "fastest", "min_top1_percent": 80.5, "max_parameters": 100e6},
    "max_ms=2&min_top1=82&families=vit&families=convnext_in22&families=levit": {
        "max_s": 2e-3, "min_top1_percent": 82, "families": ("vit", "convnext_in22", "levit")},
    "families=eva02_in22": {"families": ("eva02_in22",)},
    "commercial_use=not+allowed&show=trade-off": {
        "commercial_use": ("not allowed",), "best_by": "trade-off"},
    "size=224&size=384&pretraining=LAION-2B&pretraining=ImageNet-22k": {
        "image_sizes": (224, 384), "pretraining": ("LAION-2B", "ImageNet-22k")},
    "commercial_use=not+allowed&commercial_use=unknown": {
        "commercial_use": ("not allowed", "unknown")},
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of what the dashboard opens with."""
    folder = tmp_path_factory.mktemp("report")
    assert bench("report", folder / "page.html", data=folder / "data").exit_code == 0
    return folder / "page.html"


@pytest.fixture
def open_file(open_page: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    """Open a file with the network off; at the end nothing but that file was ever asked for."""
    wanted: list[str] = []

    def only_files(route: Route) -> None:
        wanted.append(route.request.url)
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            route.abort()

    def open_one(file: Path, *, filters: str = "", **options) -> Page:
        page = open_page(offline=True, **options)
        page.route("**/*", only_files)
        page.goto(f"file://{file}" + (f"#{filters}" if filters else ""))
        until(page, f"{SHOWN}.length > 0")
        return page

    yield open_one
    assert wanted
    assert [url for url in wanted if not re.match(r"file:///.*\.html(#.*)?$", url)] == []


def rows_of_table(page: Page) -> Locator:
    return page.locator("#table tbody tr")


def ask(page: Page, filters: str) -> None:
    """Filter by the address, and wait until chart and table have followed."""
    page.evaluate("filters => { location.hash = filters || 'all'; }", filters)
    page.wait_for_function(
        """filters => [filters, state()].map(text => [...new URLSearchParams(text)].sort().join())
            .every((one, _, both) => one === both[0])
          && !waiting.size
          && left[0].shown.length === document.querySelectorAll('#table tbody tr').length
          && VEGA_DEBUG.view.data('points').filter(row => row.shown).length
            === (asked().show ? left[0].shown : mostAccurateWeights(left[0].shown)).length""",
        arg=filters,
        timeout=PATIENCE_MS,
    )


def hover(page: Page, model: str) -> Locator:
    """Move onto a model's bubble; its tooltip."""
    page.locator("#chart").scroll_into_view_if_needed()
    bubble = next(mark for mark in vega.marks(page, "symbol") if mark["model"] == model)
    left, top = vega.origin(page)
    page.mouse.move(left + bubble["x"], top + bubble["y"])
    return page.locator("#tooltip")


def test_it_filters_hovers_and_zooms_and_the_table_follows(
    report: Path, open_file: Callable[..., Page]
) -> None:
    page = open_file(report)
    expect(page.locator("#sentence")).to_contain_text("On an RTX 5090, the most accurate model")
    everything = len(vega.shown(page))
    assert everything > 1000
    assert rows_of_table(page).count() > everything  # the table holds every weight

    whole = vega.domain(page, "x")
    page.get_by_role("button", name="Zoom in").click()
    vega.until_zoomed_in(page, whole)
    zoomed = vega.domain(page, "x"), vega.domain(page, "y")

    page.get_by_label("Show").select_option("Best of each family, by trade-off")
    page.get_by_label("Slowest (ms)").fill("1")
    until(page, f"{SHOWN}.length < 250 && {SHOWN}.every(row => row.seconds <= 1e-3)")
    best = vega.shown(page)
    assert len({row["family"] for row in best}) == len(best)
    expect(rows_of_table(page)).to_have_count(len(best))
    assert page.url.endswith("#show=trade-off&max_ms=1")
    assert (vega.domain(page, "x"), vega.domain(page, "y")) == zoomed
    page.emulate_media(color_scheme="dark")  # makes the chart anew
    until(page, f"{SHOWN}.length === {len(best)}")
    assert (vega.domain(page, "x"), vega.domain(page, "y")) == zoomed

    page.get_by_role("button", name="Whole chart").click()
    page.wait_for_function("low => VEGA_DEBUG.view.scale('x').domain()[0] === low", arg=whole[0])
    model = max(best, key=lambda row: row["top1"])["model"]
    expect(page.locator("#sentence")).to_contain_text(f"the most accurate on RTX 5090 is {model}")
    tip = hover(page, model)
    expect(tip).to_be_visible()
    expect(tip.locator("strong")).to_have_text(model)
    expect(tip).to_contain_text("images/s")
    page.mouse.down()
    page.mouse.up()
    expect(page.locator("#table tr.picked")).to_have_text(re.compile(re.escape(model)))
    until(page, "rows.some(row => row.hit && row.model === argument)", model)

    page.get_by_label("Search").fill("ConvNeXt")
    until(page, "rows.filter(row => row.hit).length > 3")
    found = [row["model"] for row in best if "convnext" in row["model"]]
    expect(rows_of_table(page)).to_have_count(len(found))
    assert len(vega.shown(page)) == len(best), "a search hides nothing in the chart"

    page.get_by_label("Search").fill("")
    page.get_by_label("Top-1 from (%)").fill("99")
    expect(page.get_by_text("Top-1 from (%) filters out the last one")).to_be_visible()
    expect(rows_of_table(page)).to_have_count(0)
    page.get_by_role("button", name="Reset").click()
    until(page, f"{SHOWN}.length === {everything}")
    assert not page.url.partition("#")[2]


def test_a_heading_sorts_and_the_keyboard_walks_the_rows(
    report: Path, open_file: Callable[..., Page]
) -> None:
    page = open_file(report, filters="show=accurate")
    expect(rows_of_table(page).first).to_be_visible()
    for heading, direction in (("Time (ms/image)", "descending"), ("Time (ms/image)", "ascending")):
        page.get_by_role("button", name=heading).click()
        header = page.get_by_role("columnheader", name=heading)
        expect(header).to_have_attribute("aria-sort", direction)
    times = [float(text) for text in page.locator("#table tbody td:nth-child(3)").all_inner_texts()]
    assert len(times) > 100
    assert times == sorted(times)
    page.get_by_role("button", name="Model", exact=True).click()
    names = page.locator("#table tbody th").all_inner_texts()
    assert names == sorted(names)

    page.keyboard.press("Tab")  # from the heading Model, past the other headings
    while not page.evaluate("document.activeElement.closest('tbody')"):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#table tr.picked")).to_have_count(1)
    expect(page.locator("#table tr.picked th")).to_have_text(names[1])
    until(page, "rows.some(row => row.hit && row.model === argument)", names[1])
    page.keyboard.press("Tab")  # one stop for 170 rows
    assert not page.evaluate("document.activeElement.closest('tbody')")


def test_every_filter_leaves_what_the_dashboard_leaves(
    report: Path, open_file: Callable[..., Page], speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    frame = points.points(speed, accuracy, run=results.REFERENCE_RUN, measure="throughput")
    known = licences.by_model(catalogue.models(), catalogue.renames())
    frame = frame.assign(licence=frame["model"].map(known.get))
    page = open_file(report)
    for filters, changes in FILTERS.items():
        left = filtering.apply(frame, asked(**changes))
        ask(page, filters)
        found = page.evaluate("left[0].shown.map(p => [p.model, p.image_size, p.frontier, p.lead])")
        columns = ["model", "image_size", "frontier", "lead"]
        expected = left.points[columns].astype(object).where(left.points[columns].notna(), None)
        assert len(found) > 3
        assert [row[:3] for row in found] == [row[:3] for row in expected.to_numpy().tolist()], (
            filters
        )
        leads = expected["lead"].tolist()
        assert [row[3] for row in found] == pytest.approx(leads, abs=1e-9), filters
        line = page.evaluate("left[0].frontier.map(p => [p.model, p.image_size])")
        assert line == left.frontier[["model", "image_size"]].to_numpy().tolist(), filters
        line = page.evaluate("left[0].lines.map(p => [p.model, p.image_size])")
        assert line == left.lines[["model", "image_size"]].to_numpy().tolist(), filters
        others = page.evaluate("left[0].shown.map(p => p.others)")
        assert others == left.points["others"].tolist(), filters
        drawn = filtering.one_a_point(left.points, asked(**changes))
        bubbles = {(row["model"], row["image_size"]) for row in vega.shown(page)}
        assert bubbles == set(zip(drawn["model"], drawn["image_size"], strict=True)), filters


def check_legend(page: Page, *, families: int) -> None:
    """The chart lists so many families, and has room for all of them."""
    labels = [t for t in vega.marks(page, "text") if t["role"] == "legend-label"]
    names = [t for t in labels if not t["text"].isdecimal()]  # the others are image sizes
    assert len(names) == families
    height = page.evaluate(
        """() => VEGA_DEBUG.view.container().querySelector('canvas').clientHeight
          - VEGA_DEBUG.view.origin()[1] - VEGA_DEBUG.view.padding().top"""
    )
    for name in names:
        assert name["bottom"] <= height + 1, (name, height)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_legend_has_room_as_the_page_opens_and_with_picked_families(
    report: Path, open_file: Callable[..., Page], width: int
) -> None:
    page = open_file(report, width=width)
    check_legend(page, families=9)
    ask(page, "families=levit&families=swin&families=deit&families=nest")
    check_legend(page, families=13)
    ask(page, "")
    check_legend(page, families=9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_it_fits_and_axe_finds_nothing(
    report: Path, open_file: Callable[..., Page], artefacts: Path, width: int, scheme: str
) -> None:
    options = {"width": width, "height": 1400, "color_scheme": scheme}
    page = open_file(report, filters="show=trade-off&search=resnet50", **options)
    expect(rows_of_table(page).first).to_be_visible()
    page.get_by_text("Families: all").click()
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found] == []
    page.get_by_text("Families: all").click()
    page.screenshot(path=artefacts / f"report-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    check_chart(page)
    ask(page, "")
    check_chart(page)
    page.screenshot(path=artefacts / f"report-all-{width}-{scheme}.png")


def test_what_a_run_of_ones_own_did_not_measure_is_estimated_marked_and_can_be_left_out(
    open_file: Callable[..., Page], tmp_path: Path, artefacts: Path
) -> None:
    run = "2026-11-01T120000Z-aaaa"
    like = r"(resnet|convnext|vit|mobilenetv3)"
    measured = publish_slower_cpu(tmp_path, run, 12, pattern=like, slower=2)
    file = tmp_path / "own.html"
    assert bench("report", file, run, data=tmp_path).exit_code == 0
    assert file.stat().st_size < LARGEST_BYTES
    page = open_file(file)
    shown = vega.shown(page)
    own = [row for row in shown if not row["estimated"]]
    assert len(shown) - len(own) > 800
    assert 1 <= len(own) <= len(measured)
    assert {row["model"].partition(".")[0] for row in own} <= {name for name, _ in measured}
    guesses = [row for row in shown if row["estimated"]]
    assert all(row["time"].endswith("estimated") for row in guesses)
    assert all(row["low"] < row["seconds"] < row["high"] for row in guesses)
    expect(page.locator("#sentence")).to_contain_text("estimated from what was measured")
    expect(page.get_by_role("columnheader", name="Estimated")).to_be_visible()
    expect(page.get_by_text("hollow with a dashed outline")).to_be_visible()
    page.screenshot(path=artefacts / "report-estimates.png", full_page=True)
    page.get_by_text("Image sizes: all").click()
    page.get_by_label("224", exact=True).check()
    until(page, f"{SHOWN}.every(row => row.image_size === 224)")
    expect(page.locator("#sentence")).to_contain_text("estimated from what was measured")
    ask(page, "")
    page.get_by_label("Estimates").select_option("Left out")
    until(page, f"{SHOWN}.length === {len(own)}")
    assert page.url.endswith("#estimates=no")
    expect(page.locator("#sentence")).not_to_contain_text("estimated")

    assert bench("report", file, run, "--no-estimates", "--force", data=tmp_path).exit_code == 0
    page = open_file(file)
    assert len(vega.shown(page)) == len(own)
    expect(page.get_by_label("Estimates")).to_be_hidden()
    expect(page.get_by_role("columnheader", name="Estimated")).to_have_count(0)


def test_a_name_made_of_markup_is_shown_as_text(
    open_file: Callable[..., Page], tmp_path: Path
) -> None:
    run = "2026-11-01T120000Z-aaaa"
    weights = {"architecture": HOSTILE, "model": HOSTILE, "image_size": 224, "top1_percent": 80.0}
    publish_accuracy(tmp_path, [weights])
    row = {"architecture": HOSTILE, "image_size": 224, "images_per_s": 900.0, "device": HOSTILE}
    publish_speeds(tmp_path, run, [row])
    file = tmp_path / "hostile.html"
    assert bench("report", file, run, data=tmp_path).exit_code == 0
    page = open_file(file)
    expect(hover(page, HOSTILE).locator("strong")).to_have_text(HOSTILE)
    expect(page.locator("#table tbody th")).to_have_text(HOSTILE)
    page.get_by_label("Search").fill(HOSTILE[:9])
    expect(page.locator("#status")).to_contain_text(HOSTILE[:9])
    assert page.locator("b, img").count() == 0
    assert page.evaluate("globalThis.hacked") is None
