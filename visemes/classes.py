"""The twelve mouth shapes in class order. Imports nothing: training needs it beside torch alone."""

from __future__ import annotations

CLASSES = ("Ah", "D", "Ee", "F", "L", "M", "Neutral", "Oh", "R", "S", "Uh", "Woo")
"""The twelve visemes in class order: index k is output k of the network."""

LETTERS = dict(zip(CLASSES, "DBIGHAXEKJCF"))
"""The letter of each viseme in Cherry Lip Sync's cue files."""
