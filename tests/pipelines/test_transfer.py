from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from align.measure import compare
from clips import BadParams, Clip, Segment, partitions_in, read_clips, read_rejects
from pipelines import ingest, inputs, transfer
from pipelines.params import build
from pipelines.transfer import TransferParams, find_labels, label_by_hand
from synth import Prompt, find_engine
from visemes.phonesets import load_phoneset

ROOT = Path(__file__).parents[2]
TEXT = "The birch canoe slid on the smooth planks, and she sells sea shells."
OTHER_TEXT = "Four hours of steady work faced us, and a large size is hard to sell."
LABELS = {arpabet: label for label, (arpabet, _) in load_phoneset("emu_ae").phones.items()}


def say(text: str, number: int) -> Clip:
    """The text by one of espeak's voices, with phones that EMU's notation has."""
    engine = find_engine("espeak")
    voices = list(engine.voices("en"))
    voice = voices[number * 7 % len(voices)]
    prompt = Prompt(prompt_id="t", language=voice.language, split="", text=text)
    params = engine.draw(np.random.default_rng(number), prompt, voice)
    clip = engine.speak(prompt, voice, params, f"espeak-{number}")
    return clip.with_(
        phones=tuple(
            Segment(p.label if p.label in (*LABELS, "SIL") else "AH", p.start, p.end)
            for p in clip.phones
        ),
        ipa=(),
    )


def corpus(folder: Path, rows: dict[str, tuple[Clip, str, bool]]) -> Path:
    """A folder of recordings: utt -> (what is said, the text that is claimed, has labels)."""
    folder.mkdir(parents=True)
    lines = ["utt\tspeaker\taudio\ttext\tlabel\tlicence"]
    for utt, (clip, text, labelled) in rows.items():
        soundfile.write(folder / f"{utt}.wav", clip.audio, 16_000, subtype="PCM_16")
        entries = (
            f"{p.start / 16000:.6f}\t{p.end / 16000:.6f}\t{LABELS.get(p.label, 'sil')}\n"
            for p in clip.phones
        )
        if labelled:
            (folder / f"{utt}.tsv").write_text("".join(entries))
        lines.append(
            f"{utt}\t{utt}\t{utt}.wav\t{text}\t{f'{utt}.tsv' if labelled else ''}\tCC0-1.0"
        )
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def voices() -> dict[str, tuple[Clip, str, bool]]:
    return {
        "ann": (say(TEXT, 0), TEXT, True),
        "bob": (say(TEXT, 1), TEXT.upper(), True),
        "cat": (say(TEXT, 2), TEXT, False),
        "dan": (say(OTHER_TEXT, 2), OTHER_TEXT, False),
        "liar": (say(OTHER_TEXT, 3), TEXT, False),
    }


@pytest.fixture
def project(tmp_path, monkeypatch, voices) -> Path:
    """A project folder with ingested recordings."""
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["transfer"] = {"donors": 5, "max_rejects": 0.5}
    params["ingest"] |= {"partitions": 3, "margin_seconds": 0.02}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    mine = corpus(tmp_path / "mine", voices)
    inputs.write_inputs([str(mine)], [], {})
    ingest.run("recordings")
    return tmp_path


def made() -> dict[str, Clip]:
    parts = partitions_in("datasets/transfer")
    return {clip.clip_id: clip for part in parts for clip in read_clips(part)}


def test_labels_by_hand_are_kept_and_carried_to_others_who_say_the_same(project, voices):
    done = transfer.run()
    assert (done.rows, done.rejects.total()) == (3, 1)
    clips = made()
    timings = {name: clip.timing for name, clip in clips.items()}
    assert timings == {"mine-ann": "manual", "mine-bob": "manual", "mine-cat": "transferred"}
    for name, clip in clips.items():
        clip.validate()
        original = voices[name.removeprefix("mine-")][0]
        start = clip.ops[0].read()["start"]
        truth = original.between(start, start + len(clip)).phones
        found = compare(truth, clip.phones)
        assert found.mean_ms < (15 if clip.timing == "transferred" else 0.1)
        assert found.truth and found.errors
    assert clips["mine-ann"].score["confidence"] == 1.0
    cat = clips["mine-cat"]
    assert sorted(cat.ops[-1].read()["donors"]) == ["mine-ann", "mine-bob"]
    assert cat.ops[0].name == "ingest"
    assert len(cat.ipa) == len(cat.phones)
    (reject,) = read_rejects("datasets/transfer")
    assert (reject.clip_id, reject.stage) == ("mine-liar", "transfer")
    assert "donor" in reject.reason
    assert "from donor" in reject.detail


def test_a_second_run_reuses_what_is_done_and_new_labels_are_noticed(project):
    transfer.run()
    before = {path.name: path.read_bytes() for path in partitions_in("datasets/transfer")}
    assert transfer.run().reused == len(before) == 3
    labels = project / "mine" / "ann.tsv"
    labels.write_text(labels.read_text().replace("\ts\n", "\tz\n"))
    assert transfer.run().reused < 3
    after = {path.name: path.read_bytes() for path in partitions_in("datasets/transfer")}
    assert before != after


def test_the_most_donors_are_a_parameter(project):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("donors: 5", "donors: 1"))
    transfer.run()
    assert made()["mine-cat"].score["transfer_donors"] == 1


def test_a_label_that_nobody_knows_is_rejected_and_is_no_donor(project):
    labels = project / "mine" / "ann.tsv"
    labels.write_text(labels.read_text().replace("\ts\n", "\tqqq\n", 1))
    transfer.run()
    reasons = {reject.clip_id: reject for reject in read_rejects("datasets/transfer")}
    assert reasons["mine-ann"].reason == "a label is not known"
    assert "ann.tsv" in reasons["mine-ann"].detail
    assert made()["mine-cat"].ops[-1].read()["donors"] == ["mine-bob"]


def test_without_labels_there_is_nothing_to_do(project, voices):
    unlabelled = {name: (clip, text, False) for name, (clip, text, _) in voices.items()}
    plain = corpus(project / "plain", unlabelled)
    inputs.write_inputs([str(plain)], [], {})
    ingest.run("recordings")
    done = transfer.run()
    assert (done.rows, done.rejects.total()) == (0, 0)


def test_labels_in_an_unknown_notation_are_named_and_other_folders_go_on(tmp_path, voices, capsys):
    good = corpus(tmp_path / "good", {"ann": voices["ann"]})
    bad = corpus(tmp_path / "bad", {"ann": voices["ann"]})
    (bad / "ann.tsv").write_text("0\t1\tqqq\n1\t2\trrr\n")
    missing = corpus(tmp_path / "missing", {"ann": voices["ann"]})
    (missing / "ann.tsv").unlink()
    found = find_labels([bad, missing, tmp_path / "nowhere", good])
    assert {name: label.phoneset for name, label in found.items()} == {"good-ann": "emu_ae"}
    said = capsys.readouterr().err
    assert "qqq" in said
    assert "missing" in said


def test_the_first_recording_of_an_id_is_the_one_that_has_labels(tmp_path, voices):
    folder = corpus(tmp_path / "mine", {"ann": voices["ann"]})
    manifest = (folder / "manifest.tsv").read_text().splitlines()
    plain, labelled = manifest[1].replace("ann.tsv", ""), manifest[1]
    (folder / "manifest.tsv").write_text("\n".join([manifest[0], plain, labelled]) + "\n")
    assert find_labels([folder]) == {}


def test_params_are_checked():
    with pytest.raises(BadParams, match="donors"):
        build(TransferParams, {"donors": -1, "max_rejects": 1.0}, "params.yaml: transfer")
    with pytest.raises(BadParams, match="min_silence"):
        limits = {"min_silence": 2.0}
        build(TransferParams, {"donors": 1, "max_rejects": 1.0, "limits": limits}, "transfer")


def test_hand_labels_move_as_ingest_cut_the_recording(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["ingest"] |= {"partitions": 1, "margin_seconds": 0.01}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for name in ("datasets/corpora",):
        Path(name).mkdir(parents=True)
        source = (ROOT / name / "emu_ae.yaml").read_text()
        Path(name, "emu_ae.yaml").write_text(source)
    folder = shared / "speech" / "emu_ae"
    inputs.write_inputs([str(folder)], [], {})
    ingest.run("recordings")
    labels = find_labels([folder])
    (part,) = partitions_in("datasets/ingest/recordings")
    for clip in read_clips(part):
        file = labels[clip.clip_id]
        labelled = label_by_hand(clip, str(file.path), file.phoneset).validate()
        assert labelled.timing == "manual"
        # The first sound of the labels is where the recording becomes loud.
        first = next(p for p in labelled.phones if p.label != "SIL")
        energy = np.square(labelled.audio)
        quiet, loud = energy[: max(first.start, 1)].mean(), energy[first.start :].mean()
        assert quiet < loud / 10
