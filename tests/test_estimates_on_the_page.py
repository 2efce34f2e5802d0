"""A run of a few models: what the page makes of all the others."""

from pathlib import Path

import pytest
from dashboard import OF_A_CPU, publish_slower_cpu, sentence, settled, shown, specification, visit
from streamlit.testing.v1 import AppTest

RUN = "2026-11-01T120000Z-aaaa"


pytestmark = pytest.mark.usefixtures("data")


def publish(data: Path, count: int) -> None:
    """Models as one published CPU had them, but half as fast."""
    like = r"(resnet|convnext|vit|mobilenetv3)"
    publish_slower_cpu(data, RUN, count, pattern=like, slower=2)


def test_what_a_run_did_not_measure_is_estimated_and_marked_everywhere(data: Path) -> None:
    publish(data, 12)
    app = visit(set=RUN)
    drawn = shown(app)
    assert drawn["estimated"].sum() > 800
    assert drawn.loc[~drawn["estimated"], "time"].str.contains("estimated").sum() == 0
    assert drawn.loc[drawn["estimated"], "time"].str.endswith("estimated").all()
    table = app.dataframe[0].value
    assert table["estimated"].sum() > 1000
    assert table["interval"].str.startswith("±").all()
    measured = table[~table["estimated"]]
    assert 1 <= measured["model"].str.partition(".")[0].nunique() <= 12
    assert "estimated from what was measured" in sentence(app)
    assert any("Hollow and dashed: estimated" in one.value for one in app.main.caption)


def test_estimates_are_near_what_the_like_device_had(data: Path) -> None:
    publish(data, 16)
    drawn = shown(visit(set=RUN)).set_index(["model", "image_size"])
    published = shown(visit(set=OF_A_CPU)).set_index(["model", "image_size"])
    both = drawn[drawn["estimated"]].join(
        published["seconds"], how="inner", suffixes=("", "_published")
    )
    ratio = both["seconds"] / both["seconds_published"]
    assert 1.8 < ratio.median() < 2.2
    inside = (both["low"] <= 2 * both["seconds_published"]) & (
        2 * both["seconds_published"] <= both["high"]
    )
    assert inside.mean() > 0.8


def test_estimates_can_be_left_out_and_the_axes_stay(data: Path) -> None:
    publish(data, 12)
    app = visit(set=RUN)
    assert app.toggle(key="estimates").value is True
    axes = specification(app)
    settled(app.toggle(key="estimates").set_value(False).run())
    table = app.dataframe[0].value
    assert not table["estimated"].any()
    assert specification(app) == axes
    assert 1 <= table["model"].str.partition(".")[0].nunique() <= 12
    assert "estimated" not in sentence(app)
    linked = visit(set=RUN, estimates="false")
    assert not linked.dataframe[0].value["estimated"].any()


def no_toggle(app: AppTest) -> bool:
    return all(toggle.key != "estimates" for toggle in app.toggle)


def test_a_run_of_seven_models_and_a_published_set_are_not_estimated(data: Path) -> None:
    publish(data, 7)
    for app in (visit(set=RUN), visit()):
        assert not shown(app)["estimated"].any()
        assert no_toggle(app)


def test_comparisons_are_of_measured_speeds_alone(data: Path) -> None:
    publish(data, 12)
    app = visit("compare", left=RUN, right=OF_A_CPU)
    assert app.selectbox(key="left").value == RUN
    assert 1 <= len(app.main.dataframe[-1].value) <= 12


def test_the_minute_preset_measures_sixteen_small_models(data: Path) -> None:
    app = visit()
    settled(app.button(key="run_benchmark").click().run())
    settled(app.radio(key="run_preset").set_value("My device in a minute").run())
    said = [one.value for one in app.caption]
    assert any("16 models, 16 measurements" in one for one in said), said
    assert any("latency" in one and "estimated" in one for one in said), said
    assert not list(data.glob("runs/*/request.json"))
