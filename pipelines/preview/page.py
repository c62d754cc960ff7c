"""The preview as one HTML file: sound, mouths and strip, with nothing to fetch."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from clips import RATE, Segment, replacing, to_grid
from pipelines.pictures import COLOURS
from pipelines.preview.tracks import INVENTORY, Track
from visemes.classes import CLASSES
from visemes.drawing import SCRIPT, table
from visemes.rates import frames_in

_HERE = Path(__file__).parent
_PEAKS = 200  # columns of the waveform a second


def write_page(
    path: Path,
    audio: np.ndarray,
    tracks: Sequence[Track],
    phones: Sequence[Segment],
    rate: Fraction,
    title: str,
) -> None:
    """A page that plays mono samples at 16 kHz and shows the tracks' pictures at `rate`.

    Names and labels reach the page as data that is only ever drawn or set as text. The page's
    content security policy lets nothing be fetched. Raises OSError if `path` cannot be written.
    """
    # WAV: Chromium 156 hangs when it jumps back from near the end of a FLAC
    wave = io.BytesIO()
    soundfile.write(wave, to_grid(audio), RATE, format="WAV", subtype="PCM_16")
    sound = base64.b64encode(wave.getvalue()).decode("ascii")
    data = {
        "rate": float(rate),
        "pictures": frames_in(len(audio), rate),
        "seconds": len(audio) / RATE,
        "classes": list(CLASSES),
        "letters": [INVENTORY.letters[name] for name in CLASSES],
        "colours": [COLOURS[name] for name in CLASSES],
        "mouth": table(),
        "peaks": {"rate": _PEAKS, "values": _peaks(audio)},
        "phones": [[p.label, round(p.start / RATE, 4), round(p.end / RATE, 4)] for p in phones],
        "tracks": [_track(track, rate) for track in tracks],
        "sound": f"data:audio/wav;base64,{sound}",
    }
    parts = {
        "title": html.escape(title),
        "style": (_HERE / "page.css").read_text("utf-8"),
        "mouth": SCRIPT.read_text("utf-8"),
        "script": (_HERE / "page.js").read_text("utf-8"),
        "data": _json(data),
    }
    frame = (_HERE / "page.html").read_text("utf-8")
    text = re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], frame)  # one pass over the frame
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _track(track: Track, rate: Fraction) -> dict[str, Any]:
    """A track as JSON: segments, the class of each picture, and the shares that are not whole.

    `mixed` maps the number of a picture to [class, share, class, share …] in hundredths.
    """
    classes, shares = track.pictures(rate)
    mixed = {}
    for number in np.flatnonzero(shares[np.arange(len(classes)), classes] < 0.995):
        row = np.rint(shares[number] * 100).astype(int)
        mixed[str(number)] = [int(n) for at in np.flatnonzero(row) for n in (at, row[at])]
    segments = [
        [CLASSES.index(s.label), round(s.start / RATE, 4), round(s.end / RATE, 4)]
        for s in track.segments
    ]
    return {"name": track.name, "segments": segments, "shown": classes.tolist(), "mixed": mixed}


def _peaks(audio: np.ndarray) -> list[int]:
    """The largest magnitude of each column in hundredths of the loudest."""
    step = RATE // _PEAKS
    padded = np.pad(np.abs(audio), (0, -len(audio) % step)).reshape(-1, step).max(1)
    return np.rint(100 * padded / max(float(padded.max()), 1e-4)).astype(int).tolist()


def _json(value: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
