"""What browser tests do with the page, in words: by role and label, as people find things."""

from typing import Any

import vega
from playwright.sync_api import Error, Locator, Page, expect

PATIENCE_MS = 60_000


def visit(page: Page, address: str = "/") -> None:
    """Open an address of the Models page and wait until its chart is drawn."""
    page.goto(address)
    vega.wait(page)
    idle(page)


def idle(page: Page) -> None:
    """Until no script runs."""
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=PATIENCE_MS
    )


def sidebar(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a drop-down menu, for one or for many, until the address shows it.

    Its name is typed, since a long menu holds only what can be seen; then it is clicked, since
    Enter would take every match. Scrolling closes the menu, so the field comes into sight first; a
    script that ends meanwhile closes it as well, sometimes under the click: then once more.
    """
    before = page.url
    wanted = page.get_by_role("option", name=option, exact=True)
    for patience_ms in (2_000, 10_000, 20_000, PATIENCE_MS):
        idle(page)
        if page.url != before:  # the last try was only late
            return
        field = page.get_by_role("combobox", name=label)
        field.evaluate("field => field.scrollIntoView({block: 'center', behavior: 'instant'})")
        field.fill(option)
        try:
            wanted.click(timeout=patience_ms)
            page.keyboard.press("Escape")  # a menu for many stays open
            page.wait_for_url(lambda url: url != before, timeout=patience_ms)
        except Error:
            page.keyboard.press("Escape")
            continue
        return
    raise AssertionError(f"{option!r} could not be chosen in {label!r}")


def press(page: Page, group: str, option: str) -> None:
    """Choose one of a row of options, of which one is on."""
    page.get_by_role("radiogroup", name=group, exact=True).get_by_text(option, exact=True).click()


def fill(page: Page, label: str, text: str) -> None:
    """Type into a field and leave it."""
    field = sidebar(page).get_by_label(label, exact=True)
    field.fill(text)
    field.press("Enter")


def until(page: Page, condition: str, argument: Any = None) -> None:
    """Until a condition on the chart's rows holds: JavaScript of `rows` and `argument`."""
    vega.until(page, f"(rows, argument) => {condition}", argument)


def more(page: Page) -> None:
    """Open the rest of the controls, if it is closed."""
    families = page.get_by_role("combobox", name="Families")
    idle(page)
    if not families.is_visible():
        sidebar(page).get_by_text("More", exact=True).click()
    expect(families).to_be_visible()


def controls(page: Page) -> str:
    """Every control, beside the chart as well, with its state, as a screen reader finds them."""
    idle(page)
    places = page.locator(
        ".st-key-saved_views, .st-key-chart_controls, .st-key-table_controls"
    ).all()
    places.append(page.get_by_test_id("stSidebarUserContent"))
    return "\n".join(place.aria_snapshot() for place in places)


def overflow(page: Page) -> list[str]:
    """What is wider than the window, or than the area that scrolls: there should be nothing."""
    return page.evaluate(
        """() => [document.scrollingElement, document.querySelector('[data-testid="stMain"]')]
          .filter(area => area.scrollWidth > Math.min(area.clientWidth, innerWidth))
          .map(area => `${area.tagName}: ${area.scrollWidth} > ${area.clientWidth}`)"""
    )


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """A place in the plot, as shares of its width and height, in the window."""
    left, top = vega.origin(page)
    width, height = vega.plot(page)
    return left + x * width, top + y * height


def to_the_middle(page: Page) -> None:
    """Scroll to the chart: scroll_into_view_if_needed may leave it under the page's header."""
    chart = page.get_by_test_id("stVegaLiteChart").first
    chart.evaluate("element => element.scrollIntoView({block: 'center'})")


def brush(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Shift + drag over a part of the plot, given in shares of its width and height."""
    to_the_middle(page)
    page.mouse.move(*at(page, *start))
    page.keyboard.down("Shift")
    page.mouse.down()
    for share in (0.3, 0.7, 1.0):
        between = (one + share * (two - one) for one, two in zip(start, end, strict=True))
        page.mouse.move(*at(page, *between))
    page.mouse.up()
    page.keyboard.up("Shift")


def zoom(page: Page) -> None:
    """Ctrl + wheel in the upper half of the plot."""
    to_the_middle(page)
    page.mouse.move(*at(page, 0.5, 0.45))
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
