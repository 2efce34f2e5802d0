"""Figures and texts as people read them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.ui import words

SECONDS_IN = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00083, "0.83 ms"),
        (0.0000416, "41.6 µs"),
        (0.00005, "50 µs"),
        (0.0002, "0.2 ms"),
        (0.005, "5 ms"),
        (0.0123456, "12.3 ms"),
        (0.999, "999 ms"),
        (0.9996, "1 s"),
        (0.00009996, "0.1 ms"),
        (1.0, "1 s"),
        (59.94, "59.9 s"),
        (119.9, "120 s"),
        (120, "2 min"),
        (600, "10 min"),
        (7140, "119 min"),
        (7200, "2 h 0 min"),
        (9000, "2 h 30 min"),
        (0, "0 µs"),
    ],
)
def test_a_time_has_three_figures_and_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert words.time(seconds) == text


@given(st.floats(min_value=1e-6, max_value=100))
def test_a_time_is_never_off_by_more_than_half_a_percent(seconds: float) -> None:
    number, unit = words.time(seconds).split(" ")
    assert float(number.replace(",", "")) * SECONDS_IN[unit] == pytest.approx(seconds, rel=0.005)
    assert len(re.sub(r"^0\.0*|\D", "", number)) <= 3, "never false precision"


@pytest.mark.parametrize(
    ("images_per_s", "text"),
    [
        (1204.4, "1,204 images/s"),
        (1_234_567.8, "1,234,568 images/s"),
        (100, "100 images/s"),
        (99.96, "100 images/s"),
        (87.12, "87.1 images/s"),
        (0.5, "0.5 images/s"),
        (0, "0 images/s"),
    ],
)
def test_a_rate_has_thousands_separators_and_three_figures_when_small(
    images_per_s: float, text: str
) -> None:
    assert words.rate(images_per_s) == text


def test_percent_and_millions_are_rounded_for_reading() -> None:
    assert words.percent(87.061) == "87.1 %"
    assert words.percent(100) == "100.0 %"
    assert words.millions(25_557_032) == "25.6 M"
    assert words.millions(1_860_000_000) == "1,860 M"
    assert words.millions(371_000) == "0.371 M"


def test_counts_sizes_and_differences_bear_their_unit() -> None:
    assert words.billions(4_130_000_000) == "4.13 G"
    assert words.billions(39_000_000) == "0.039 G"
    assert words.mebibytes(1_262_485_504) == "1,204 MiB"
    assert words.points(1.24) == "+1.2 points"
    assert words.points(-5) == "-5.0 points"


def test_flags_are_listed_in_words() -> None:
    assert words.flags(("noisy", "launch_bound")) == "noisy, launch bound"
    assert words.flags([]) == words.flags(None) == "none"


SAYS_FIGURES = [
    words.time,
    words.rate,
    words.percent,
    words.millions,
    words.billions,
    words.mebibytes,
    words.points,
]


@pytest.mark.parametrize("unknown", [None, float("nan"), float("inf")])
@pytest.mark.parametrize("say", SAYS_FIGURES)
def test_what_is_not_known_is_said_to_be_unknown(say, unknown: float | None) -> None:
    assert say(unknown) == "unknown"


def test_one_is_singular_and_everything_else_plural() -> None:
    assert words.counted(0, "model") == "0 models"
    assert words.counted(1, "model") == "1 model"
    assert words.counted(1193, "model") == "1,193 models"


@given(st.text())
def test_escaping_loses_nothing_and_leaves_no_mark_bare(text: str) -> None:
    escaped = words.escaped(text)
    # CommonMark: a backslash before ASCII punctuation stands for that character, nothing else.
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped)
    # A word joiner is not seen; it may keep an address from becoming a link.
    assert shown.replace("\u2060", "") == text.replace("\u2060", "")
    bare = re.sub(r"\\.", "", escaped, flags=re.DOTALL)
    assert not set(bare) & set("\\`*_{}[]()#+-.!|~<>$:&^=")
