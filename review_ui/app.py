"""The review page: `visemill review` runs it with Streamlit.

The whole surface is one component of ours (component/): the browser plays, decides and goes on by
itself, and tells the server in the background. Each message runs this script once, which answers.

VISEMILL_DATASETS and VISEMILL_JOURNALS name the folders of the data and of the journals.
VISEMILL_RULES may hold the `rules` of the `visemes` block of params.yaml as JSON: they make the
mouths of phones that a reviewer edits.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import streamlit as st

from clips import BadInput
from review_ui.desk import Desk
from review_ui.exchange import answer
from review_ui.payload import tables
from visemes.drawing import SCRIPT
from visemes.inventory import load_inventory
from visemes.rules import Rules

INVENTORY = "cherry12"
# The parts of the component, in the order in which they are joined to one module. (Streamlit shows
# a string that stands alone, so names are explained in comments here.)
SCRIPTS = (
    "signal", "sound", "labels", "outbox", "draw", "bench", "sheet", "one", "fix", "progress",
    "player",
)  # fmt: skip

_COMPONENT = Path(__file__).with_name("component")
# Streamlit's own frame and its dialog of a lost server go: our page fills the window, and its
# line at the top says whether the server is there.
_FRAME = """<style>
  header[data-testid="stHeader"], [data-testid="stToolbar"], [data-testid="stStatusWidget"],
  [data-testid="stDecoration"], [data-testid="stDialog"] { display: none; }
  .stMainBlockContainer, [data-testid="stMainBlockContainer"] { max-width: none; padding: 0; }
  [data-testid="stVerticalBlock"] { gap: 0; }
  [data-stale] { opacity: 1 !important; }
</style>"""


def script(project: str) -> str:
    """The component's JavaScript: the mouth's drawing, our tables and our parts as one module."""
    constants = json.dumps({**tables(INVENTORY), "project": project})
    parts = [_COMPONENT.joinpath(f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    return "\n".join((SCRIPT.read_text("utf-8"), f"const TABLES = {constants};", *parts))


@st.cache_resource(show_spinner=False)
def open_desk(datasets: str, journals: str) -> Desk:
    """The desk that all reviewers of this server share."""
    return Desk(Path(datasets), Path(journals))


@st.cache_resource(show_spinner=False)
def open_component(datasets: str) -> Callable[..., Any]:
    """The component; decisions that a browser keeps belong to this folder of data alone."""
    project = hashlib.blake2b(str(Path(datasets).resolve()).encode(), digest_size=6).hexdigest()
    html, css = (
        _COMPONENT.joinpath(f"player.{kind}").read_text("utf-8") for kind in ("html", "css")
    )
    return st.components.v2.component("visemill_review", html=html, css=css, js=script(project))


def login_name() -> str:
    """The name of who logged in through Streamlit, as a reviewer's name; "" without a login."""
    if not getattr(st.user, "is_logged_in", False):
        return ""
    name = str(getattr(st.user, "email", None) or getattr(st.user, "name", None) or "unnamed")
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:48]
    if plain == name:
        return plain
    # Two names must not become one: what was replaced is told by a digest.
    return f"{plain or 'reviewer'}-{blake2b(name.encode(), digest_size=4).hexdigest()}"


def main() -> None:
    """One run of the page: reads the browser's message, answers it."""
    st.set_page_config(page_title="visemill review", page_icon="👄", layout="wide")
    st.html(_FRAME)
    datasets = os.environ.get("VISEMILL_DATASETS", "datasets")
    journals = os.environ.get("VISEMILL_JOURNALS", ".reviews")
    component = open_component(datasets)
    message = (st.session_state.get("review") or {}).get("sent")
    reply: dict[str, Any] = {}
    # The first visit paints the page; the queue is read when the page then asks for clips.
    if message or not (Path(datasets) / "triage").is_dir():
        try:
            desk = open_desk(datasets, journals)
        except BadInput as error:
            st.error(str(error))
            return
        rules = Rules(**json.loads(os.environ.get("VISEMILL_RULES", "{}")))
        inventory = load_inventory(INVENTORY)
        reply = answer(desk, message or {}, inventory=inventory, rules=rules, login=login_name())
    component(key="review", data=reply, on_sent_change=lambda: None)


if __name__ == "__main__":
    main()
