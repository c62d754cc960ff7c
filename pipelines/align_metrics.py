"""How far the aligner's boundaries are from the truth of the narrated clips, if that is known."""

from __future__ import annotations

from align.measure import compare, total
from clips import RATE, Op, Segment, partitions_in, read_rejects
from clips.segment import cut
from clips.store import read_rows
from pipelines.stage import DATA
from visemes.phonesets import read_label_file


def narrated_figures() -> dict[str, float]:
    """Mean and median error (ms), F1 at 20 ms, and how many clips were aligned and rejected.

    Empty if nobody knows the truth (pyttsx3 narrated); without an error where no boundary fits.
    """
    labels = DATA / "narrated" / "labels"
    errors = []
    for path in partitions_in(DATA / "align" / "narrated"):
        for row in read_rows(path, ["clip_id", "phones", "ops"]):
            file = labels / f"{row['clip_id'].removeprefix('narrated-')}.tsv"
            if not file.exists():
                continue
            lines = read_label_file(file)
            truth = [Segment(p, round(a * RATE), round(b * RATE)) for a, b, p in lines]
            trimmed = next(Op(**op) for op in row["ops"] if op["name"] == "ingest").read()
            inside = cut(truth, trimmed["start"], trimmed["end"])
            errors.append(compare(inside, [Segment(**phone) for phone in row["phones"]]))
    if not errors:
        return {}
    whole = total(errors)
    figures = {
        "boundary_error_mean_ms": whole.mean_ms,
        "boundary_error_median_ms": whole.median_ms,
        "boundary_f1_20_ms": whole.f1,
        "clips_aligned": len(errors),
        "clips_rejected": len(read_rejects(DATA / "align" / "narrated")),
    }
    return {name: value for name, value in figures.items() if value == value}
