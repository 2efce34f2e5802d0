"""Every page at three widths, light and dark: nothing overflows, no label collides or is cut, and
axe finds nothing serious.

The pictures stay in tests/artefacts, for a person to look at.
"""

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import harness
import pytest
import vega
from axe_playwright_python.sync_playwright import Axe
from browsing import idle, more, overflow, sidebar, visit
from playwright.sync_api import Page, expect

from pages.ui.labels import NARROW
from tests.faults import stage

pytestmark = pytest.mark.browser

NEWER = "2026-08-timm-rtx3090-amp-fp16-nhwc-pt2.4.0-cu12.4"
WIDTHS = {390: 1500, 768: 1500, 1440: 1400}
screens = pytest.mark.parametrize("scheme", ["light", "dark"])
widths = pytest.mark.parametrize("width", list(WIDTHS))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, serve: Callable) -> Iterator[harness.Server]:
    """A dashboard whose Runs page has something to show."""
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch, serve(data) as running:
        patch.setenv("BENCH_LOCKS", str(tmp_path_factory.mktemp("locks")))
        plan = {"test_resnet": "segfault", "test_vit": "out_of_memory"}
        stage.over(stage.submit(data, *stage.NAMES[:7], plan=plan), data)
        start = stage.start_with(options=("--start", "die"))
        failed = stage.runs.submit(
            stage.request("test_vit"), data, by=stage.COMMAND_LINE, start=start
        )
        stage.over(failed, data)
        yield running


@pytest.fixture
def look(
    server: harness.Server, open_page: Callable[..., Page], artefacts: Path, width: int, scheme: str
) -> Callable[..., None]:
    """Take a picture; fail where something is wider than its page, or shuts somebody out."""

    def take(page: Page, name: str) -> None:
        idle(page)
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=60_000)
        for table in page.get_by_test_id("stDataFrame").all()[:1]:  # others may be folded away
            expect(table.locator("canvas").first).to_be_visible(timeout=60_000)
        page.screenshot(path=artefacts / f"{name}-{width}-{scheme}.png")
        assert overflow(page) == [], name
        assert width == 768 or barriers(page) == [], name

    return take


@pytest.fixture
def page(
    server: harness.Server, open_page: Callable[..., Page], width: int, scheme: str
) -> Iterator[Page]:
    yield open_page(base_url=server.url, width=width, height=WIDTHS[width], color_scheme=scheme)
    server.check_log()


def barriers(page: Page) -> list[str]:
    """What axe finds serious or critical on the page as it is now, by every one of its rules."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]}; {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def check_chart(page: Page, *, is_labelled: bool = True) -> None:
    """Nothing in the chart lies on something else, or is cut off.

    Args:
        page: shows a chart or a report.
        is_labelled: whether the chart has labels where it is wide enough for them.
    """
    width, height = vega.plot(page)
    texts = vega.marks(page, "text")
    seen = [t for t in texts if t["role"] == "mark" and t["opacity"] and t["text"]]
    labels = [t for t in seen if t["fill"] != t["stroke"]]  # a halo is all of the paper's colour
    assert bool(labels) == (is_labelled and width >= NARROW), (width, labels)
    assert len(seen) == 2 * len(labels), "each label has its halo"
    for label in labels:
        assert label["left"] >= 0, label
        assert label["right"] <= width, label
        assert label["top"] >= -2, label
        assert label["bottom"] <= height, label
    no_collision(labels)
    ticks = [t for t in texts if t["role"] == "axis-label" and t["opacity"] > 0 and t["text"]]
    times = [tick for tick in ticks if re.search(r"[µm]?s$", tick["text"])]
    assert len(times) >= 4
    no_collision(times)
    no_collision([tick for tick in ticks if tick not in times])


def no_collision(texts: list[dict]) -> None:
    for one, other in combinations(texts, 2):
        apart = (
            one["right"] <= other["left"]
            or other["right"] <= one["left"]
            or one["bottom"] <= other["top"]
            or other["bottom"] <= one["top"]
        )
        assert apart, (one["text"], other["text"])


@screens
@widths
def test_the_models_page_fits(page: Page, look: Callable[..., None], width: int) -> None:
    visit(page)
    look(page, "models")
    check_chart(page)
    visit(page, "/?show=Best of each family&search=resnet50")
    look(page, "models-best")
    check_chart(page)
    visit(page, f"/?view=fastai 2022: subset&beside={NEWER}")
    look(page, "models-view")
    check_chart(page)
    if width < 700:
        page.get_by_test_id("stExpandSidebarButton").click()
        expect(sidebar(page).get_by_role("button", name="Run benchmark")).to_be_in_viewport(ratio=1)
        look(page, "models-sidebar")
    if width > 1000:
        visit(page, "/?against=Parameters&families=vit&families=levit&commercial_use=allowed")
        more(page)
        look(page, "models-more")
        check_chart(page, is_labelled=False)  # labels name the frontier, which is one of accuracy
        visit(page, "/?trends=true&show=Best of each family")
        look(page, "models-trends")
        check_chart(page)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (768, "light"), (1440, "light")])
def test_a_models_card_and_an_emptied_chart_fit(page: Page, look: Callable[..., None]) -> None:
    visit(page, "/?model=convnextv2_base.fcmae_ft_in22k_in1k@288")
    expect(page.locator(".st-key-card")).to_be_visible()
    page.locator(".st-key-card").scroll_into_view_if_needed()
    look(page, "models-card")
    page.goto("/?max_ms=0.000001")
    expect(page.get_by_text("No model is left")).to_be_visible(timeout=60_000)
    look(page, "models-emptied")


@screens
@widths
def test_the_other_pages_fit(page: Page, look: Callable[..., None], width: int) -> None:
    page.goto("/runs")
    expect(
        page.get_by_text("2 out of memory").or_(page.get_by_text("crashed")).first
    ).to_be_visible(timeout=60_000)
    look(page, "runs")
    page.goto("/method")
    expect(page.get_by_role("heading", name="What the figures do not say")).to_be_visible(
        timeout=60_000
    )
    look(page, "method")
    page.goto("/compare")
    vega.wait(page)
    look(page, "compare")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_the_form_of_a_benchmark_fits(page: Page, look: Callable[..., None], width: int) -> None:
    page.goto("/method")
    expect(page.get_by_role("heading", level=2)).to_be_visible(timeout=60_000)
    if width < 700:
        page.get_by_test_id("stExpandSidebarButton").click()
    sidebar(page).get_by_role("button", name="Run benchmark").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_role("button", name="Start")).to_be_enabled(timeout=60_000)
    look(page, "form")
    box = form.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
