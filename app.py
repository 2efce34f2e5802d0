"""Best Image Models: accuracy against speed for every timm model, on every device measured.

streamlit run app.py
"""

import streamlit as st

from pages.ui import entrance, run_panel

page = entrance.open_house()
st.session_state[entrance.IN_APP] = True
try:
    page.run()
finally:
    # Also under a page that has nothing to show and stops early.
    run_panel.sidebar_foot()
