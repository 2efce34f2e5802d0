# ruff: noqa: INP001 - Streamlit runs it as a script
"""The least that a Streamlit page can be: what every other page is measured against."""

import streamlit as st

st.write("Nothing but this line.")
