"""The walls between the rooms: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "clips": set(),
    "synth": {"clips"},
    "align": {"clips"},
    "augment": {"clips"},
    "visemes": {"clips"},
    "lipsync": {"clips", "visemes"},
    "review_ui": {"clips", "visemes"},
}
COPYLEFT = {"parselmouth", "espeakng_loader", "pyttsx3"}


def imports(room: str) -> set[str]:
    """The top-level names that a room's modules import, anywhere in their code."""
    names = set()
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room):
    ours = {*MAY_IMPORT, "pipelines", "review_ui", "tests"}
    assert imports(room) & ours - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", ["clips", "visemes", "lipsync"])
def test_what_games_may_ship_imports_no_copyleft_library(room):
    assert not imports(room) & COPYLEFT


def test_datasets_is_no_package_so_that_hugging_faces_is_found():
    assert not (ROOT / "datasets" / "__init__.py").exists()
    code = "import datasets; print(datasets.load_dataset)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
