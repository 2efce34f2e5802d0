"""The Method page says what the code does: its figures are the code's own."""

import harness
import pytest
from streamlit.testing.v1 import AppTest

from bench import memory, timing, watch
from bench.sweep import SENTINEL_EVERY
from pages.ui import entrance, selection


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """All of its Markdown, on one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("data")))
        page = AppTest.from_file(
            str(harness.REPOSITORY / "pages" / "method.py"), default_timeout=120
        )
        page.session_state[entrance.IN_APP] = True
        page.run()
    assert not page.exception
    return " ".join(" ".join(block.value for block in page.markdown).split())


@pytest.mark.parametrize(
    "sentence",
    [
        f"over {timing.LAUNCH_BOUND:g} times as long to hand a step over",
        f"waits up to {watch.COOL_DOWN_S:g} s for it to recover",
        f"others took over {watch.BUSY_SHARE:.0%} of the processors".replace("%", " %"),
        f"took less than {watch.ENERGY_WINDOW_S:g} s",
        f"keeps over {memory.LEAK_SHARE:.0%} of the device's memory".replace("%", " %"),
        f"a run of more than {SENTINEL_EVERY} models",
        f"offers {len(selection.DATASET_NAMES) - 1} others",
    ],
)
def test_a_figure_on_the_page_is_the_one_in_the_code(text: str, sentence: str) -> None:
    assert sentence in text


@pytest.mark.parametrize(
    "subject",
    ["meta", "TF32", "cudnn.benchmark", "a stall within", "energy", "benchmark.py", "bootstrap"],
)
def test_the_page_tells_how_it_is_done_and_after_whom(text: str, subject: str) -> None:
    assert subject.lower() in text.lower()
