"""What people take away: pictures that hold the points, and tables that open safely."""

import io
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from browsing import visit
from playwright.sync_api import Page, expect

from bench import points, results
from pages.ui import charts, downloads, speed_charts

SVG = "{http://www.w3.org/2000/svg}"
THEME = {"range": {"category": [f"#0000{n:02x}" for n in range(16)]}}


@pytest.fixture(scope="module")
def shown(speed: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    frame = points.points(speed, accuracy, run=results.REFERENCE_RUN, measure="throughput")
    return points.best_of_each_family(frame)


@pytest.fixture(scope="module")
def picture(shown: pd.DataFrame) -> tuple[dict, pd.DataFrame]:
    axes, domain = charts.domains([shown]), charts.colours([])
    rows = charts.drawn(shown, colour_domain=domain, axes=axes, frontier=shown[shown["frontier"]])
    spec = speed_charts.accuracy_against_speed("throughput", axes, domain, "ImageNet-1k").to_dict()
    del spec["data"]
    return spec, rows


def test_the_svg_holds_a_mark_for_every_point(picture: tuple[dict, pd.DataFrame]) -> None:
    spec, rows = picture
    root = ET.fromstring(downloads.svg(spec, rows, THEME))
    groups = [g for g in root.iter(f"{SVG}g") if "mark-symbol role-mark" in g.get("class", "")]
    assert max(len(group.findall(f"{SVG}path")) for group in groups) == len(rows)
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert set(rows.loc[rows["label"] != "", "label"]) <= texts


def test_the_png_is_a_picture_of_twice_the_width(picture: tuple[dict, pd.DataFrame]) -> None:
    data = downloads.png(*picture, THEME)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20]) >= downloads.PICTURE_WIDTH * downloads.PNG_SCALE


def test_the_csv_holds_every_figure_and_no_formula(shown: pd.DataFrame) -> None:
    hostile = shown.head(5).copy()
    hostile["model"] = ["=1+1", "+cmd", "-2", "@sum", "\tplain"]
    read = pd.read_csv(io.BytesIO(downloads.csv(hostile)))
    assert read["model"].tolist() == ["'=1+1", "'+cmd", "'-2", "'@sum", "'\tplain"]
    assert read["seconds_per_image"].tolist() == hostile["seconds_per_image"].tolist()


def test_the_parquet_is_the_points(shown: pd.DataFrame) -> None:
    read = pd.read_parquet(io.BytesIO(downloads.parquet(shown)))
    assert read["model"].tolist() == shown["model"].tolist()
    assert read["seconds_per_image"].tolist() == shown["seconds_per_image"].tolist()


def test_the_only_csv_on_the_page_is_the_guarded_one(page: Page) -> None:
    visit(page)
    expect(page.get_by_role("button", name="CSV", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Show/hide columns")).to_be_attached()
    expect(page.get_by_role("button", name="Download as CSV")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    rows = pd.read_csv(download.value.path())
    assert len(rows) > 1000
    assert rows["top1_percent"].max() > 88
