"""The Compare page, run by Streamlit: what it opens on, what it makes of links and controls."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import harness
import pandas as pd
import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from bench import store
from bench.records import Environment, Measurement, Protocol, Workload
from pages.ui import entrance

PAGE = str(harness.REPOSITORY / "pages" / "compare.py")
RUN_2022 = "2022-07-timm-rtx3090-amp-fp16-nhwc-pt1.11-cu11.3"
RUN_3090 = "2026-08-timm-rtx3090-amp-fp16-nchw-pt2.4.0-cu12.4"
RUN_5090 = "2026-08-timm-rtx5090-amp-fp16-nchw-pt2.9.1-cu13.0"
CHARTS = "vega_lite_chart"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder: what ships with the project is read, nothing else."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def opened(data: Path):
    def at(**link: str | list[str]) -> AppTest:
        page = AppTest.from_file(PAGE, default_timeout=60)
        page.session_state[entrance.IN_APP] = True
        page.query_params.update(link)
        return page.run()

    return at


def a_run(data: Path, run: str, seconds: Iterable[tuple[str, int, float]], **more: str) -> None:
    """Publish a run of this machine: (architecture, image size, seconds an image)."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    found = [
        Measurement(
            workload=Workload(architecture=name, image_size=size, measure="throughput"),
            outcome="ok",
            measured_at=at,
            batch_size=8,
            samples_s=(8 * s,) * 9,
            peak_memory_bytes=2**30,
            flags=("noisy",),
        )
        for name, size, s in seconds
    ]
    where = Environment(device=more.get("device", "Some Chip"), device_kind="cpu", torch="2.13.0")
    table = store.speed_table(run, found, Protocol(), where, {})
    store.publish(table, data / "runs" / run / "results.parquet")


def text(page: AppTest) -> str:
    """All that the page says in words, without Markdown's backslashes."""
    parts = [*page.markdown, *page.caption, *page.info, *page.warning, *page.error, *page.subheader]
    return "\n".join(part.value for part in parts).replace("\\", "")


def side_by_side(page: AppTest) -> pd.DataFrame:
    return page.dataframe[0].value


def every_model(page: AppTest) -> pd.DataFrame:
    return page.dataframe[1].value


def test_it_opens_on_training_against_inference_and_shows_that_families_change_places(
    opened,
) -> None:
    page = opened()
    assert not page.exception
    assert "Training takes 3.4 times as long as inference" in text(page).replace("**", "")
    assert (
        "Inference and training follow similar trends (rank correlation 0.97), but some families "
        "change places: mixnet, mixer and dla gain most (54, 49 and 45 ranks); regnetx, regnetz "
        "and resnest lose most (104, 99 and 66 ranks)."
    ) in text(page).replace("**", "")
    assert "differ in one circumstance, measure (inference → training)" in text(page)
    assert len(page.get(CHARTS)) == 3
    table = every_model(page)
    assert len(table) == 579
    assert (table["ratio"] * table["left_ms"]).to_numpy() == pytest.approx(
        table["right_ms"].to_numpy()
    )
    assert not dict(page.query_params)


def test_other_sets_are_chosen_by_their_labels_and_stand_in_the_link(opened) -> None:
    page = opened()
    page.selectbox(key="left").select(RUN_3090).run()
    page.selectbox(key="right").select(RUN_5090).run()
    assert not page.exception
    assert "RTX 5090** is **2.0 times as fast** as **RTX 3090" in text(page)
    assert "In inference" in text(page)
    assert "differ in 2 circumstances: device (RTX 3090 → RTX 5090); software" in text(page)
    assert "Two runs are comparable when they differ in one" in text(page)


def test_a_link_restores_every_control(opened) -> None:
    page = opened(
        left=RUN_3090,
        right=RUN_5090,
        by_family="Its best model",
        which="All",
        models=["convnext_tiny · 288 px", "resnet50 · 224 px"],
        families=["convnext", "resnet"],
        search="resnet1",
    )
    assert not page.exception
    assert not page.warning
    assert page.text_input(key="search").value == "resnet1"
    assert page.multiselect(key="families").value == ["convnext", "resnet"]
    assert page.selectbox(key="left").value == RUN_3090
    assert page.selectbox(key="right").value == RUN_5090
    assert page.multiselect(key="models").value == ["convnext_tiny · 288 px", "resnet50 · 224 px"]
    assert "The best model of a family" in text(page)
    assert "left out" not in text(page)
    table = every_model(page).set_index(["name", "image_size"])
    assert set(table["family"]) == {"convnext", "resnet"}
    models = int(re.search(r" of ([\d,]+) \(RTX 3090", text(page))[1].replace(",", ""))
    assert models > len(table)
    for architecture, size in (("convnext_tiny", 288), ("resnet50", 224)):
        row = table.loc[architecture, size]
        verdict = "gains" if row["gained"] > 0 else "loses"
        assert (
            f"- **{architecture} · {size} px** {verdict} {abs(row['gained']):,} ranks: from "
            f"{row['rank_left']:,} of {models:,} (RTX 3090, "
        ) in text(page)
    found = side_by_side(page)
    assert found.columns.tolist() == ["convnext_tiny · 288 px", "resnet50 · 224 px"]
    assert found.loc["RTX 3090: time per image", "resnet50 · 224 px"] == "0.311 ms"


def test_a_link_with_ids_becomes_one_with_labels(opened) -> None:
    page = opened(left=RUN_3090)
    assert page.query_params["left"] == "RTX 3090 · amp-fp16 · PyTorch 2.4.0 · timm 2026-08"
    assert page.selectbox(key="left").value == RUN_3090


def test_a_link_to_a_set_that_is_not_here_says_so_and_shows_another(opened) -> None:
    page = opened(left="<b>no-such-set</b>")
    assert not page.exception
    assert "names a results set that is not here: <b>no-such-set</b>" in text(page)
    assert "\\<b\\>" in page.warning[0].value
    assert page.selectbox(key="left").value == RUN_2022


def test_swapping_the_sides_turns_the_ratio_round(opened) -> None:
    page = opened()
    before = every_model(page).set_index(["name", "image_size"])["ratio"]
    page.button[1].click().run()
    assert not page.exception
    after = every_model(page).set_index(["name", "image_size"])["ratio"]
    assert (1 / after).to_dict() == pytest.approx(before.to_dict())
    assert "Inference** is **3.4 times as fast** as **training" in text(page)


def test_reset_puts_back_what_it_opened_on(opened) -> None:
    page = opened(
        left=RUN_5090,
        right=RUN_2022,
        right_measure="Training",
        by_family="Its best model",
        which="All",
        models=["resnet50 · 224 px"],
        families=["vgg"],
        search="vgg",
    )
    page.button[0].click().run()
    assert not page.exception
    assert page.selectbox(key="left").value == RUN_2022
    assert page.multiselect(key="models").value == []
    assert page.multiselect(key="families").value == []
    assert page.text_input(key="search").value == ""
    assert "Training takes 3.4 times as long" in text(page).replace("**", "")


def test_a_measure_that_the_new_set_lacks_gives_way_to_one_that_it_has(opened) -> None:
    page = opened(left_measure="Training", right_measure="Inference")
    page.selectbox(key="left").select(RUN_5090).run()
    assert not page.exception
    assert "in the median of" in text(page)
    assert page.session_state["left_measure"] == "Inference"


def test_models_that_new_sides_do_not_share_leave_the_choice(opened, data: Path) -> None:
    a_run(data, "2026-11-01T000000Z-aaaa", [("resnet50", 224, 0.02), ("resnet18", 224, 0.01)])
    page = opened(
        left=RUN_3090,
        right=RUN_5090,
        models=["vgg11 · 224 px", "resnet50 · 224 px"],
        families=["vgg", "resnet"],
    )
    page.selectbox(key="left").select("2026-11-01T000000Z-aaaa").run()
    assert not page.exception
    assert page.multiselect(key="models").value == ["resnet50 · 224 px"]
    assert page.multiselect(key="families").value == ["resnet"]
    assert side_by_side(page).columns.tolist() == ["resnet50 · 224 px"]


def test_the_same_side_twice_is_said_with_the_way_out(opened) -> None:
    page = opened(right_measure="Inference")
    assert not page.exception
    assert "Both sides are the same" in text(page)
    assert not page.get(CHARTS)
    page.radio(key="right_measure").set_value("Training").run()
    assert len(page.get(CHARTS)) == 3


def test_sides_with_nothing_in_common_are_said_with_the_way_out(opened, data: Path) -> None:
    a_run(data, "2026-11-01T000000Z-aaaa", [("resnet50", 224, 0.02)])
    a_run(data, "2026-11-01T000001Z-bbbb", [("resnet18", 224, 0.01)], device="Other Chip")
    page = opened(left="2026-11-01T000000Z-aaaa", right="2026-11-01T000001Z-bbbb")
    assert not page.exception
    assert "have no model at the same image size in common" in text(page)
    assert not page.get(CHARTS)


def rows_of(page: AppTest, chart: int) -> pd.DataFrame:
    return pa.ipc.open_stream(page.get(CHARTS)[chart].proto.data.data).read_all().to_pandas()


def test_a_search_rings_what_it_finds_and_hides_nothing(opened) -> None:
    page = opened(search="ConvNeXt_Tiny")
    assert not page.exception
    scatter = rows_of(page, 0)
    points = scatter[scatter["kind"] == "point"]
    assert len(points) == len(every_model(page)) == 579
    ringed = points[points["chosen"].astype(bool)]
    assert 1 <= len(ringed) < 10
    assert ringed["name"].str.startswith("convnext_tiny").all()
    assert f"{len(ringed)} models with “ConvNeXt_Tiny”" in text(page)
    assert set(rows_of(page, 2)["name"]) == set(ringed["name"])
    nothing = opened(search="no such model")
    assert "0 models with “no such model”" in text(nothing)
    assert set(rows_of(nothing, 2)["name"]) != set(ringed["name"])


def test_families_alone_are_shown_with_the_models_that_are_picked(opened) -> None:
    everything = every_model(opened()).set_index(["name", "image_size"])
    page = opened(families=["vit", "swin"], models=["resnet50 · 224 px"])
    assert not page.exception
    table = every_model(page).set_index(["name", "image_size"])
    assert set(table["family"]) == {"vit", "swin", "resnet"}
    assert table["family"].eq("resnet").sum() == 1
    of_all = everything.loc[table.index]
    assert table["rank_right"].tolist() == of_all["rank_right"].tolist()
    assert set(rows_of(page, 1)["family"].dropna()) == {"vit", "swin"}
    assert "left out" not in text(page)


def test_picked_models_are_drawn_as_dumbbells_and_else_those_that_move_most(opened) -> None:
    page = opened(models=["vgg11 · 224 px", "resnet50 · 224 px"])
    table = every_model(page).set_index(["name", "image_size"])
    ends = rows_of(page, 2).pivot_table(index=["name", "size"], columns="side", values="seconds")
    assert {f"{name} · {size} px" for name, size in ends.index} == {
        "vgg11 · 224 px",
        "resnet50 · 224 px",
    } & {f"{name} · {size} px" for name, size in table.index}
    for key, row in ends.iterrows():
        assert row["left"] * 1e3 == pytest.approx(table.loc[key, "left_ms"])
        assert row["right"] * 1e3 == pytest.approx(table.loc[key, "right_ms"])
    moved = rows_of(opened(), 2).drop_duplicates(["name", "size"])
    gained = table.loc[list(zip(moved["name"], moved["size"], strict=True)), "gained"].tolist()
    assert gained == sorted(gained, reverse=True)
    assert (gained[0], gained[-1]) == (table["gained"].max(), table["gained"].min())


def test_a_run_of_few_models_is_compared_without_claims_about_families(opened, data: Path) -> None:
    a_run(data, "2026-11-01T000000Z-aaaa", [("resnet50", 224, 0.02)])
    page = opened(left=RUN_5090, right="2026-11-01T000000Z-aaaa")
    assert not page.exception
    assert "for this one model" in text(page)
    assert "most (" not in text(page)
    found = side_by_side(page)
    assert found.loc["Some Chip: peak memory"].tolist() == ["1,024 MiB"]
    assert found.loc["Some Chip: flags"].tolist() == ["noisy"]
    assert found.loc["RTX 5090: peak memory"].tolist() == ["unknown"]


def test_a_run_with_a_device_full_of_markdown_is_shown_as_text(opened, data: Path) -> None:
    a_run(data, "2026-11-01T000000Z-aaaa", [("resnet50", 224, 0.02)], device="*X* <b>[y](z)</b>")
    page = opened(left=RUN_5090, right="2026-11-01T000000Z-aaaa")
    assert not page.exception
    said = [part.value for part in (*page.markdown, *page.caption)]
    assert any(r"\*X\* \<b\>\[y\]\(z\)\</b\>" in value for value in said)
    assert not any("[y](z)" in value for value in said)


@pytest.mark.browser
@pytest.mark.parametrize(
    "page",
    [
        {"width": width, "color_scheme": scheme}
        for width, scheme in ((390, "light"), (768, "dark"), (1440, "light"))
    ],
    indirect=True,
)
def test_a_link_by_id_stays_a_permalink_and_the_page_fits_the_screen(
    page: Page, artefacts: Path
) -> None:
    page.goto(f"/compare?left={RUN_3090}&right={RUN_5090}")
    expect(page.locator('[data-testid="stVegaLiteChart"] canvas')).to_have_count(3, timeout=60_000)
    expect(page.get_by_text("times as fast as RTX 3090")).to_be_visible()
    expect(page).to_have_url(re.compile(r"left=RTX\+3090\+.*&right=RTX\+5090\+"))
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0
    page.screenshot(path=artefacts / f"compare-{page.viewport_size['width']}.png", full_page=True)
