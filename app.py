"""Best Image Models: accuracy against speed for every timm model, on every device measured.

streamlit run app.py
"""

from contextlib import suppress

import streamlit as st

from bench.errors import BenchError
from pages.ui import data, entrance, operations, run_panel, turns, words

page = entrance.open_house()
st.session_state[entrance.IN_APP] = True
operations.operations().rerun(page.title)
try:
    data.folder()
except BenchError as error:
    # Nobody looks: it is the question whether this server is ready, and here it is not.
    if not st.context.headers:
        raise
    st.error(f"BENCH\\_DATA: {words.escaped(str(error))}.", icon=":material/error:")
    st.stop()
with turns.turn():
    with suppress(entrance.PageEndsEarly):
        page.run()
    run_panel.sidebar_foot()
