"""What a reader waits for, timed inside headless Chromium by `stopwatch.js`."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import harness
import vega
from playwright.sync_api import Browser, Page, expect, sync_playwright

STOPWATCH = Path(__file__).with_name("stopwatch.js").read_text().replace("VIEW", vega.VIEW, 1)
PATIENCE_MS = 180_000
WINDOW = {"width": 1440, "height": 900}

SITES = {
    "blank": "benchmarks/dashboard/sites/blank.py",
    "models": "app.py",
    "plotly": "benchmarks/dashboard/sites/plotly_chart.py",
}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The installed Chromium, headless, with the flags of the tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=harness.chromium(), args=harness.CHROMIUM_FLAGS
        )
        yield browser
        browser.close()


@contextmanager
def served(
    site: str, data: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[harness.Server]:
    """One of SITES on a server of its own, on an empty data folder where none is given."""
    with (
        TemporaryDirectory() as home,
        TemporaryDirectory() as empty,
        harness.serve(data or Path(empty), Path(home), script=SITES[site], env=env) as server,
    ):
        yield server


@contextmanager
def opened(browser: Browser, url: str, kind: str) -> Iterator[tuple[Page, float]]:
    """A page in a browser context of its own, cache empty; with the seconds until it was painted.

    Args:
        browser: a running Chromium.
        url: of a server.
        kind: a key of SITES: what counts as painted.
    """
    context = browser.new_context(viewport=WINDOW)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.add_init_script(STOPWATCH)
    page.add_init_script(f"window.painted = window.stopwatch.page('{kind}')")
    try:
        page.goto(url)
        yield page, page.evaluate("window.painted") / 1e3
    finally:
        context.close()


def until_idle(page: Page) -> None:
    """Wait until no script runs."""
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=PATIENCE_MS
    )


def paints(kinds: list[str], rounds: int, tell: Callable[[str], None]) -> dict[str, list[float]]:
    """Seconds from a warm server to the painted page, the kinds taking turns; one round unseen."""
    samples: dict[str, list[float]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        urls = {kind: stack.enter_context(served(kind)).url for kind in kinds}
        browser = stack.enter_context(chromium())
        for number in range(rounds + 1):
            for kind, url in urls.items():
                with opened(browser, url, kind) as (_, seconds):
                    if number:
                        samples[kind].append(seconds)
            tell(f"painted, round {number} of {rounds}")
    return samples


@dataclass
class Waits:
    """Seconds that a reader of the Models page waited, by what for; and how many bubbles."""

    bubbles: int = 0
    by_kind: dict[str, list[float]] = field(default_factory=dict)

    def note(self, kind: str, milliseconds: float) -> None:
        """One more wait."""
        self.by_kind.setdefault(kind, []).append(milliseconds / 1e3)


def waits(page: Page, rounds: int) -> Waits:
    """Filter, hover, isolate by the legend, and open cards, so many times each.

    Args:
        page: the painted Models page.
        rounds: each has four filters, a hover, a click in the legend and a card.
    """
    found = Waits(bubbles=len(page.evaluate("stopwatch.bubbles()")))
    until_idle(page)
    for number in range(rounds):
        filters(page, found)
        hover(page, found, number)
        legend(page, found)
        card(page, found, number)
    return found


def filters(page: Page, found: Waits) -> None:
    """Best of each family and back by a click, a budget on time and back by Enter."""
    shown = page.get_by_role("radiogroup", name="Show")
    for option in ("Best of each family", "All models"):
        page.evaluate("stopwatch.armRedrawn('click')")
        shown.get_by_text(option, exact=True).click()
        found.note("filter", page.evaluate("stopwatch.take()"))
        until_idle(page)
    budget = page.get_by_test_id("stSidebar").get_by_label("Slowest (ms)", exact=True)
    for milliseconds in ("0.2", ""):
        budget.fill(milliseconds)
        page.evaluate("stopwatch.armRedrawn('keydown')")
        budget.press("Enter")
        found.note("filter", page.evaluate("stopwatch.take()"))
        until_idle(page)


def hover(page: Page, found: Waits, number: int) -> None:
    """From the mouse's move onto a bubble to its figures."""
    x, y = _bubble(page, number)
    page.mouse.move(5, 5)
    page.evaluate("stopwatch.arm('mousemove', 'hovered', null)")
    page.mouse.move(x, y)
    found.note("hover", page.evaluate("stopwatch.take()"))
    page.mouse.move(5, 5)


def legend(page: Page, found: Waits) -> None:
    """From a click on a family in the legend to the others faded; a click on nothing undoes it."""
    canvas = page.evaluate("stopwatch.canvas()")
    entry = next(one for one in page.evaluate("stopwatch.legend()") if one["text"] == "resnet")
    x, y = canvas["left"] + entry["x"] + 3, canvas["top"] + entry["y"]
    page.evaluate("stopwatch.arm('click', 'isolated', null)")
    page.mouse.click(x, y)
    found.note("legend", page.evaluate("stopwatch.take()"))
    page.evaluate("stopwatch.arm('click', 'whole', null)")
    page.mouse.click(canvas["left"] + 4, canvas["top"] + canvas["height"] - 4)
    page.evaluate("stopwatch.take()")
    until_idle(page)
    page.mouse.move(5, 5)


def card(page: Page, found: Waits, number: int) -> None:
    """From a click on a bubble to its model's card, which was closed or of another model."""
    before = page.locator(".st-key-card").all_inner_texts()
    x, y = _bubble(page, number)
    page.evaluate(
        "before => stopwatch.arm('click', 'card', before)",
        before[0].split("\n")[0] if before else "",
    )
    page.mouse.click(x, y)
    found.note("card", page.evaluate("stopwatch.take()"))
    until_idle(page)
    page.mouse.move(5, 5)


def _bubble(page: Page, number: int) -> tuple[float, float]:
    """Where in the window one of the bubbles is, another one for another number.

    The accurate ones of a column stand alone; each number takes another column.
    """
    canvas = page.evaluate("stopwatch.canvas()")
    bubbles = sorted(page.evaluate("stopwatch.bubbles()"), key=lambda one: float(one["x"]))
    share = (number * (math.sqrt(5) - 1) / 2) % 1
    nearby = int((0.1 + 0.7 * share) * len(bubbles))
    top = min(bubbles[nearby : nearby + 40], key=lambda one: float(one["y"]))
    return canvas["left"] + top["x"], canvas["top"] + top["y"]
