"""The menu of results sets, also where there are thousands of them."""

import pandas as pd
import streamlit as st

# More than these nobody reads, and a browser takes seconds over them.
MOST_OFFERED = 300


def find(sets: pd.DataFrame) -> str:
    """Draw a field that narrows menus of very many results sets; nothing where there are few."""
    if len(sets) <= MOST_OFFERED:
        return ""
    return st.text_input(
        "Find a results set",
        key="find",
        placeholder=f"words of its name, of {len(sets):,}",
        help=f"The menus offer the newest {MOST_OFFERED} that have all of these words.",
        icon=":material/search:",
    )


def offered(sets: pd.DataFrame, wanted: str, *, key: str, default: str | None = None) -> list[str]:
    """The ids that a menu offers, in the order of sets.

    Args:
        sets: data.sets.
        wanted: words of the name (see `find`).
        key: of the menu; what it holds, or its link names, is offered whatever is wanted.
        default: likewise.
    """
    if len(sets) <= MOST_OFFERED:
        return [str(run) for run in sets.index]
    names = sets["label"].str.casefold()
    matches = pd.Series(data=True, index=sets.index)
    for word in wanted.casefold().split():
        matches &= names.str.contains(word, regex=False)
    here = sets.index.isin([st.session_state.get(key), default])
    here |= (sets["label"] == st.query_params.get(key)).to_numpy(dtype=bool)
    is_offered = (matches & (matches.cumsum() <= MOST_OFFERED)) | here
    return [str(run) for run in sets.index[is_offered]]
