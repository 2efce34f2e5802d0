"""A link with anything in it opens the page; each control shows what it says, or nothing of it.

`python -m tests.faults --fuzz 25000` opens more of them.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults import fuzz_links
from tests.faults.fuzz_links import NASTY, PAGES, LinkReader


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LinkReader:
    return LinkReader(tmp_path_factory.mktemp("links"))


@settings(max_examples=15)
@given(st.data())
def test_no_link_breaks_a_page_or_says_one_thing_and_shows_another(reader, data) -> None:
    page = data.draw(st.sampled_from(PAGES))
    value = st.sampled_from([v for v in NASTY if v.isprintable()]) | st.text(max_size=30)
    link = data.draw(
        st.dictionaries(
            st.sampled_from(sorted(reader.pages[page])),
            value | st.lists(value, min_size=1, max_size=4),
            min_size=1,
            max_size=4,
        )
    )
    assert not reader.is_wrong((page, link))


def test_a_control_that_shows_something_else_than_the_link_says_is_found(reader) -> None:
    app = reader.visit("models", max_ms="5", search="vit", families="levit")
    now = fuzz_links.controls(app)
    assert fuzz_links._is_right(now["max_ms"], "5.0")
    assert not fuzz_links._is_right(now["max_ms"], "50")
    assert not fuzz_links._is_right(now["search"], "convnext")
    assert not fuzz_links._is_right(now["families"], "resnet")
