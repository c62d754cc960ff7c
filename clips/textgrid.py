"""Praat TextGrids in and out, through praatio. Seconds live here, samples everywhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from praatio import textgrid as praat
from praatio.utilities.errors import PraatioException

from clips.errors import BadLabels
from clips.files import MOST_BYTES, open_regular
from clips.segment import LONGEST_SECONDS, RATE, Segment, tile


def write_textgrid(path: str | Path, tiers: Mapping[str, Sequence[Segment]], length: int) -> None:
    """A long-format TextGrid with one interval tier for each entry, `length` samples long.

    Times are written with enough digits that reading returns the same samples.
    """
    grid = praat.Textgrid(minTimestamp=0.0, maxTimestamp=length / RATE)
    for name, segments in tiers.items():
        filled = tile(segments, length, filler="")
        entries = [(s.start / RATE, s.end / RATE, s.label) for s in filled]
        grid.addTier(praat.IntervalTier(name, entries, minT=0.0, maxT=length / RATE))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
    # The time of sample 1 is written with an exponent, which TextGrid readers do not know.
    text = Path(path).read_text("utf-8")
    Path(path).write_text(re.sub(r"(xm(?:in|ax) = )6\.25e-05", r"\g<1>0.0000625", text), "utf-8")


def read_textgrid(path: str | Path, length: int | None = None) -> dict[str, tuple[Segment, ...]]:
    """The interval tiers of a TextGrid; intervals without a label are left out.

    Times are rounded to samples and, with `length`, cut to the clip.
    Raises BadLabels that names the file if it cannot be read, or has times that nobody believes.
    """
    try:
        with open_regular(path) as file:
            if file.seek(0, 2) > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES} bytes")
        grid = praat.openTextgrid(str(path), includeEmptyIntervals=False)
        times = [time for tier in grid.tiers for entry in tier.entries for time in entry[:-1]]
        if not all(-LONGEST_SECONDS <= time <= LONGEST_SECONDS for time in times):
            raise ValueError("a time is no number of seconds, or beyond half a day")
    except (
        PraatioException, OSError, ValueError, LookupError, AssertionError, TypeError,
        AttributeError, RecursionError,
        OverflowError,
    ) as error:  # praatio checks little of what it reads  # fmt: skip
        raise BadLabels(
            f"cannot be read as a TextGrid ({(str(error).splitlines() or ['?'])[0]})",
            where=str(path),
            remedy="open it in Praat and save it again as a text file",
        ) from error
    tiers: dict[str, tuple[Segment, ...]] = {}
    for tier in grid.tiers:
        if not isinstance(tier, praat.IntervalTier):
            continue
        segments = []
        for start, end, label in tier.entries:
            first, last = round(start * RATE), round(end * RATE)
            last = min(last, length) if length is not None else last
            if label and last > first:
                segments.append(Segment(label, first, last))
        tiers[tier.name] = tuple(segments)
    return tiers
