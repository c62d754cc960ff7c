"""The model card: what a trained model is, what it learned from, how good it is and is not."""

from __future__ import annotations

from collections.abc import Mapping

from lipsync.features import FEATURES, HOP, RATE
from lipsync.infer import LOOKAHEAD
from lipsync.steady import LAG
from visemes.classes import CLASSES, LETTERS

CHERRYS_HIDDEN = 80
"""Width of both GRU layers of Cherry Lip Sync's model, see lipsync.model (which needs torch)."""

WINDOW_MS = 25
"""Length of the analysis window, see lipsync.features."""

_FIGURES = {
    "frame_accuracy": "frames right",
    "lip_score": "lip score",
    "lips_closed": "P B M shown closed",
    "lips_teeth": "F V shown on the teeth",
    "false_closed_share": "open frames shown closed",
    "changes_per_second": "changes a second",
}


def model_card(data: Mapping, settings: Mapping, metrics: Mapping) -> str:
    """The card as Markdown.

    data: dataset.json of the export. settings: the `train` block of params.yaml. metrics: what
    the stage `evaluate` measured.
    """
    hop = HOP * 1000 // RATE
    train = data["splits"]["train"]
    hidden = settings.get("hidden", CHERRYS_HIDDEN)
    width = "" if hidden == CHERRYS_HIDDEN else ", in another width, which its tools do not read"
    lines = [
        "# A lip-sync model",
        "",
        f"From sound to one of {len(CLASSES)} mouth shapes, {1000 // hop} times a second, in real"
        f" time. {weights(hidden):,} weights: normalization, two GRUs of {hidden}, one linear"
        f" layer; the layout is that of Cherry Lip Sync's model{width}.",
        "",
        f"- In: mono sound at {RATE:,} Hz; 13 mel bands and their deltas every {hop} ms"
        " (`lipsync/features.py`).",
        "- Out: the probability of " + ", ".join(f"{c} ({LETTERS[c]})" for c in CLASSES) + ".",
        f"- Delay: {WINDOW_MS} ms of window, {hop} ms for the delta, {LOOKAHEAD * hop} ms of"
        f" lookahead: {WINDOW_MS + hop + LOOKAHEAD * hop} ms; with `--filter` {LAG * hop} ms more.",
        "- Files: `visemill.onnx` (state in and out, for files and streams), `cherry.pt` (PyTorch),"
        " `cherry.ptx` (for Cherry Lip Sync's Rust program).",
        "",
        "## What it learned from",
        "",
        f"{train['minutes']:.0f} minutes of speech, {train['clips']} clips, {train['speakers']}"
        " speakers, synthetic voices and recordings counted alike ("
        + ", ".join(f"{name} {found:.0f}" for name, found in train["minutes_by_source"].items())
        + " minutes). Every clip was approved; its licence and history are in the data set.",
        "",
        "| licence | clips | who |",
        "|---|---|---|",
        *(
            f"| {name} | {count} | {'; '.join(data['attributions'][name])} |"
            for name, count in data["licences"].items()
        ),
        "",
        "Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items()) + ".",
        "",
        "## How good it is",
        "",
    ]
    sets = {"unseen voices and sentences": metrics["held_out"], **metrics["truth"]}
    for where, models in sets.items():
        if not models:  # nobody was held out
            continue
        names = list(models)
        lines += [
            f"**{where}**",
            "",
            "| |" + "".join(f" {name} |" for name in names),
            "|---|" + "---|" * len(names),
        ]
        for key, title in _FIGURES.items():
            if any(key in models[name] for name in names):
                cells = [_cell(models[name], key) for name in names]
                lines.append(f"| {title} |" + "".join(f" {cell} |" for cell in cells))
        lines.append("")
    lines += [
        "In brackets: where 95 of 100 figures would lie with other speakers (bootstrap over"
        " speakers). Lip score: `visemes/lip_score.py`. Figures by loudness, noise, room and group:"
        " `metrics/evaluate.json`.",
        "",
        "## What it is not",
        "",
        "- It hears sound, no words: sounds that differ by the tongue alone (T, K) look alike, and"
        " a silent P is told from a silent T by what stands around it.",
        "- Music, several voices at once and whispering were not in its data.",
        "- It knows nobody: it neither identifies speakers nor stores sound.",
        "",
    ]
    return "\n".join(lines)


def weights(hidden: int) -> int:
    """How many numbers a network of this width learns.

    >>> weights(80)
    65824
    """
    outputs = len(CLASSES)
    normalization, linear = 2 * FEATURES, (hidden + 1) * outputs
    return normalization + 3 * hidden * (FEATURES + hidden + 2 + 2 * hidden + 2) + linear


def _cell(figures: Mapping, key: str) -> str:
    if key not in figures:
        return "–"
    text = f"{figures[key]:.3f}"
    if limits := figures.get("intervals_95", {}).get(key):
        text += f" ({limits[0]:.3f}–{limits[1]:.3f})"
    return text
