"""The Compare page's controls <-> the URL -> what to lay against what."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import menus, words
from pages.ui.selection import MEASURE_NAMES, key_of
from pages.ui.views import RUN

RATIOS, BEST = "All its models", "Its best model"
MOST_CHANGED, EVERY = "Most changed", "All"
SIDE_BY_SIDE = 6
# Each control's key is its name in the URL.
SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Asked:
    """A (results set, measure) on each side, and how the families are shown."""

    left: tuple[str, str]
    right: tuple[str, str]
    by_family: str
    which: str


def default_sides(sets: pd.DataFrame) -> tuple[tuple[str, str], tuple[str, str]]:
    """Inference against training of the set that fastai's notebook drew.

    Where that is absent: two measures of the newest set that has two, else the two newest sets,
    else the only set on both sides.
    """
    runs = [RUN, *sets.index] if RUN in sets.index else list(sets.index)
    for run in runs:
        measures = list(sets.loc[run, "measures"])
        if len(measures) > 1:
            return (run, measures[0]), (run, measures[-1])
    newest, other = sets.index[0], sets.index[min(1, len(sets) - 1)]
    return (other, next(iter(sets.loc[other, "measures"]))), (
        newest,
        next(iter(sets.loc[newest, "measures"])),
    )


def sidebar(sets: pd.DataFrame) -> Asked:
    """Draw the controls for both sides and return what they say.

    Args:
        sets: data.sets, not empty.
    """
    _accept_run_ids(sets)
    defaults = default_sides(sets)
    with st.sidebar:
        head, button = st.columns([2, 1], vertical_alignment="center")
        head.markdown("**What to compare**")
        button.button(
            "Reset",
            on_click=_reset,
            args=defaults,
            type="tertiary",
            icon=":material/restart_alt:",
        )
        wanted = menus.find(sets)
        left = _side(sets, wanted, "left", "Baseline", defaults[0])
        right = _side(sets, wanted, "right", "Compared with it", defaults[1])
        st.button(
            "Swap sides",
            on_click=_set_sides,
            args=(right, left),
            icon=":material/swap_vert:",
            width="stretch",
        )
        by_family = st.radio(
            "Each family by",
            [RATIOS, BEST],
            horizontal=True,
            key="by_family",
            bind="query-params",
            help="The ratio of each of its models, or both times of the one with the best "
            "trade-off of accuracy and baseline speed.",
        )
        which = st.radio(
            "Families",
            [MOST_CHANGED, EVERY],
            horizontal=True,
            key="which",
            bind="query-params",
            help="Most changed: those that gain and lose most, and those with a colour.",
        )
    return Asked(left, right, by_family, which)


def _side(
    sets: pd.DataFrame, wanted: str, side: str, label: str, default: tuple[str, str]
) -> tuple[str, str]:
    ids = menus.offered(sets, wanted, key=side, default=default[0])
    run = st.selectbox(
        label,
        ids,
        index=ids.index(default[0]),
        format_func=sets["label"].to_dict().__getitem__,
        key=side,
        bind="query-params",
        help="One device with one precision, memory layout and software.",
    )
    held: Any = sets.loc[run, "measures"]
    present = [MEASURE_NAMES[measure] for measure in held]
    wanted = MEASURE_NAMES[default[1]]
    measure = st.radio(
        f"{label}: measure",
        present,
        index=present.index(wanted) if wanted in present else 0,
        horizontal=True,
        key=f"{side}_measure",
        bind="query-params",
        label_visibility="collapsed",
    )
    return run, key_of(MEASURE_NAMES, measure)


def side_by_side(titles: list[str] | None) -> list[str]:
    """Draw the choice of models to lay side by side.

    Args:
        titles: what may be chosen (comparison_tables.title); None while there is nothing to choose
            from, which keeps what is chosen.
    """
    # A link, or the sides before, may name models that these sides do not share.
    asked = st.session_state.get("models", [])
    titles = asked if titles is None else titles
    kept = [title for title in asked if title in titles]
    if kept != asked:
        st.session_state["models"] = kept
    return st.sidebar.multiselect(
        "Models side by side",
        titles,
        key="models",
        bind="query-params",
        max_selections=SIDE_BY_SIDE,
        placeholder=f"up to {words.counted(SIDE_BY_SIDE, 'model')}",
        help="Ringed on the chart and laid side by side below it.",
    )


def _reset(left: tuple[str, str], right: tuple[str, str]) -> None:
    """Every control as a first visitor finds it; a value that is the default leaves the URL."""
    _set_sides(left, right)
    st.session_state.update(by_family=RATIOS, which=MOST_CHANGED, models=[])


def _set_sides(left: tuple[str, str], right: tuple[str, str]) -> None:
    for side, (run, measure) in zip(SIDES, (left, right), strict=True):
        st.session_state[side] = run
        st.session_state[f"{side}_measure"] = MEASURE_NAMES[measure]


def _accept_run_ids(sets: pd.DataFrame) -> None:
    """Links may name a results set by its id as well as by its label; a wrong one is said."""
    by_id = False
    for side in SIDES:
        named = st.query_params.get(side)
        if named is None or named in set(sets["label"]):
            continue
        if named in sets.index:
            st.query_params[side] = str(sets.loc[named, "label"])
            by_id = True
        else:
            st.warning(
                f"The link names a results set that is not here: {words.escaped(named)}. "
                "Another one is shown.",
                icon=":material/link_off:",
            )
    if by_id:
        # A control takes its value from the URL as the run began.
        st.rerun()
