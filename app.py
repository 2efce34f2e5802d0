"""Best Image Models: accuracy against speed for every timm model, on every device measured.

streamlit run app.py
"""

from contextlib import suppress

import streamlit as st

from pages.ui import entrance, run_panel

page = entrance.open_house()
st.session_state[entrance.IN_APP] = True
with suppress(entrance.PageEndsEarly):
    page.run()
run_panel.sidebar_foot()
