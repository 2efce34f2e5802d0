"""A model's card in a real browser: what opens it, what closes it, and that the reader sees it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import vega
from browsing import at, brush, idle, press, to_the_middle, until, visit, zoom
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

NAME = "convnextv2_base.fcmae_ft_in22k_in1k"
LINK = f"/?model={NAME}@288"


def card(page: Page) -> Locator:
    return page.locator(".st-key-card")


def name(page: Page) -> Locator:
    """The card's heading."""
    return card(page).get_by_role("heading")


def close(page: Page) -> None:
    card(page).get_by_role("button", name="Close").click()
    expect(card(page)).to_have_count(0)
    expect(page).not_to_have_url(re.compile("model="))
    idle(page)


def bubble_in_sight(page: Page, *, skip: int = 0) -> dict[str, Any]:
    """A bubble that nothing lies on: the last drawn, but for `skip` others."""
    marks = [m for m in vega.marks(page, "symbol") if m["role"] == "mark" and m["model"]]
    width, height = vega.plot(page)
    inside = [m for m in marks if 0 < m["x"] < width and 0 < m["y"] < height]
    return inside[-1 - skip]


def click(page: Page, bubble: dict[str, Any]) -> None:
    left, top = vega.origin(page)
    page.mouse.click(left + bubble["x"], top + bubble["y"])
    expect(name(page)).to_have_text(bubble["model"])
    idle(page)


@pytest.mark.parametrize(
    "page",
    [{}, {"color_scheme": "dark"}, {"width": 390, "height": 844}, {"width": 768, "height": 1024}],
    indirect=True,
)
def test_a_click_on_a_bubble_opens_a_card_whose_name_is_seen_at_once(page: Page) -> None:
    visit(page)
    if page.viewport_size["width"] < 1000:  # who clicks in the chart has it in sight
        to_the_middle(page)
    click(page, bubble_in_sight(page))
    expect(name(page)).to_be_in_viewport(ratio=1)
    expect(card(page).get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)


def test_a_card_closes_by_its_button_and_the_same_bubble_opens_it_again(page: Page) -> None:
    visit(page)
    bubble = bubble_in_sight(page)
    click(page, bubble)
    close(page)
    click(page, bubble)
    page.mouse.click(*at(page, 0.9, 0.6))
    expect(card(page)).to_have_count(0)
    idle(page)
    click(page, bubble)
    close(page)
    whole = vega.domain(page, "x")
    zoom(page)
    vega.until_zoomed_in(page, whole)
    idle(page)
    expect(card(page)).to_have_count(0)


def test_a_card_from_a_link_closes_and_a_reload_leaves_it_closed(page: Page) -> None:
    visit(page, LINK)
    expect(name(page)).to_have_text(NAME)
    close(page)
    page.reload()
    vega.wait(page)
    idle(page)
    expect(card(page)).to_have_count(0)


def fresh_by_brush(page: Page) -> None:
    brush(page, (0.3, 0.1), (0.45, 0.4))
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_text("models, brushed")).to_have_count(0)


def fresh_by_another_view(page: Page) -> None:
    press(page, "Against time", "Parameters")
    until(page, "rows.some(row => row.cost > 0)")


@pytest.mark.parametrize("afresh", [fresh_by_brush, fresh_by_another_view])
def test_a_zoom_of_a_fresh_chart_leaves_the_card_open(
    page: Page, afresh: Callable[[Page], None]
) -> None:
    visit(page)
    bubble = bubble_in_sight(page)
    click(page, bubble)
    afresh(page)
    idle(page)
    vega.wait(page)
    whole = vega.domain(page, "x")
    zoom(page)
    vega.until_zoomed_in(page, whole)
    idle(page)
    expect(name(page)).to_have_text(bubble["model"])


def test_reset_takes_brush_zoom_and_card_away(page: Page) -> None:
    visit(page)
    whole = vega.domain(page, "x")
    click(page, bubble_in_sight(page))
    brush(page, (0.3, 0.1), (0.45, 0.4))
    expect(page.get_by_text("models, brushed")).to_be_visible()
    zoom(page)
    vega.until_zoomed_in(page, whole)
    idle(page)
    page.get_by_role("button", name="Reset").click()
    expect(card(page)).to_have_count(0)
    expect(page.get_by_text("models, brushed")).to_have_count(0)
    idle(page)
    vega.wait(page)
    assert vega.domain(page, "x") == whole
    assert vega.signal(page, "brush_seconds") is None
    expect(page).to_have_url(re.compile(r":\d+/$"))


def test_a_rival_on_the_card_leads_to_its_own_card_and_the_address_keeps_the_rest(
    page: Page,
) -> None:
    visit(page, f"{LINK}&min_top1=80")
    rival = card(page).get_by_role("button", name=re.compile(r"\d px\)$")).last
    text = rival.inner_text()
    assert not text.startswith(NAME)
    rival.click()
    expect(name(page)).to_have_text(text.partition(" ")[0])
    expect(page).to_have_url(re.compile(r"min_top1=80"))
    size = re.search(r"(\d+) px", text)
    assert size is not None
    expect(page).to_have_url(re.compile(f"model={text.partition(' ')[0]}(@|%40){size[1]}"))
