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
class Sides:
    """A (results set, measure) on each side."""

    left: tuple[str, str]
    right: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of the models that both sides have.

    models are titles (comparison_tables.title) to lay side by side; of no families all are meant.
    """

    models: tuple[str, ...]
    families: tuple[str, ...]
    search: str
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


def sidebar(sets: pd.DataFrame) -> Sides:
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
    return Sides(left, right)


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


def narrowing(titles: list[str] | None, families: list[str] | None) -> Shown:
    """Draw the controls for what is shown of both sides' models, and return what they say.

    Args:
        titles: which models may be laid side by side (comparison_tables.title); None while there is
            nothing to choose from, which keeps what is chosen.
        families: which families there are; likewise.
    """
    with st.sidebar:
        search = st.text_input(
            "Search",
            key="search",
            bind="query-params",
            placeholder="part of a model's name",
            help="What matches is ringed and labelled; nothing is hidden.",
            icon=":material/search:",
        )
        models = _some_of(
            "Models side by side",
            titles,
            key="models",
            max_selections=SIDE_BY_SIDE,
            placeholder=f"up to {words.counted(SIDE_BY_SIDE, 'model')}",
            help="Ringed on the chart, and laid side by side below it.",
        )
        chosen = _some_of(
            "Families",
            families,
            key="families",
            placeholder="all",
            help="Shows these alone. Ranks and the median stay those of all models.",
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
            "Rows of families",
            [MOST_CHANGED, EVERY],
            horizontal=True,
            key="which",
            bind="query-params",
            help="Most changed: those that gain and lose most, and those with a colour.",
        )
    return Shown(tuple(models), tuple(chosen), search or "", by_family, which)


def _some_of(label: str, options: list[str] | None, *, key: str, **looks: Any) -> list[str]:
    """A menu of which some may be chosen; what is chosen and no longer offered leaves it."""
    # A link, or the sides before, may name what these sides do not share.
    asked = st.session_state.get(key, [])
    options = asked if options is None else options
    kept = [one for one in asked if one in options]
    if kept != asked:
        st.session_state[key] = kept
    return st.multiselect(label, options, key=key, bind="query-params", **looks)


def _reset(left: tuple[str, str], right: tuple[str, str]) -> None:
    """Every control as a first visitor finds it; a value that is the default leaves the URL."""
    _set_sides(left, right)
    st.session_state.update(search="", models=[], families=[], by_family=RATIOS, which=MOST_CHANGED)


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
