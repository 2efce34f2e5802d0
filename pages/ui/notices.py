"""What a page that shows results says first: files that were left out, or that there are none."""

import pandas as pd
import streamlit as st

from pages.ui import data, words
from pages.ui.entrance import PageEndsEarly


def guard(files: data.Files, sets: pd.DataFrame) -> None:
    """Name the files that were left out; stop the page where nothing can be shown."""
    for problem in data.problems(files):
        # Every run's file is called results.parquet: its folder tells them apart.
        name = f"{problem.path.parent.name}/{problem.path.name}".lstrip("/")
        st.warning(
            f"Left out {words.escaped(name)}: {words.escaped(problem.reason)}. "
            "Every other file is shown.",
            icon=":material/warning:",
        )
    if sets.empty or not data.datasets(files.accuracy):
        st.info(
            "There are no results to show yet. `python -m bench import FOLDER` reads timm's "
            "published CSV files; **Run benchmark** in the sidebar measures this machine.",
            icon=":material/inbox:",
        )
        raise PageEndsEarly
