"""The whole pipeline on a few sentences: every stage, real engines, from text to mouth cues."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile
import yaml

from clips import read_rejects
from clips.store import read_rows
from lipsync.infer import Model
from pipelines import (
    acoustic,
    align,
    augment,
    evaluate,
    export,
    ingest,
    inputs,
    narrate,
    prompts,
    realign,
    relearn,
    synthesize,
    train,
    transfer,
    triage,
    visemes,
)
from pipelines.command import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project folder in which every stage has run once, with a folder of recordings added."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("VISEMILL_WORKERS", "2")
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["prompts"] |= {"count": 40, "candidates": 200, "languages": ["de"]}
        params["synthesize"] |= {"partitions": 2, "voices_per_prompt": {"en": 3, "de": 1}}
        params["splits"] = dict.fromkeys(params["splits"], 0.2)
        params["narrate"] |= {"count": 8}
        params["ingest"] |= {"partitions": 2}
        # Forty sentences do not teach the other aligner; tests/align/test_neural.py tries it.
        params["align"] |= {"aligner": "pocketsphinx", "max_rejects": {}}
        params["acoustic"] |= {"epochs": 1}
        # Two epochs leave it unsure of everything, so `lean` would decide; and a teacher as well.
        params["train"] |= {"epochs": 2, "balance": 0.0, "lean": 0.0}
        params["train"] |= {"offline_teachers": 1, "taught": 0.1}
        Path("params.yaml").write_text(yaml.safe_dump(params))
        for name in ("prompts/sentences", "corpora", "reviews"):
            shutil.copytree(ROOT / "datasets" / name, Path("datasets") / name)
        mine = make_recordings(folder / "mine")
        inputs.write_inputs([str(mine)], [], {})
        run_stages()
        yield folder


def make_recordings(folder: Path) -> Path:
    """A folder with two recordings of espeak's, one of which lies about its text."""
    from clips import draw_stream
    from synth import Prompt, find_engine

    folder.mkdir()
    engine = find_engine("espeak")
    voice = next(v for v in engine.voices("en-us") if v.speaker.endswith(":m2"))
    lines = ["utt\tspeaker\taudio\ttext\tlicence\tattribution\tsplit"]
    spoken = "please call my sister tomorrow morning"
    for utt, said in (("true", spoken), ("false", "quick foxes chew five thick cheeses")):
        prompt = Prompt(utt, spoken, "en", "train")
        clip = engine.speak(
            prompt, voice, engine.draw(draw_stream(1, "t", utt), prompt, voice), utt
        )
        soundfile.write(folder / f"{utt}.wav", clip.audio, 16000)
        lines.append(f"{utt}\tann\t{utt}.wav\t{said}\tCC0-1.0\tAnn\ttrain")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


def run_stages() -> None:
    """Every stage of dvc.yaml, in order."""
    prompts.run()
    for engine in ("espeak", "flite"):
        synthesize.run(engine)
    narrate.run()
    for corpus in ("recordings", "narrated"):
        ingest.run(corpus)
    acoustic.run()
    transfer.run()
    for corpus in ("recordings", "narrated"):
        align.run(corpus)
    relearn.run()
    realign.run()
    augment.run()
    visemes.run()
    triage.run()
    export.run()
    train.run()
    evaluate.run()


@pytest.fixture
def inside(project, monkeypatch) -> Path:
    """The project, as the working directory."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    return project


def manifest() -> list[dict]:
    """The rows of the export's manifest."""
    return list(read_rows("datasets/export/manifest.parquet"))


def test_clips_of_every_kind_are_exported(inside):
    rows = manifest()
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
    assert {row["language"] for row in rows} == {"en", "de"}
    assert {"exact", "aligned"} <= {row["timing"] for row in rows}
    assert any("+chain-" in row["clip_id"] for row in rows)
    assert all(row["licence"] and row["attribution"] for row in rows)


def test_children_follow_their_parents_split_and_only_training_clips_have_any(inside):
    children = [row for row in manifest() if row["clip_id"] != row["root_id"]]
    assert children
    assert {row["split"] for row in children} == {"train"}


def test_a_recording_with_a_false_text_is_rejected_with_a_reason(inside):
    (reject,) = (r for r in read_rejects("datasets/align/recordings") if r.clip_id == "mine-false")
    assert reject.reason
    kept = [r["clip_id"] for p in Path("datasets/align/recordings").glob("part-*")
            for r in read_rows(p)]  # fmt: skip
    assert kept == ["mine-true"]


def test_the_model_predicts_and_the_figures_are_written(inside):
    metrics = json.loads(Path("metrics/evaluate.json").read_text())
    accuracy = metrics["held_out"]["visemill"]["frame_accuracy"]
    assert accuracy > 0.25, "two epochs on a few sentences already beat the most frequent class"
    assert Model.load("models/visemill.onnx").predict(soundfile.read("mine/true.wav")[0]).shape[1]
    assert main(["report"]) == 0
    page = Path("reports/index.html").read_text()
    assert "frames right, unseen voices" in page
    assert "mine-false" in page and page.count("<audio") >= 2, "a reject to listen to"


def test_training_again_starts_from_the_beginning_and_gives_the_same_weights(inside, capsys):
    work = Path(".work/train")
    assert not list(work.glob("checkpoint*")), "nothing is left that a later run could go on from"
    before = Path("models/cherry.pt").read_bytes()
    for name in ("checkpoint.pt", "checkpoint.teacher1.pt"):
        (work / name).write_bytes(b"of another run")
    train.run()
    assert Path("models/cherry.pt").read_bytes() == before
    assert len(json.loads(Path("models/history.json").read_text())) == 2
    curve = Path("plots/train/plots/metrics/loss.tsv").read_text().splitlines()
    assert len(curve) == 3, "the curves are the network's own, not its teacher's"
    assert not list(work.glob("checkpoint*"))


def test_the_command_makes_cues_with_the_trained_model(inside, capsys):
    assert main(["lipsync", "mine/true.wav", "--fps", "30"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0][0] == "0.000"
    assert all(letter in "ABCDEFGHIJKX" for _, letter in lines)
    times = [float(time) for time, _ in lines]
    assert times == sorted(times)
    assert len(lines) > 3


def test_again_on_one_worker_every_data_artefact_has_the_same_bytes(inside):
    def bytes_of() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in sorted(Path("datasets").rglob("*"))
                if p.is_file() and "README" not in p.name}  # fmt: skip

    before = bytes_of()
    shutil.rmtree(".work")
    for name in ("synthesize", "narrated", "ingest", "align", "realign", "augment", "export"):
        shutil.rmtree(Path("datasets") / name)
    weights = Path("models/cherry.pt").read_bytes()
    run_stages()
    assert bytes_of() == before
    assert Path("models/cherry.pt").read_bytes() == weights


def test_the_default_run_needs_no_recordings(inside):
    inputs.write_inputs([], [], {})
    assert ingest.run("recordings").rows == 0
    assert align.run("recordings").rows == 0
