"""The one way in: every page is reached through app.py, also by a link to a cold server."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

IN_APP = "in_app"


class PageEndsEarly(Exception):
    """A page has said why it has nothing to show; `st.stop` would end the sidebar with it."""


def open_house() -> StreamlitPage:
    """Set the page up, declare the pages, and return the one that the address names."""
    st.set_page_config(
        page_title="Best Image Models",
        # A file of ours: Streamlit would fetch the picture of a named symbol from elsewhere.
        page_icon=str(Path(__file__).with_name("icon.svg")),
        layout="wide",
        initial_sidebar_state=340,
    )
    return st.navigation(
        [
            st.Page(
                "pages/models.py", title="Models", icon=":material/scatter_plot:", default=True
            ),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/speed:"),
            st.Page("pages/method.py", title="Method", icon=":material/menu_book:"),
        ],
        position="top",
    )


def through_app() -> None:
    """Start again from app.py where Streamlit ran a page file by itself.

    Until a server has seen `st.navigation`, Streamlit takes the files of `pages/` for pages of its
    own and runs the one that a link names without app.py. Declaring the pages once ends that for
    good, and the rerun goes through app.py to the same page.
    """
    if IN_APP not in st.session_state:
        open_house()
        st.rerun()
