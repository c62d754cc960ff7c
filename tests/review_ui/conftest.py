"""A Chromium for the browser tests; where there is none they skip."""

from __future__ import annotations

import pytest

from tests.review_ui.pages import CHROMIUM, chromium


@pytest.fixture(scope="module")
def browser():
    """A running Chromium; only one may run in a process at a time, so it ends with its module."""
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: install Debian's package chromium")
    pytest.importorskip("streamlit", reason="needs the extra `review`")
    pytest.importorskip("playwright", reason="needs the extra `test`")
    with chromium() as running:
        yield running
