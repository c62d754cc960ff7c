"""One changed recording: each stage makes one partition again, and its bytes are those of a run
from nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import soundfile
import yaml

from clips import draw_stream
from pipelines import (
    align,
    augment,
    export,
    ingest,
    inputs,
    realign,
    relearn,
    transfer,
    triage,
    visemes,
)
from synth import Prompt, find_engine
from tests.pipelines.test_runner import content

ROOT = Path(__file__).parents[2]
TEXT = "please call my sister tomorrow morning"
PEOPLE = 6


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project whose only speech is a folder of recordings, each by another person."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["synthesize"]["engines"] = []
    params["splits"] = dict.fromkeys(params["splits"], 0.0)
    params["ingest"]["partitions"] = 4
    params["align"] |= {"aligner": "pocketsphinx", "second": "", "max_rejects": {}}
    params["augment"] |= {
        "share": 1.0,
        "chain": [{"chance": 1.0, "one_of": [{"name": "clipping"}]}],
    }
    params["triage"]["sure"] = 0.0
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for name in ("corpora", "reviews"):
        shutil.copytree(ROOT / "datasets" / name, Path("datasets") / name)
    Path("mine").mkdir()
    lines = ["utt\tspeaker\taudio\ttext\tlicence\tattribution"]
    for person in range(PEOPLE):
        record(person, "first")
        lines.append(f"u{person}\tp{person}\tu{person}.wav\t{TEXT}\tCC0-1.0\tnobody")
    Path("mine/manifest.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def record(person: int, take: str) -> None:
    """A person says the sentence."""
    engine = find_engine("espeak")
    voice = engine.voices("en-us")[person]
    prompt = Prompt("p", TEXT, "en", "train")
    drawn = engine.draw(draw_stream(1, take, str(person)), prompt, voice)
    clip = engine.speak(prompt, voice, drawn, "clip")
    soundfile.write(f"mine/u{person}.wav", clip.audio, 16000)


def run_stages() -> None:
    """Every stage that recordings pass."""
    inputs.write_inputs(["mine"], [], {})
    ingest.run("recordings")
    transfer.run()
    align.run("recordings")
    relearn.run()
    realign.run()
    augment.run()
    visemes.run()
    triage.run()
    export.run()


def again(said: str) -> dict[str, int]:
    """How many partitions each stage made, from what it said."""
    reused = dict(re.findall(r"([\w-]+): \d+ clips,.*\((\d+) partitions were already done", said))
    whole = {stage: len(list((Path(".work") / stage).iterdir())) for stage in reused}
    return {stage: whole[stage] - int(count) for stage, count in reused.items()}


def test_a_changed_recording_makes_one_partition_of_each_stage_again(project, capsys):
    run_stages()
    assert sum(again(capsys.readouterr().err).values()) > 20
    run_stages()
    assert set(again(capsys.readouterr().err).values()) == {0}
    record(2, "second")
    run_stages()
    counts = again(capsys.readouterr().err)
    stages = ["ingest-recordings", "transfer", "align-recordings", "realign", "augment"]
    stages += [f"{s}-{of}" for s in ("visemes", "triage") for of in ("recordings", "augmented")]
    assert {stage: counts[stage] for stage in stages} == dict.fromkeys(stages, 1)
    assert counts["export"] == 2  # the recordings of the partition, and their children
    gone_on = content("datasets")
    for name in ("ingest", "align", "realign", "augment", "export"):
        shutil.rmtree(Path("datasets") / name)
    shutil.rmtree(".work")
    run_stages()
    assert content("datasets") == gone_on
