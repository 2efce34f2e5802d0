"""Three questions of somebody who never saw the page, walked in a real browser from its first view.

Each choice is counted: a menu's entry, an option, a field filled in, a link in the bar.
"""

import re
from collections.abc import Callable

import pandas as pd
import pytest
from browsing import choose, fill, idle, press, until, visit
from playwright.sync_api import Page, expect
from selections import RUN_5090, TRAINED

from bench import catalogue, comparison, points, results

pytestmark = pytest.mark.browser

RUN_3090 = "2026-08-timm-rtx3090-amp-fp16-nchw-pt2.4.0-cu12.4"
RUN_4090 = "2026-08-timm-rtx4090-amp-fp16-nchw-pt2.9.1-cu12.8"


@pytest.fixture
def of(speed: pd.DataFrame, accuracy: pd.DataFrame) -> Callable[..., pd.DataFrame]:
    """The points of a results set, as the dashboard shows them."""

    def joined(run: str, measure: str = "throughput") -> pd.DataFrame:
        return points.without_test_models(points.points(speed, accuracy, run=run, measure=measure))

    return joined


def label_of(speed: pd.DataFrame, run: str) -> str:
    sets = results.results_sets(speed[speed["run"] == run])
    return results.label(sets.iloc[0])


def test_the_most_accurate_model_under_1_ms_on_an_rtx_4090_takes_two_choices(
    page: Page, speed: pd.DataFrame, of: Callable[..., pd.DataFrame]
) -> None:
    visit(page)
    choose(page, "Results set", label_of(speed, RUN_4090))
    fill(page, "Slowest (ms)", "1")
    until(page, "rows.every(r => !r.shown || r.seconds <= 1e-3)")
    frame = of(RUN_4090)
    within = frame[frame["seconds_per_image"] <= 1e-3]
    best = within.sort_values(["top1_percent", "seconds_per_image"], ascending=[False, True])
    start = (
        f"On an RTX 4090, the most accurate model under 1 ms an image is {best['model'].iloc[0]}"
    )
    expect(page.get_by_test_id("stMain")).to_contain_text(start)


def test_the_best_to_fine_tune_under_100_m_parameters_takes_two_choices(
    page: Page, of: Callable[..., pd.DataFrame]
) -> None:
    visit(page)
    press(page, "Measure", "Training")
    until(page, "rows[0].set.includes('PyTorch 1.12')")
    fill(page, "Parameters to (M)", "100")
    until(page, "rows.length > 0 && rows.every(r => !r.shown || parseFloat(r.parameters) <= 100)")
    idle(page)
    said = page.get_by_text(
        "the most accurate model of at most 100 M parameters under"
    ).inner_text()
    found = re.search(r"under (\S+) ms an image of training is (\S+): ", said)
    assert found, said
    assert said.startswith("On an RTX 3090, ")
    frame = of(TRAINED, "training")
    frame = frame[(frame["parameters"] <= 100e6).fillna(False).astype(bool)]
    within = frame[frame["seconds_per_image"] <= float(found[1]) * 1e-3]
    assert within["top1_percent"].max() == within.set_index("model").loc[found[2], "top1_percent"]


def test_whether_convnext_tiny_gained_a_rank_from_rtx_3090_to_5090_takes_four_choices(
    page: Page, speed: pd.DataFrame, of: Callable[..., pd.DataFrame]
) -> None:
    visit(page)
    page.get_by_test_id("stHeader").get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Who gains, who loses?")
    choose(page, "Baseline", label_of(speed, RUN_3090))
    choose(page, "Compared with it", label_of(speed, RUN_5090))
    choose(page, "Models side by side", "convnext_tiny · 224 px")
    sets = results.results_sets(speed).set_index("run", drop=False)
    left, right = (
        comparison.Side(sets.loc[run], "throughput", of(run)) for run in (RUN_3090, RUN_5090)
    )
    pairs = comparison.compare(left, right, renames=catalogue.renames())
    (pair,) = pairs[
        (pairs["architecture"] == "convnext_tiny") & (pairs["image_size"] == 224)
    ].to_dict("records")
    lost = pair["rank_right"] - pair["rank_left"]
    assert lost > 0
    expect(page.get_by_text(f"convnext_tiny · 224 px loses {lost} ranks")).to_have_text(
        re.compile(
            rf"from {pair['rank_left']} of {len(pairs):,} \(RTX 3090, \S+ ms an image\) to "
            rf"{pair['rank_right']} \(RTX 5090, \S+ ms an image\)\."
        )
    )
