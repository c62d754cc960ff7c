"""The review page behind Streamlit's own login (`visemill review --guard login`)."""

from __future__ import annotations

import runpy
from pathlib import Path

import streamlit as st

if __name__ == "__main__":
    if st.user.is_logged_in:
        runpy.run_path(str(Path(__file__).with_name("app.py")), run_name="__main__")
    else:
        st.title("visemill review")
        st.button("Log in", on_click=st.login, type="primary")
