"""Stage `prompts`: the sentences that engines will speak, chosen to cover sounds evenly."""

from __future__ import annotations
