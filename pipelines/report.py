"""reports/index.html: what the run made and how good it is, for a person in a browser."""

from __future__ import annotations

import base64
import html
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from clips import read_rejects
from clips.segment import RATE, Segment
from clips.store import read_rows
from lipsync.measure import Tally
from pipelines.pictures import draw_clip, draw_confusion, draw_curves
from pipelines.stage import DATA

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child, .text { text-align: left; }
img { max-width: 100%; background: white; border-radius: 6px; }
.big { font-size: 2rem; font-weight: 600; } .tiles { display: flex; gap: 2rem; flex-wrap: wrap; }
audio { width: 100%; } .note { opacity: .75; }
"""


@dataclass(frozen=True)
class Example:
    """A clip to look at: its sound, labels, and what the model showed."""

    clip_id: str
    text: str
    audio: np.ndarray
    phones: tuple[Segment, ...]
    visemes: tuple[Segment, ...]
    predicted: tuple[Segment, ...]


def write_report(
    folder: Path,
    metrics: dict,
    tallies: dict[str, Tally],
    example: Example | None,
    history: list[dict],
) -> None:
    """Writes index.html and its pictures into `folder`. history: a row for each epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    card = json.loads((DATA / "export" / "dataset.json").read_text("utf-8"))
    minutes = sum(split["minutes"] for split in card["splits"].values())
    clips = sum(split["clips"] for split in card["splits"].values())
    ours = metrics["held_out"].get("visemill")
    parts = [
        "<h1>visemill: what this run made</h1>",
        "<div class=tiles>",
        _tile(f"{minutes:.0f} min", "approved, labelled speech"),
        _tile(str(clips), "clips"),
        *(
            [_tile(f"{ours['frame_accuracy']:.1%}", "frames right on unseen voices and sentences")]
            if ours
            else []
        ),
        *(
            _tile(f"{figures['visemill']['frame_accuracy']:.1%}", f"on hand labels, {name}")
            for name, figures in metrics["truth"].items()
        ),
        "</div>",
    ]
    if example:
        draw_clip(
            folder / "example.png",
            example.audio,
            example.phones,
            {"labels": example.visemes, "model": example.predicted},
        )
        parts += [
            "<h2>One clip that the model never saw</h2>",
            f"<p>“{html.escape(example.text)}” <span class=note>{html.escape(example.clip_id)}"
            "</span></p>",
            f'<audio controls src="{_wav(example.audio)}"></audio>',
            '<p><img src="example.png" alt="waveform, spectrogram, phones, labelled mouths and the'
            ' mouths that the model shows"></p>',
        ]
    parts += ["<h2>How good is the model?</h2>", _figures(metrics)]
    if not ours:
        parts.append(
            "<p class=note>No clip is held out: give <code>splits</code> in params.yaml larger"
            " shares, or the run more voices.</p>"
        )
    if not metrics["truth"]:
        parts.append(
            "<p class=note>No hand-labelled speech was given: <code>make repro TRUTH=folder</code>"
            " measures on real people.</p>"
        )
    for number, (name, tally) in enumerate(tallies.items()):
        if name.startswith("visemill"):
            draw_confusion(folder / f"confusion-{number}.png", tally.confusion, name)
            parts.append(
                f'<p><img src="confusion-{number}.png" alt="confusion: {html.escape(name)}"></p>'
            )
    draw_curves(folder / "curves.png", history)
    parts += [
        "<h2>Training</h2>",
        '<p><img src="curves.png" alt="loss and accuracy over epochs"></p>',
        "<h2>What is in the data</h2>",
        _splits(card),
        "<h3>Licences</h3><ul>",
        *(f"<li>{html.escape(name)}: {n} clips</li>" for name, n in card["licences"].items()),
        "</ul>",
    ]
    parts += ["<h2>What was left out, and why</h2>", _left_out()]
    alignment = metrics.get("alignment")
    if alignment:
        parts += ["<h2>The aligner against known truth</h2>", _pairs(alignment)]
    page = "\n".join(parts)
    (folder / "index.html").write_text(
        '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width='
        f'device-width"><title>visemill report</title><style>{_STYLE}</style><body>{page}</body>'
        "</html>\n",
        encoding="utf-8",
    )


def _tile(number: str, label: str) -> str:
    return f"<div><div class=big>{html.escape(number)}</div>{html.escape(label)}</div>"


_COLUMNS = {
    "frame_accuracy": ("frames right", "{:.1%}"),
    "lip_score": ("lip score", "{:.3f}"),
    "lips_closed": ("P B M closed", "{:.0%}"),
    "lips_teeth": ("F V on teeth", "{:.0%}"),
    "false_closed_share": ("falsely closed", "{:.1%}"),
    "macro_f1": ("macro F1", "{:.2f}"),
    "boundary_f1_40_ms": ("changes within 40 ms, F1", "{:.2f}"),
    "changes_per_second": ("changes/s", "{:.1f}"),
    "flickers_per_second": ("flickers/s", "{:.2f}"),
}


def _figures(metrics: dict) -> str:
    """The chief figures of every model on every set, then those by condition and group."""
    groups = {"held-out voices and sentences": metrics["held_out"], **metrics["truth"]}
    rows = ["<tr><th>measured on<th>model" + "".join(f"<th>{t}" for t, _ in _COLUMNS.values())]
    for where, models in groups.items():
        for name, figures in models.items():
            limits = figures.get("intervals_95", {})
            rows.append(f"<tr><td>{html.escape(where)}<td>{html.escape(name)}")
            rows += [
                _cell(figures.get(c), form, limits.get(c)) for c, (_, form) in _COLUMNS.items()
            ]
    parts = [f"<table>{''.join(rows)}</table>"]
    if any("intervals_95" in f for models in groups.values() for f in models.values()):
        parts.append(
            "<p class=note>Small: where 95 of 100 figures would lie with other speakers"
            " (bootstrap).</p>"
        )
    for where, models in metrics["truth"].items():
        parts.append(f"<h3>{html.escape(where)}, taken apart</h3>{_apart(models)}")
    return "".join(parts)


def _apart(models: dict) -> str:
    """One line for each condition and group: frames right and lip score of every model."""
    names = list(models)
    rows = ["<tr><th>" + "".join(f"<th colspan=2>{html.escape(n)}: frames, lips" for n in names)]
    kinds = [kind for kind in models[names[0]] if kind.startswith("by_")]
    for kind in kinds:
        for case in models[names[0]][kind]:
            rows.append(f"<tr><td>{html.escape(kind[3:])}: {html.escape(case)}")
            for name in names:
                figures = models[name].get(kind, {}).get(case, {})
                rows.append(_cell(figures.get("frame_accuracy"), "{:.1%}"))
                rows.append(_cell(figures.get("lip_score"), "{:.3f}"))
    return f"<table>{''.join(rows)}</table>"


def _cell(value: float | None, form: str, limits: list[float] | None = None) -> str:
    if value is None:
        return "<td>–"
    small = ""
    if limits:
        small = "<br><small>" + "–".join(form.format(limit) for limit in limits) + "</small>"
    return f"<td>{form.format(value)}{small}"


def _splits(card: dict) -> str:
    rows = ["<tr><th>split<th>clips<th>minutes<th>speakers"]
    for name, split in card["splits"].items():
        rows.append(
            f"<tr><td>{name}<td>{split['clips']}<td>{split['minutes']:.1f}<td>{split['speakers']}"
        )
    return f"<table>{''.join(rows)}</table>"


def _left_out() -> str:
    """Rejects by stage and reason, and what triage holds back."""
    counts: Counter = Counter()
    for folder in ("synthesize/*", "ingest/*", "transfer", "align/*", "augment", "visemes/*"):
        for path in sorted(DATA.glob(folder)):
            stage = str(path.relative_to(DATA))
            counts.update((stage, reject.reason) for reject in read_rejects(path))
    for path in sorted(DATA.glob("triage/*/part-*.parquet")):
        for row in read_rows(path, ["status", "reason"]):
            if row["status"] != "approved":
                counts[f"triage: {row['status']}", row["reason"]] += 1
    rows = ["<tr><th>where<th class=text>reason<th>clips"]
    for (stage, reason), count in counts.most_common(40):
        rows.append(f"<tr><td>{html.escape(stage)}<td class=text>{html.escape(reason)}<td>{count}")
    return f"<table>{''.join(rows)}</table>"


def _pairs(figures: dict) -> str:
    rows = [
        f"<tr><td>{html.escape(k.replace('_', ' '))}<td>{round(v, 3)}" for k, v in figures.items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _wav(audio: np.ndarray) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, RATE, format="WAV", subtype="PCM_16")
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()
