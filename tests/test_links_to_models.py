"""Links to the Models page: what one names is shown, and nonsense in it hurts nobody."""

import pandas as pd
import pytest
from dashboard import drawn, messages, settled, shown, visit
from selections import CPU, RUN_2022, RUN_5090

pytestmark = pytest.mark.usefixtures("data")


@pytest.mark.parametrize("by_label", [False, True])
def test_a_link_names_a_results_set_by_its_id_or_by_its_label(*, by_label: bool) -> None:
    label = visit().selectbox(key="set").format_func(RUN_2022)
    app = visit(set=label if by_label else RUN_2022, measure="Training")
    assert app.selectbox(key="set").value == RUN_2022
    assert app.radio(key="measure").value == "Training"
    assert messages(app)["warning"] == []


@pytest.mark.parametrize("name", ["a card from *nowhere*", "<b>x</b>", "2022-07-timm"])
def test_a_link_to_a_results_set_that_is_not_here_says_so(name: str) -> None:
    app = visit(set=name)
    (said,) = messages(app)["warning"]
    assert said.startswith(f"The link names a results set that is not here: {name}.")
    assert len(shown(app)) > 1000


def test_a_link_that_names_the_set_keeps_it_though_it_lacks_the_measure() -> None:
    app = visit(set=CPU, measure="Training")
    assert app.selectbox(key="set").value == CPU
    assert app.radio(key="measure").value == "Latency"
    assert len(shown(app)) > 800


@pytest.mark.parametrize(
    ("view", "count", "measure"),
    [
        ("fastai 2022: all", 165, "Inference"),
        ("fastai 2022: subset", 61, "Inference"),
        ("fastai 2022: training", 168, "Training"),
    ],
)
def test_a_saved_view_begins_from_a_clean_sheet_and_is_a_link(
    view: str, count: int, measure: str
) -> None:
    app = visit(max_ms="0.1", families="vit", show="Best of each family", search="vit")
    settled(app.selectbox(key="view").set_value(view).run())
    assert len(shown(app)) == count
    assert app.selectbox(key="set").value == RUN_2022
    assert app.radio(key="measure").value == measure
    assert app.number_input(key="max_ms").value is None
    assert app.multiselect(key="families").value == []
    assert app.text_input(key="search").value == ""
    assert len(shown(visit(view=view))) == count


@pytest.mark.parametrize(
    "link",
    [
        {"max_ms": "abc"},
        {"max_ms": "-5"},
        {"max_ms": "nan"},
        {"max_ms": "inf"},
        {"min_top1": "200"},
        {"sizes": "7"},
        {"commercial_use": "perhaps"},
        {"sizes": "224.5"},
        {"families": "no such family"},
        {"show": "Some"},
        {"by": "Cheapest"},
        {"view": "fastai 2031"},
        {"measure": "Speed"},
        {"against": "Weight"},
        {"trends": "perhaps"},
        {"rank": "Name"},
        {"measure": "Training", "set": RUN_5090},
        {"dataset": "cifar"},
        {"test_models": "perhaps"},
        {"model": "nothing@224"},
        {"model": "@"},
        {"nonsense": "1"},
    ],
    ids=lambda link: "-".join(next(iter(link.items()))),
)
def test_a_link_with_nonsense_shows_what_a_first_visitor_sees(link: dict[str, str]) -> None:
    pd.testing.assert_frame_equal(drawn(visit(**link)), drawn(visit()))
