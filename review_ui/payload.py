"""What the browser gets: a clip as JSON, and the tables that the page draws and edits with."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from clips import SILENCE, Clip, Segment, to_flac
from clips.arpabet import ARPABET
from review_ui.clip_queue import Item
from review_ui.journal import REASONS
from visemes import drawing
from visemes.classes import CLASSES
from visemes.inventory import load_inventory


def clip_payload(item: Item, clip: Clip) -> dict[str, Any]:
    """A clip for the page. Times are samples at 16 kHz; `audio` is FLAC in base64."""
    ipa = clip.ipa or ("",) * len(clip.phones)
    return {
        "id": clip.clip_id,
        "labels": item.labels,
        "view": item.view,
        "lot": item.lot,
        "doubt": item.doubt,
        "reason": item.reason,
        "worst": list(item.worst),
        "text": clip.text,
        "language": clip.language,
        "speaker": clip.speaker,
        "source": item.source,
        "seconds": clip.seconds,
        "samples": len(clip),
        "words": _bare(clip.words),
        "phones": [[*phone, symbol] for phone, symbol in zip(_bare(clip.phones), ipa)],
        "visemes": _bare(clip.visemes),
        "audio": base64.b64encode(to_flac(clip.audio)).decode(),
    }


def tables(inventory: str = "cherry12") -> dict[str, Any]:
    """What is the same for all clips.

    phones, visemes: the labels to choose from. lips: what the lips do in each viseme, which is
    what colours show. mouth: the drawings. reasons: key and words of each reason to reject.
    """
    return {
        "phones": [SILENCE, *sorted(ARPABET)],
        "visemes": list(CLASSES),
        "lips": dict(load_inventory(inventory).lips),
        "mouth": drawing.table(),
        "reasons": [list(reason) for reason in REASONS],
    }


def _bare(segments: Iterable[Segment]) -> list[list]:
    return [list(asdict(segment).values())[:3] for segment in segments]
