import streamlit as st


def sidebar_foot():
    st.sidebar.button("Run benchmark", type="primary", width="stretch")
