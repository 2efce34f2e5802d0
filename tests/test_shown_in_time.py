"""What happens is shown soon. How soon is measured by `python -m tests.faults --shown 5`.

Here a machine that does much else meanwhile must pass as well, so the bounds are a multiple.
"""

import pytest
from playwright.sync_api import Browser

from pages.ui import run_panel
from tests.faults.shown import BOUNDS_S, measure

MULTIPLE = 8


@pytest.mark.long
@pytest.mark.timeout(600)
def test_rows_cancels_and_crashes_are_shown_while_somebody_waits_for_them(browser: Browser) -> None:
    seen = list(measure(1, browser).lines())
    assert [what for what, *_ in seen] == list(BOUNDS_S)
    for what, bound_s, _, _, longest_s, _ in seen:
        assert 0 <= longest_s < MULTIPLE * bound_s, what


def test_the_page_asks_often_enough_for_the_shortest_of_these() -> None:
    assert min(BOUNDS_S.values()) >= 2 * run_panel.POLL_S
