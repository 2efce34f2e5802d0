"""What a reader does, in a real browser on the real server with the published results."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
import vega
from browsing import (
    PATIENCE_MS,
    at,
    brush,
    choose,
    controls,
    fill,
    idle,
    more,
    press,
    sidebar,
    until,
    visit,
    zoom,
)
from dashboard import publish_accuracy, publish_speeds
from playwright.sync_api import Locator, Page, expect
from selections import RUN_2022, RUN_5090

from bench.points import points, without_test_models

pytestmark = pytest.mark.browser

RTX_4090 = "RTX 4090 · amp-fp16 · PyTorch 2.9.1 · timm 2026-08"
OF_2022 = "RTX 3090 · amp-fp16 · nhwc · PyTorch 1.11 · timm 2022-07"
SHOWN = "rows.filter(row => row.shown)"
BEST_ALONE = f"{SHOWN}.length === new Set({SHOWN}.map(row => row.family)).size"


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def rows_by_model(page: Page) -> list[tuple]:
    return sorted(
        (row["model"], row["image_size"], row["seconds"], row["top1"], row["hit"])
        for row in vega.shown(page)
    )


def test_a_stranger_finds_the_best_of_each_family_of_another_card_and_sends_the_link(
    page: Page, open_page: Callable[..., Page], server
) -> None:
    visit(page)
    expect(page.get_by_role("heading", level=2)).to_have_text("Which image model should I use?")
    expect(page.get_by_text("On an RTX 5090, the most accurate model under")).to_be_visible()
    everything = len(vega.shown(page))
    assert everything > 1000

    choose(page, "Results set", RTX_4090)
    until(page, "rows[0].set === argument", RTX_4090)
    expect(page.get_by_text("On an RTX 4090, the most accurate model under")).to_be_visible()
    press(page, "Show", "Best of each family")
    until(page, BEST_ALONE)
    families = {row["family"] for row in vega.shown(page)}
    assert len(families) > 100
    assert not any(row["model"].startswith("test_") for row in vega.shown(page))

    fill(page, "Search", "convnext")
    until(page, "rows.some(r => r.hit)")
    idle(page)
    found = [row for row in vega.shown(page) if row["hit"]]
    assert all("convnext" in row["model"] for row in found)
    assert {row["family"] for row in vega.shown(page)} == families, "a search hides nothing"
    rings = [m for m in vega.marks(page, "symbol") if m["fill"] in (None, "transparent")]
    assert sorted(ring["model"] for ring in rings) == sorted(row["model"] for row in found)

    assert query(page) == {
        "set": [RTX_4090],
        "show": ["Best of each family"],
        "search": ["convnext"],
    }
    friend = open_page()
    visit(friend, page.url)
    assert rows_by_model(friend) == rows_by_model(page)
    assert controls(friend) == controls(page)
    assert friend.url == page.url


def test_every_control_survives_the_address_and_reset_puts_each_back(
    page: Page, open_page: Callable[..., Page], server
) -> None:
    visit(page)
    choose(page, "Results set", OF_2022)
    until(page, "rows[0].set === argument", OF_2022)
    press(page, "Measure", "Training")
    expect(page.get_by_text("an image of training is")).to_be_visible()
    press(page, "Show", "Best of each family")
    press(page, "Best by", "Accurate")
    fill(page, "Search", "net")
    fill(page, "Slowest (ms)", "25")
    fill(page, "Top-1 from (%)", "60.5")
    more(page)
    choose(page, "Lay beside it", RTX_4090)
    choose(page, "Accuracy on", "ImageNet-ReaL")
    for label, options in {
        "Families": ["resnet", "vit", "levit"],
        "Image sizes (pixels)": ["224", "240", "256", "288"],
        "Pretraining data": ["unknown"],
        "Commercial use": ["allowed", "unknown"],
    }.items():
        for option in options:
            choose(page, label, option)
    fill(page, "Parameters to (M)", "90")
    page.get_by_role("switch", name="timm's test models").focus()
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("test_models=true"))
    page.get_by_role("switch", name="Trend lines").focus()
    page.keyboard.press("Space")
    press(page, "Rank by", "Lead")
    expect(page).to_have_url(re.compile("trends=true"))
    expect(page).to_have_url(re.compile("rank=Lead"))
    press(page, "Against time", "Multiply-adds")
    expect(page).to_have_url(re.compile("against=Multiply-adds"))
    idle(page)

    assert query(page) == {
        "set": [OF_2022],
        "measure": ["Training"],
        "show": ["Best of each family"],
        "by": ["Accurate"],
        "search": ["net"],
        "max_ms": ["25"],
        "min_top1": ["60.5"],
        "beside": [RTX_4090],
        "dataset": ["ImageNet-ReaL"],
        "families": ["resnet", "vit", "levit"],
        "sizes": ["224", "240", "256", "288"],
        "pretraining": ["unknown"],
        "commercial_use": ["allowed", "unknown"],
        "max_params": ["90"],
        "test_models": ["true"],
        "trends": ["true"],
        "rank": ["Lead"],
        "against": ["Multiply-adds"],
    }
    friend = open_page()
    visit(friend, page.url)
    more(friend)
    assert controls(friend) == controls(page)
    assert rows_by_model(friend) == rows_by_model(page)
    assert len(rows_by_model(page)) >= 3

    page.get_by_role("button", name="Reset").click()
    expect(page).to_have_url(re.compile(r":\d+/$"), timeout=PATIENCE_MS)
    until(page, "rows.length > 1000")
    first = open_page()
    visit(first, server.url)
    more(first)
    more(page)
    assert controls(page) == controls(first)
    assert rows_by_model(page) == rows_by_model(first)


def test_a_link_by_id_names_the_set_in_the_address_and_survives_a_reload(page: Page) -> None:
    visit(page, f"/?set={RUN_2022}")
    until(page, "rows[0].set === argument", OF_2022)
    idle(page)
    assert query(page) == {"set": [OF_2022]}
    page.reload()
    vega.wait(page)
    until(page, "rows[0].set === argument", OF_2022)


@pytest.mark.parametrize(
    ("view", "count"),
    [
        ("fastai 2022: all", 165),
        ("fastai 2022: subset", 61),
        ("fastai 2022: training", 168),
    ],
)
def test_a_saved_view_draws_its_points_whatever_was_chosen_before(
    page: Page, open_page: Callable[..., Page], view: str, count: int
) -> None:
    visit(page, "/?measure=Training&set=" + RUN_2022 + "&max_ms=9&search=vit")
    choose(page, "Saved view", view)
    until(page, "rows.filter(r => r.shown).length === argument", count)
    idle(page)
    bubbles = [m for m in vega.marks(page, "symbol") if m["role"] == "mark"]
    assert len(bubbles) == count
    friend = open_page()
    visit(friend, page.url)
    assert rows_by_model(friend) == rows_by_model(page)


def test_a_zoom_survives_every_filter(page: Page) -> None:
    visit(page)
    whole = vega.domain(page, "x")
    zoom(page)
    vega.until_zoomed_in(page, whole)
    zoomed = vega.domain(page, "x"), vega.domain(page, "y")

    def still_zoomed_where(condition: str) -> None:
        until(page, condition)
        idle(page)
        assert (vega.domain(page, "x"), vega.domain(page, "y")) == zoomed

    fill(page, "Search", "resnet50")
    still_zoomed_where("rows.some(r => r.hit)")
    fill(page, "Top-1 from (%)", "75")
    still_zoomed_where("rows.every(r => !r.shown || r.top1 >= 75)")
    fill(page, "Slowest (ms)", "5")
    still_zoomed_where("rows.every(r => !r.shown || r.seconds <= 0.005)")
    more(page)
    fill(page, "Parameters to (M)", "100")
    still_zoomed_where("rows.every(r => !r.shown || parseFloat(r.parameters) <= 100)")
    choose(page, "Image sizes (pixels)", "224")
    still_zoomed_where("rows.every(r => !r.shown || r.image_size == 224)")
    choose(page, "Commercial use", "allowed")
    still_zoomed_where("rows.some(r => r.shown)")
    choose(page, "Pretraining data", "ImageNet-1k")
    still_zoomed_where("rows.some(r => r.shown)")
    choose(page, "Families", "levit")  # it gets a colour of its own
    still_zoomed_where("rows.every(r => !r.shown || r.colour == 'levit')")
    press(page, "Show", "Best of each family")
    still_zoomed_where(BEST_ALONE)
    press(page, "Best by", "Accurate")
    still_zoomed_where("rows.some(r => r.shown)")
    page.get_by_role("switch", name="Trend lines").focus()
    page.keyboard.press("Space")
    still_zoomed_where("rows.some(r => r.trend)")
    press(page, "Rank by", "Lead")
    still_zoomed_where("rows.some(r => r.shown)")


def test_pointing_at_a_model_draws_its_familys_line_through_its_sizes(page: Page) -> None:
    visit(page, "/?show=Best of each family")
    (levit,) = [m for m in vega.marks(page, "symbol") if (m["model"] or "").startswith("levit")]
    line = sorted(r["model"] for r in vega.rows(page) if r["line"] and r["family"] == "levit")
    assert len(line) >= 4
    before = sorted(m["model"] for m in vega.marks(page, "line"))
    left, top = vega.origin(page)
    page.mouse.move(left + levit["x"], top + levit["y"])
    expect(page.locator("#vg-tooltip-element")).to_contain_text("levit")
    assert sorted(m["model"] for m in vega.marks(page, "line")) == sorted(before + line)
    page.mouse.move(*at(page, 0.9, 0.6))
    expect(page.locator("#vg-tooltip-element")).to_be_hidden()
    assert sorted(m["model"] for m in vega.marks(page, "line")) == before


def test_a_brush_fills_the_table_and_there_are_two_ways_back(
    page: Page, speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    visit(page)
    whole = vega.domain(page, "x")
    everything = without_test_models(points(speed, accuracy, run=RUN_5090, measure="throughput"))
    of_all = f"of {everything['model'].nunique():,} models, brushed"
    said = page.get_by_text(of_all)
    expect(said).to_have_count(0)

    brush(page, (0.3, 0.1), (0.45, 0.4))
    expect(said).to_be_visible()
    seconds, top1 = (sorted(vega.signal(page, f"brush_{axis}")) for axis in ("seconds", "top1"))
    inside = everything[
        everything["seconds_per_image"].between(*seconds)
        & everything["top1_percent"].between(*top1)
    ]
    assert 50 < len(inside) < len(everything)
    expect(page.get_by_text(f"{inside['model'].nunique():,} {of_all}")).to_be_visible()
    assert vega.domain(page, "x") == whole, "a brush moves nothing"

    # What lies inside the brush can still be pointed at.
    bubble = next(
        m
        for m in reversed(vega.marks(page, "symbol"))
        if m["model"] in set(inside["model"]) and m["opacity"] > 0
    )
    left, top = vega.origin(page)
    page.mouse.move(left + bubble["x"], top + bubble["y"])
    expect(page.locator("#vg-tooltip-element")).to_contain_text(bubble["model"].partition(".")[0])

    fill(page, "Top-1 from (%)", "80")
    until(page, "rows.every(r => !r.shown || r.top1 >= 80)")
    left_over = inside[inside["top1_percent"] >= 80]["model"].nunique()
    expect(
        page.get_by_text(re.compile(rf"^{left_over:,} of [\d,]+ models, brushed$"))
    ).to_be_visible()

    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_text("models, brushed")).to_have_count(0)
    vega.wait(page)
    assert vega.signal(page, "brush_seconds") is None
    brush(page, (0.3, 0.1), (0.45, 0.4))
    expect(page.get_by_text("models, brushed")).to_be_visible()
    page.mouse.dblclick(*at(page, 0.85, 0.6))
    expect(page.get_by_text("models, brushed")).to_have_count(0)
    idle(page)


@pytest.mark.parametrize("address", ["/compare", "/runs", "/method"])
def test_a_link_straight_to_a_page_of_a_cold_server_has_the_frame(
    address: str, serve: Callable, open_page: Callable[..., Page], tmp_path
) -> None:
    with serve(tmp_path) as cold:
        page = open_page(base_url=cold.url)
        page.goto(address)
        button = sidebar(page).get_by_role("button", name="Run benchmark")
        expect(button).to_be_enabled(timeout=60_000)
        expect(page).to_have_url(re.compile(rf"{address}$"))
        names = ["Models", "Compare", "Runs", "Method"]
        bar = page.get_by_test_id("stHeader")
        for name in names:
            expect(bar.get_by_role("link", name=name)).to_be_visible()
        expect(page).to_have_title("Best Image Models")
        bar.get_by_role("link", name="Models").click()
        vega.wait(page)
        page.context.close()


EVIL = (
    "<b>x</b><img src=x onerror=hacked=1> **y** [z](https://example.org) https://example.org a@b.cd"
)


def seen(area: Locator) -> str:
    """The text that people see; a joiner that keeps an address from becoming a link is not seen."""
    return area.inner_text().replace("\u2060", "")


def test_a_name_made_of_markup_is_shown_as_text_everywhere(
    serve: Callable, open_page: Callable[..., Page], complaints: list[str], tmp_path
) -> None:
    run = "2026-11-01T120000Z-aaaa"
    publish_accuracy(tmp_path, [{"model": EVIL, "image_size": 224, "top1_percent": 99.0}])
    name = EVIL.partition(".")[0]
    row = {"architecture": name, "image_size": 224, "images_per_s": 900.0, "device": EVIL}
    publish_speeds(tmp_path, run, [row])
    with serve(tmp_path) as server:
        page = open_page(base_url=server.url)
        visit(page, f"/?set={run}&search=x")
        main = page.get_by_test_id("stMain")
        assert f"is {EVIL}" in seen(main)
        (bubble, *_) = [m for m in vega.marks(page, "symbol") if m["model"] == EVIL]
        left, top = vega.origin(page)
        page.mouse.move(left + bubble["x"], top + bubble["y"])
        tooltip = page.locator("#vg-tooltip-element")
        expect(tooltip).to_contain_text(EVIL)
        page.mouse.click(left + bubble["x"], top + bubble["y"])
        card = page.locator(".st-key-card")
        expect(card).to_be_visible()
        idle(page)
        assert EVIL in seen(card)
        for area in (main, sidebar(page), tooltip):
            made = area.locator("b, img[src=x], a[href*='example.org'], a[href^=mailto]")
            assert [one.evaluate("one => one.outerHTML") for one in made.all()] == []
        assert page.evaluate("window.hacked") is None
        page.context.close()
