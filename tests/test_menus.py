"""The menus of results sets where there are more than anybody reads."""

import pytest
from dashboard import drawn, settled, visit
from selections import RUN_2022, RUN_5090

from pages.ui import data, menus

pytestmark = pytest.mark.usefixtures("data")
MOST = 6


@pytest.fixture(autouse=True)
def few_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menus, "MOST_OFFERED", MOST)


def labels() -> list[str]:
    return data.sets(data.speed_signature())["label"].tolist()


def test_the_menus_offer_the_newest_and_the_one_that_is_shown() -> None:
    app = visit()
    chosen = app.selectbox(key="set")
    assert chosen.options[:MOST] == labels()[:MOST]
    assert len(set(chosen.options)) == len(chosen.options) <= MOST + 1
    assert chosen.value == RUN_5090
    assert set(app.selectbox(key="beside").options[1:]) <= set(labels()[:MOST])


def test_words_of_a_name_find_the_sets_that_have_all_of_them() -> None:
    app = visit()
    app = settled(app.text_input(key="find").set_value("pytorch 2.4.0 rtx 3090").run())
    wanted = [name for name in labels() if "RTX 3090" in name and "PyTorch 2.4.0" in name]
    assert 2 <= len(wanted) < MOST
    found = app.selectbox(key="set").options
    assert [name for name in found if "5090" not in name] == wanted
    assert app.selectbox(key="set").value == RUN_5090, "what is shown stays"
    app = settled(app.selectbox(key="set").select(wanted[0]).run())
    assert set(drawn(app)["set"]) == {wanted[0]}
    app = settled(app.text_input(key="find").set_value("no such set").run())
    assert wanted[0] in app.selectbox(key="set").options


@pytest.mark.parametrize("by_id", [True, False])
def test_a_link_opens_a_set_that_the_menu_would_not_offer(*, by_id: bool) -> None:
    sets = data.sets(data.speed_signature())
    assert RUN_2022 not in sets.index[:MOST]
    name = str(sets.loc[RUN_2022, "label"])
    app = visit(set=RUN_2022 if by_id else name)
    assert app.selectbox(key="set").value == RUN_2022
    assert name in app.selectbox(key="set").options


def test_a_saved_view_and_the_compare_page_reach_their_sets() -> None:
    app = visit()
    app = settled(app.selectbox(key="view").set_value("fastai 2022: all").run())
    assert app.selectbox(key="set").value == RUN_2022
    compared = visit("compare")
    assert not compared.exception
    compared = settled(compared.text_input(key="find").set_value("i9-10940x").run())
    offered = compared.selectbox(key="left").options
    assert sum("i9-10940X" in name for name in offered) == len(offered) - 1


def test_where_there_are_few_there_is_nothing_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menus, "MOST_OFFERED", 300)
    app = visit()
    assert "find" not in [field.key for field in app.text_input]
    assert app.selectbox(key="set").options == labels()
