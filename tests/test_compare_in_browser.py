"""Compare in a real browser: what it draws is whole at every width, and its address restores it."""

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from urllib.parse import urlencode

import harness
import pandas as pd
import pytest
import vega
from axe_playwright_python.sync_playwright import Axe
from browsing import choose, controls, fill, idle, overflow, press, sidebar
from playwright.sync_api import Page, expect
from test_compare_page import RUN_3090, RUN_5090

pytestmark = pytest.mark.browser

PICKED = [
    "resnet50 · 224 px",
    "regnetx_032 · 224 px",
    "vit_base_patch16_224 · 224 px",
    "tf_efficientnetv2_s_in21ft1k · 384 px",
]
# Scatter, families, models.
CHARTS = 3
NARROW = 520


def address(**query: str | list[str]) -> str:
    return f"/compare?{urlencode(query, doseq=True)}"


def visit(page: Page, where: str) -> None:
    page.goto(where)
    vega.wait_for_all(page, CHARTS)
    idle(page)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=60_000)


def apart(one: dict, other: dict) -> bool:
    return (
        one["right"] <= other["left"]
        or other["right"] <= one["left"]
        or one["bottom"] <= other["top"]
        or other["bottom"] <= one["top"]
    )


def check_labels(page: Page, *, at_least: int) -> None:
    """The scatter's labels have a halo, lie inside the plot, and none lies on another."""
    width, height = vega.plot(page)
    texts = [t for t in vega.marks(page, "text") if t["role"] == "mark" and t["text"]]
    halos = [t for t in texts if t["stroke"] and t["opacity"]]
    names = [t for t in texts if not t["stroke"] and t["opacity"]]
    if width < NARROW:
        assert not names
        return
    assert len(names) >= at_least
    places = [[(t["text"], t["x"], t["y"]) for t in some] for some in (names, halos)]
    assert sorted(places[0]) == sorted(places[1])
    for label in names:
        assert label["left"] >= 0, label
        assert label["right"] <= width, label
        assert label["top"] >= -2, label
        assert label["bottom"] <= height, label
    for one, other in combinations(names, 2):
        assert apart(one, other), (one["text"], other["text"])


def check_axes(page: Page, chart: int) -> None:
    """No text beside a chart lies on another or is cut off."""
    texts = [
        t
        for t in vega.marks(page, "text", chart=chart)
        if t["role"] == "axis-label" and t["text"] and t["opacity"]
    ]
    assert len(texts) > 5
    assert not [t for t in texts if "…" in t["text"]]
    for one, other in combinations(texts, 2):
        assert apart(one, other), (one["text"], other["text"])
    left, right = page.evaluate(
        f"""n => {{
          const v = ({vega.VIEW})(n), start = v.origin()[0] + v.padding().left;
          return [-start, v.container().querySelector('canvas').clientWidth - start];
        }}""",
        chart,
    )
    for text in texts:
        assert text["left"] >= left - 1, text
        assert text["right"] <= right + 1, text


def check_titles(page: Page, chart: int) -> None:
    """The names of models, which stand inside the plot, lie on no point."""
    titles = [t for t in vega.marks(page, "text", chart=chart) if " px" in str(t["text"])]
    points = [p for p in vega.marks(page, "symbol", chart=chart) if p["role"] == "mark"]
    assert len(points) == 2 * len(titles) >= 8
    for title in titles:
        for point in points:
            assert apart(title, point), (title["text"], point)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_it_fits_its_labels_are_whole_and_axe_finds_nothing(
    server: harness.Server,
    open_page: Callable[..., Page],
    artefacts: Path,
    width: int,
    scheme: str,
) -> None:
    page = open_page(base_url=server.url, width=width, height=2600, color_scheme=scheme)
    for name, query, labels in (
        ("opened", {}, 4),
        ("picked", {"models": PICKED, "by_family": "Its best model", "search": "levit"}, 4),
        ("family", {"left": RUN_3090, "right": RUN_5090, "families": ["vit", "resnet"]}, 2),
    ):
        visit(page, address(**query))
        page.screenshot(path=artefacts / f"compare-{name}-{width}-{scheme}.png")
        assert overflow(page) == [], name
        check_labels(page, at_least=labels)
        for chart in range(CHARTS):
            check_axes(page, chart)
        check_titles(page, 2)
        if width != 768:
            assert barriers(page) == [], name
    server.check_log()


def barriers(page: Page) -> list[tuple[str, str]]:
    """What axe finds serious or critical."""
    return [
        (one["id"], node["html"][:200])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_every_control_survives_a_round_trip_through_the_address(
    page: Page, open_page: Callable[..., Page], server: harness.Server
) -> None:
    visit(page, "/compare")
    opened = controls(page)
    choose(page, "Baseline", "RTX 3090 · amp-fp16 · PyTorch 2.4.0 · timm 2026-08")
    choose(page, "Models side by side", "resnet50 · 224 px")
    choose(page, "Models side by side", "convnext_tiny · 224 px")
    choose(page, "Families", "convnext")
    choose(page, "Families", "resnet")
    fill(page, "Search", "resnet1")
    expect(page).to_have_url(re.compile("search=resnet1"))
    press(page, "Compared with it: measure", "Inference")
    expect(page).to_have_url(re.compile("right_measure=Inference"))
    press(page, "Each family by", "Its best model")
    expect(page).to_have_url(re.compile("by_family="))
    press(page, "Rows of families", "All")
    expect(page).to_have_url(re.compile("which=All"))
    vega.wait_for_all(page, CHARTS)
    chosen, said = controls(page), page.get_by_text("in the median of").first.inner_text()
    assert chosen != opened

    again = open_page(base_url=server.url)
    visit(again, page.url.removeprefix(server.url))
    assert controls(again) == chosen
    assert again.get_by_text("in the median of").first.inner_text() == said
    assert again.url == page.url
    for name in ("left", "models", "families", "search", "right_measure", "by_family", "which"):
        assert f"{name}=" in again.url

    sidebar(again).get_by_role("button", name="Reset").click()
    expect(again).to_have_url(f"{server.url}/compare")
    assert controls(again) == opened


def test_what_is_asked_on_one_page_is_not_asked_on_the_other(page: Page) -> None:
    page.goto("/?search=vgg&families=vgg")
    vega.wait(page)
    idle(page)
    page.get_by_test_id("stHeader").get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Who gains, who loses?")
    vega.wait_for_all(page, CHARTS)
    idle(page)
    expect(sidebar(page).get_by_label("Search", exact=True)).to_have_value("")
    assert "vgg" not in page.url


def test_chart_and_rows_can_be_taken_away(page: Page, tmp_path: Path) -> None:
    visit(page, address(families=["resnet", "vit"], search="resnet50"))
    files = {}
    for kind in ("SVG", "PNG", "CSV", "Parquet"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=kind, exact=True).click()
        name = waiting.value.suggested_filename
        assert re.fullmatch(rf"2022-07-\S+-training-against-\S+-throughput\.{kind.lower()}", name)
        files[kind] = tmp_path / name
        waiting.value.save_as(files[kind])
    assert "resnet50" in files["SVG"].read_text()
    assert files["PNG"].read_bytes().startswith(b"\x89PNG")
    rows, of_csv = pd.read_parquet(files["Parquet"]), pd.read_csv(files["CSV"])
    assert set(rows["family"]) == set(of_csv["family"]) == {"resnet", "vit"}
    assert len(rows) == len(of_csv) > 50
    assert rows["ratio"].tolist() == pytest.approx(of_csv["ratio"].tolist())
