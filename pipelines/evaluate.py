"""Stage `evaluate`: the model on voices and sentences it never saw, and on hand-labelled speech.

Writes metrics/evaluate.json, plots/confusion.csv and reports/index.html. The rival's weights, if
this run was given any, are measured on the same clips.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clips import from_flac
from clips.segment import RATE, Segment
from clips.store import read_rows
from lipsync.dataset import load_feature_tables
from lipsync.features import features, with_deltas
from lipsync.infer import Model, frame_classes
from lipsync.metrics import Tally
from pipelines.align_metrics import narrated_figures
from pipelines.inputs import TRUTH, folders_in, rival_model
from pipelines.params import load_params
from pipelines.report import Example, write_report
from pipelines.stage import DATA, exit_with
from pipelines.train import MODELS
from pipelines.truth import read_truth
from pipelines.visemes import VisemesParams
from visemes.classes import CLASSES
from visemes.frames import HOP, to_segments
from visemes.frames import frame_classes as label_classes
from visemes.inventory import load_inventory

METRICS, PLOTS, REPORTS = Path("metrics"), Path("plots"), Path("reports")


@dataclass(frozen=True)
class EvaluateParams:
    """The `evaluate` block of params.yaml.

    truth: folders of hand-labelled speech, besides those of `make repro TRUTH=…`.
    gains: loudness changes in dB at which hand-labelled speech is measured too.
    """

    truth: tuple[str, ...]
    gains: tuple[float, ...]


def run() -> None:
    """Measures everything and writes the report."""
    params = load_params("evaluate", EvaluateParams)
    mouths = load_params("visemes", VisemesParams)
    inventory = load_inventory(mouths.inventory)
    models = {"visemill": Model.load(MODELS / "visemill.onnx")}
    if rival := rival_model():
        models["cherry"] = Model.load(rival)
    metrics: dict[str, dict] = {"held_out": {}, "truth": {}}
    tallies: dict[str, Tally] = {}
    held_out = load_feature_tables(sorted((DATA / "export/features").glob("*.parquet")), "test")
    for name, model in models.items() if len(held_out) else ():
        tally = tallies[f"{name} on held-out clips"] = measure_held_out(model, held_out)
        metrics["held_out"][name] = tally.figures()
    named = {Path(folder).resolve(): None for folder in params.truth}
    for folder in dict.fromkeys([*named, *folders_in(TRUTH)]):
        clips = read_truth(folder, inventory, mouths.rules)
        for name, model in models.items():
            by_gain = {f"{gain:+g} dB": measure_truth(model, clips, gain) for gain in params.gains}
            groups = {truth.group: [t for t in clips if t.group == truth.group] for truth in clips}
            plain = tallies[f"{name} on {folder.name}"] = measure_truth(model, clips, 0.0)
            metrics["truth"].setdefault(folder.name, {})[name] = {
                **plain.figures(),
                "recall": plain.recall(),
                "frame_accuracy_by_gain": {
                    gain: tally.figures()["frame_accuracy"] for gain, tally in by_gain.items()
                },
                "frame_accuracy_by_group": {
                    group: measure_truth(model, members, 0.0).figures()["frame_accuracy"]
                    for group, members in sorted(groups.items())
                    if group
                },
            }
    metrics["alignment"] = narrated_figures()
    METRICS.mkdir(exist_ok=True)
    text = json.dumps(_rounded(metrics), indent=1, sort_keys=True)
    (METRICS / "evaluate.json").write_text(text + "\n")
    PLOTS.mkdir(exist_ok=True)
    shown = next((tally for name, tally in tallies.items() if "visemill" in name), Tally())
    _write_confusion(PLOTS / "confusion.csv", shown)
    history = json.loads((MODELS / "history.json").read_text())
    write_report(REPORTS, metrics, tallies, example_of(models["visemill"]), history)


def measure_held_out(model: Model, corpus) -> Tally:
    """The tally of a model over the clips of a feature corpus."""
    tally = Tally()
    for first, last in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True):
        predicted = frame_classes(model.predict_features(with_deltas(corpus.mel[first:last])))
        tally.add(corpus.visemes[first : first + len(predicted)].astype(int), predicted)
    return tally


def measure_truth(model: Model, clips, gain: float) -> Tally:
    """The tally of a model over hand-labelled clips made `gain` dB louder."""
    tally = Tally()
    for truth in clips:
        audio = truth.clip.audio * np.float32(10 ** (gain / 20))
        predicted = frame_classes(model.predict_features(features(np.clip(audio, -1, 1))))
        true = label_classes(truth.clip.visemes, len(audio), CLASSES)[: len(predicted)]
        tally.add(true.astype(int), predicted, truth.known_at(np.arange(len(predicted)) * HOP))
    return tally


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


def _write_confusion(path: Path, tally: Tally) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["actual", "predicted", "frames"])
        for true, row in enumerate(tally.confusion):
            for predicted, frames in enumerate(row):
                writer.writerow([CLASSES[true], CLASSES[predicted], int(frames)])


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    """Command line: `python -m pipelines.evaluate`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
