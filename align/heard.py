"""Evidence for a text from a phone recognizer that has not seen the text.

An aligner always finds some path; a free phone recognizer tells whether the sound has those phones
at those places. The table heard.yaml says how much each pair (phone of the text, phone heard)
speaks for the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from clips import SILENCE, Segment

_HOP = 160  # samples: evidence is read every 10 ms


@cache
def load_table() -> Mapping[tuple[str, str], float]:
    """(phone of the text, phone heard) to evidence in nats."""
    data = yaml.safe_load((Path(__file__).parent / "heard.yaml").read_text("utf-8"))
    order = data["phones"].split()
    return {
        (str(said), heard): int(value) / 10
        for said, row in data["said"].items()
        for heard, value in zip(order, row.split(), strict=True)
    }


def evidence(phones: Sequence[Segment], heard: Sequence[Segment]) -> float:
    """Mean evidence (nats) over the spoken phones of a text, each phone counting once.

    phones: the alignment. heard: what the recognizer found. Both tile the same clip and use
    ARPAbet and SIL; a label that the table lacks gives no evidence. 0 if nothing is spoken.

    >>> evidence([Segment("S", 0, 800)], [Segment("S", 0, 800)]) > 1
    True
    """
    if not phones or not heard:
        return 0.0
    table = load_table()
    frames = [SILENCE] * -(-max(phones[-1].end, heard[-1].end) // _HOP)
    for segment in heard:
        first, last = -(-segment.start // _HOP), -(-segment.end // _HOP)
        frames[first:last] = [segment.label] * (last - first)
    means = []
    for phone in phones:
        first = phone.start // _HOP
        last = max(-(-phone.end // _HOP), first + 1)
        if phone.label != SILENCE:
            pairs = [table.get((phone.label, label), 0.0) for label in frames[first:last]]
            means.append(np.mean(pairs))
    return float(np.mean(means)) if means else 0.0
