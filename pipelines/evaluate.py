"""Stage `evaluate`: the model on voices and sentences it never saw, and on hand-labelled speech.

Writes metrics/evaluate.json, plots/confusion.csv, and in reports/evaluation/ the model's card and
pictures, which `visemill report` puts into its page. The rival's weights, if this run was given
any, are measured on the same clips.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from clips import from_flac
from clips.audio import to_flac
from clips.files import read_json
from clips.segment import RATE, Segment
from clips.store import read_rows
from lipsync.dataset import load_feature_tables
from lipsync.features import features, with_deltas
from lipsync.infer import LOOKAHEAD, Model, frame_classes
from lipsync.measure import Tally, intervals, tally, total
from lipsync.steady import steady_classes
from pipelines.align_metrics import narrated_figures
from pipelines.conditions import AS_RECORDED, Condition, conditions
from pipelines.inputs import TRUTH, folders_in, rival_model
from pipelines.model_card import model_card
from pipelines.params import load_params, load_value
from pipelines.pictures import draw_clip, draw_confusion, draw_curves
from pipelines.runner import WORK
from pipelines.stage import DATA, exit_with
from pipelines.train import MODELS
from pipelines.truth import TruthClip, read_truth
from pipelines.visemes import VisemesParams
from visemes.classes import CLASSES
from visemes.frames import HOP, to_segments
from visemes.frames import frame_classes as label_classes
from visemes.inventory import load_inventory

METRICS, PLOTS, EVALUATION = Path("metrics"), Path("plots"), Path("reports/evaluation")


@dataclass(frozen=True)
class EvaluateParams:
    """The `evaluate` block of params.yaml.

    truth: folders of hand-labelled speech, besides those of `make repro TRUTH=…`.
    gains, noises, rooms, bands: what hand-labelled speech is measured in too, see
    pipelines.conditions.
    """

    truth: tuple[str, ...]
    gains: tuple[float, ...] = ()
    noises: tuple[float, ...] = ()
    rooms: tuple[float, ...] = ()
    bands: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Example:
    """A clip to look at: its sound, labels, and what the model showed."""

    clip_id: str
    text: str
    audio: np.ndarray
    phones: tuple[Segment, ...]
    visemes: tuple[Segment, ...]
    predicted: tuple[Segment, ...]


def run() -> None:
    """Measures everything and writes the figures."""
    params = load_params("evaluate", EvaluateParams)
    mouths = load_params("visemes", VisemesParams)
    inventory = load_inventory(mouths.inventory)
    models = {"visemill": Model.load(MODELS / "visemill.onnx")}
    if rival := rival_model():
        models["cherry"] = Model.load(rival)
    metrics: dict[str, dict] = {"held_out": {}, "truth": {}}
    tallies: dict[str, Tally] = {}
    tables = sorted((DATA / "export/features").glob("*.parquet"))
    held_out = load_feature_tables(tables, "test", WORK / "evaluate")
    for name, model in models.items() if len(held_out) else ():
        counts = tallies[f"{name} on held-out clips"] = measure_held_out(model, held_out)
        metrics["held_out"][name] = counts.figures()
    named = {Path(folder).resolve(): None for folder in params.truth}
    under = conditions(params.gains, params.noises, params.rooms, params.bands)
    folders = list(dict.fromkeys([*named, *folders_in(TRUTH)]))
    for folder, title in zip(folders, titles(folders), strict=True):
        clips = read_truth(folder, inventory, mouths.rules)
        for name, model in models.items():
            counts, figures = measure_truth(partial(measure_clip, model), clips, under)
            tallies[f"{name} on {title}"] = counts
            metrics["truth"].setdefault(title, {})[name] = figures
    metrics["alignment"] = narrated_figures()
    METRICS.mkdir(exist_ok=True)
    text = json.dumps(rounded(metrics), indent=1, sort_keys=True)
    (METRICS / "evaluate.json").write_text(text + "\n")
    PLOTS.mkdir(exist_ok=True)
    shown = next((counts for name, counts in tallies.items() if "visemill" in name), Tally())
    _write_confusion(PLOTS / "confusion.csv", shown)
    history = read_json(MODELS / "history.json", list)
    shutil.rmtree(EVALUATION, ignore_errors=True)
    EVALUATION.mkdir(parents=True)
    data = read_json(DATA / "export" / "dataset.json", dict)
    card = model_card(data, load_value("train"), metrics)
    (EVALUATION / "model-card.md").write_text(card, encoding="utf-8")
    _draw(tallies, history, example_of(models["visemill"]))


def _draw(tallies: Mapping[str, Tally], history: list[dict], example: Example | None) -> None:
    """The pictures and the sound that the report shows of the model."""
    draw_curves(EVALUATION / "curves.png", history)
    for number, (name, counts) in enumerate(tallies.items()):
        if name.startswith("visemill"):
            draw_confusion(EVALUATION / f"confusion-{number}.png", counts.confusion, name)
    if example:
        tracks = {"labels": example.visemes, "model": example.predicted}
        draw_clip(EVALUATION / "example.png", example.audio, example.phones, tracks)
        (EVALUATION / "example.flac").write_bytes(to_flac(example.audio))
        about = {"clip_id": example.clip_id, "text": example.text}
        (EVALUATION / "example.json").write_text(json.dumps(about), encoding="utf-8")


def titles(paths: Sequence[Path]) -> list[str]:
    """Names for paths: of each as many of the last parts as tell it from the others.

    >>> titles([Path("a/x"), Path("b/x"), Path("b/y")])
    ['a/x', 'b/x', 'y']
    """

    def ends(count: int) -> list[str]:
        return ["/".join(path.parts[-count:]) for path in paths]

    longest = max((len(path.parts) for path in paths), default=0)
    tried = [ends(count) for count in range(1, longest + 1)]
    return [
        next((names[n] for names in tried if names.count(names[n]) == 1), str(path))
        for n, path in enumerate(paths)
    ]


def measure_held_out(model: Model, corpus) -> Tally:
    """The tally of a model over the clips of a feature corpus."""
    counts = Tally()
    for first, last in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True):
        shown = frame_classes(model.predict_features(with_deltas(corpus.mel[first:last])))
        counts += tally(corpus.visemes[first:last].astype(int), shown)
    return counts


GROUPS = {
    "speaker": lambda truth: truth.clip.speaker,
    "language": lambda truth: truth.clip.language,
    "sex": lambda truth: truth.sex,
    "age": lambda truth: truth.age,
    "manner": lambda truth: truth.group,
}
"""How hand-labelled clips are grouped: by name, what a clip belongs to ("" if nobody knows)."""


Measure = Callable[[TruthClip, np.ndarray], Tally]
"""Tells how well a hand-labelled clip is shown that sounds as the samples."""


def measure_truth(
    measure: Measure, clips: list[TruthClip], under: Mapping[str, Condition]
) -> tuple[Tally, dict]:
    """The tally of the clips as recorded, and the figures in every way: plain, the recall of each
    class, intervals over speakers, and the chief figures by group and by condition."""
    counts = {
        name: [measure(truth, condition(truth.clip)) for truth in clips]
        for name, condition in under.items()
    }
    plain = counts[AS_RECORDED]
    groups: dict[str, dict[str, Tally]] = {}
    for title, group_of in GROUPS.items():
        members: dict[str, list[Tally]] = {}
        for truth, one in zip(clips, plain, strict=True):
            if group := group_of(truth):
                members.setdefault(group, []).append(one)
        groups[title] = {name: total(ones) for name, ones in sorted(members.items())}
    return total(plain), {
        **total(plain).figures(),
        "recall": total(plain).recall(),
        "intervals_95": intervals(groups["speaker"]),
        "by_condition": {name: _chief(total(ones)) for name, ones in counts.items()},
        **{
            f"by_{title}": {name: _chief(one) for name, one in found.items()}
            for title, found in groups.items()
            if len(found) > 1
        },
    }


def measure_clip(model: Model, truth: TruthClip, audio: np.ndarray) -> Tally:
    """The tally of one hand-labelled clip that sounds as `audio`."""
    return tally_of(truth, frame_classes(model.predict_features(features(audio))))


def measure_labels(truth: TruthClip, audio: np.ndarray) -> Tally:
    """As `measure_clip`, of the mouths that the rules make of the clip's own labels: how much they
    change, and what a model shows at best that names every frame right."""
    return tally_of(truth, labels_of(truth))


def measure_steady(model: Model, truth: TruthClip, audio: np.ndarray) -> Tally:
    """As `measure_clip`, of the steady track that `visemill lipsync --filter` shows."""
    return tally_of(truth, steady_classes(model.predict(audio))[LOOKAHEAD:])


def tally_of(truth: TruthClip, shown: np.ndarray) -> Tally:
    """The tally of a track (classes per 10 ms) beside the hand labels of its clip."""
    clip, true = truth.clip, labels_of(truth)
    known = truth.known_at(np.arange(len(true)) * HOP)
    return tally(true, shown, known, phones=clip.phones, ipa=clip.ipa, skip=truth.unknown)


def labels_of(truth: TruthClip) -> np.ndarray:
    """The class of each 10 ms frame by the labels (frames,)."""
    return label_classes(truth.clip.visemes, len(truth.clip.audio), CLASSES).astype(int)


def _chief(counts: Tally) -> dict[str, float]:
    figures = counts.figures()
    wanted = (
        "frame_accuracy",
        "lip_score",
        "lips_closed",
        "lips_teeth",
        "changes_per_second",
        "flickers_per_second",
    )
    return {name: figures[name] for name in wanted if name in figures}


def example_of(model: Model) -> Example | None:
    """The first held-out clip of three to five seconds, to look at in the report."""
    for path in sorted((DATA / "export" / "parquet").glob("test-*.parquet")):
        for row in read_rows(path):
            if 3 <= row["samples"] / RATE <= 5:
                audio = from_flac(row["audio"]["bytes"])
                predicted = frame_classes(model.predict(audio))
                return Example(
                    row["clip_id"],
                    row["text"],
                    audio,
                    tuple(Segment(**phone) for phone in row["phones"]),
                    tuple(Segment(**viseme) for viseme in row["visemes"]),
                    to_segments(predicted, HOP, len(audio), CLASSES),
                )
    return None


def _write_confusion(path: Path, counts: Tally) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["actual", "predicted", "frames"])
        for true, row in enumerate(counts.confusion):
            for predicted, frames in enumerate(row):
                writer.writerow([CLASSES[true], CLASSES[predicted], int(frames)])


def rounded(value):
    """Figures with four digits after the point, for files that people compare."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [rounded(entry) for entry in value]
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    """Command line: `python -m pipelines.evaluate`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
