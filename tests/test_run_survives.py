"""A run goes on whatever becomes of the page: its tab closed, its server stopped and restarted."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import harness
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

# So many that the run still goes on when the second server is up, on a fast machine too.
MODELS = (
    "tinynet_e",
    "lcnet_050",
    "mobilenetv3_small_100",
    "resnet18",
    "regnetx_002",
    "regnety_002",
    "ghostnet_100",
)
PATIENCE_MS = 120_000


def start_from_the_sidebar(page: Page, models: tuple[str, ...]) -> None:
    """Press Run benchmark, choose these models' latency, and start."""
    page.get_by_role("button", name="Run benchmark").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Search", exact=True).click(timeout=PATIENCE_MS)
    names = dialog.get_by_label("Architectures")
    for model in models:
        names.click()
        names.fill(model)
        page.get_by_role("option", name=model, exact=True).click()
    page.keyboard.press("Escape")
    dialog.get_by_role("button", name="Start").click()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_run_outlives_tab_and_server_and_can_be_cancelled_and_resumed(
    tmp_path: Path, open_page: Callable[..., Page]
) -> None:
    data, home = tmp_path / "data", tmp_path / "home"
    data.mkdir()
    home.mkdir()
    with harness.serve(data, home, stop_runs=False) as first:
        page = open_page(base_url=first.url)
        page.goto("/")
        start_from_the_sidebar(page, MODELS)
        progress = page.locator("[class*='st-key-progress-']")
        expect(progress).to_be_visible(timeout=PATIENCE_MS)
        expect(progress).to_contain_text(re.compile(r"\d+ of \d+"), timeout=PATIENCE_MS)
        page.close()
    with harness.serve(data, home) as second:
        again = open_page(base_url=second.url)
        again.goto("/")
        progress = again.locator("[class*='st-key-progress-']")
        expect(progress).to_be_visible(timeout=PATIENCE_MS)

        progress.get_by_role("button", name="Cancel").click()
        expect(progress).to_be_hidden(timeout=PATIENCE_MS)

        again.goto("/runs")
        expect(again.get_by_text("cancelled", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        again.get_by_role("button", name="Resume").click()
        expect(again.get_by_text("done", exact=True)).to_be_visible(timeout=2 * PATIENCE_MS)
        again.close()

    (results,) = data.glob("runs/*/results.parquet")
    rows = pd.read_parquet(results)
    asked = json.loads(next(data.glob("runs/*/request.json")).read_text())["workloads"]
    wanted = sorted((work["architecture"], work["image_size"]) for work in asked)
    found = sorted(zip(rows["model"], rows["image_size"], strict=True))
    assert found == wanted, "each row once, none lost"
    assert set(rows["model"]) == set(MODELS)
    assert (rows["outcome"] == "ok").all(), rows[["model", "outcome", "message"]]
