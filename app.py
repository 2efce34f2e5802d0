"""Best Image Models: accuracy against speed for every timm model, on every device measured.

streamlit run app.py
"""

import streamlit as st

from pages.ui import run_panel

st.set_page_config(
    page_title="Best Image Models",
    page_icon="pages/ui/icon.svg",
    layout="wide",
    initial_sidebar_state=340,
)

page = st.navigation(
    [
        st.Page("pages/models.py", title="Models", icon=":material/scatter_plot:", default=True),
        st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/speed:"),
        st.Page("pages/method.py", title="Method", icon=":material/menu_book:"),
    ],
    position="top",
)
page.run()
run_panel.sidebar_foot()
