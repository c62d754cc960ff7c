"""`visemill compare`: every kind of file, honest figures, faults that are named."""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path

import pytest

from clips import BadInput, BadLabels, Segment, write_textgrid
from pipelines import compare_command
from visemes.formats import FORMATS, CueTrack, write_cues
from visemes.phonesets import read_label_file

FILM = Fraction(24)
TRACK = CueTrack(((0.0, "X"), (0.25, "A"), (0.5, "D"), (0.75, "F"), (1.0, "X")), 1.5)


def compared(capsys, *arguments) -> dict:
    """What the command answers as JSON."""
    parser = argparse.ArgumentParser()
    compare_command.add_arguments(parser)
    args = parser.parse_args([*map(str, arguments), "--format", "json"])
    assert compare_command.run(args) == 0
    return json.loads(capsys.readouterr().out)


def labelled(path: Path, *phones: tuple[str, float]) -> Path:
    """A TextGrid of (label, seconds)."""
    segments, at = [], 0
    for label, seconds in phones:
        end = at + round(seconds * 16_000)
        if label:
            segments.append(Segment(label, at, end))
        at = end
    write_textgrid(path, {"words": segments[:1], "phones": segments}, at)
    return path


@pytest.fixture
def spoken(tmp_path) -> Path:
    """Phones that TRACK shows as they should be."""
    return labelled(
        tmp_path / "phones.TextGrid",
        ("", 0.25), ("P", 0.25), ("AA1", 0.25), ("UW0", 0.25), ("sil", 0.5),
    )  # fmt: skip


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_found_out_and_compared(tmp_path, capsys, spoken, name):
    a, b = tmp_path / "a.tsv", tmp_path / f"b.{FORMATS[name].suffix}"
    a.write_text(write_cues(TRACK, "tsv", FILM))
    b.write_text(write_cues(TRACK, name, FILM), encoding="utf-8")
    found = compared(capsys, a, b, "--fps", "24", "--phones", spoken)
    assert found["frame_accuracy"] == found["macro_f1"] == 1
    assert found["boundary_f1_20_ms"] == found["boundary_f1_40_ms"] == 1
    assert found["a"]["lip_score"] == found["b"]["lip_score"] == 1
    assert found["b"]["shapes"] == (FORMATS[name].inventory or "cherry12")
    assert found["seconds_of_speech"] == 0.75


def test_the_figures_of_a_track_beside_phones(tmp_path, capsys, spoken):
    late = tmp_path / "late.json"
    cues = ((0.0, "X"), (0.28, "A"), (0.48, "D"), (0.49, "E"), (0.5, "D"), (1.2, "X"))
    late.write_text(write_cues(CueTrack(cues, 1.5), "json", FILM))
    found = compared(capsys, spoken, late)
    assert found["a"]["lip_score"] == 1 and found["a"]["flickers_per_second"] == 0
    assert found["b"]["lips"]["closed"] == {"hit": 1, "asked": 1}
    assert found["b"]["lips"]["rounded"] == {"hit": 0, "asked": 1}
    assert found["b"]["lip_score"] == pytest.approx(4 / 5, abs=1e-3)
    # wrong: 30 ms of rest, 20 before the vowel, the rounded vowel, the rest after it
    assert found["frame_accuracy"] == pytest.approx(1 - (0.03 + 0.02 + 0.25 + 0.2) / 1.5, abs=1e-3)
    assert found["b"]["changes_per_second"] == pytest.approx(5 / 0.75, abs=1e-3)
    assert found["b"]["flickers_per_second"] == pytest.approx(2 / 0.75, abs=1e-3)
    # A changes at 250, 500, 750 and 1000 ms; B at 280, 480, 490, 500 and 1200
    assert found["boundary_f1_20_ms"] == pytest.approx(2 / 9, abs=1e-3)
    assert found["boundary_f1_40_ms"] == pytest.approx(4 / 9, abs=1e-3)


def test_people_get_a_table(tmp_path, capsys, spoken):
    parser = argparse.ArgumentParser()
    compare_command.add_arguments(parser)
    assert compare_command.run(parser.parse_args([str(spoken), str(spoken)])) == 0
    text = capsys.readouterr().out
    assert "lip score" in text and "1 of 1" in text and "within 40 ms" in text


@pytest.mark.parametrize(
    ("language", "labels", "phones"),
    [
        ("en", "P AA1 sp", "P AA SIL"),
        ("de", "p yː sil ts", "P UW SIL T S"),
        ("de", "!p i: 6 sil", "P IY AH SIL"),
        ("fr", "b ɔ̃ ʒ u ʁ", "B AO ZH UW R"),
    ],
)
def test_phones_are_read_in_many_notations(tmp_path, language, labels, phones):
    path = labelled(tmp_path / "x.TextGrid", *((label, 0.1) for label in labels.split()))
    found, ipa, unknown = compare_command.read_phones(path, language)
    assert " ".join(phone.label for phone in found) == phones
    assert not unknown and (not ipa or len(ipa) == len(found))


def test_hand_labels_score_one(shared, tmp_path, capsys):
    labels = sorted((shared / "speech" / "emu_ae" / "labels").glob("*.tsv"))[0]
    entries = [(label, end - start) for start, end, label in read_label_file(labels)]
    found = compared(capsys, *[labelled(tmp_path / "x.TextGrid", *entries)] * 2)
    assert found["a"]["lip_score"] == found["frame_accuracy"] == 1


def test_what_cannot_be_compared_is_named(tmp_path, capsys, spoken):
    with pytest.raises(BadInput, match="is no file"):
        compared(capsys, spoken, tmp_path / "nothing.tsv")
    other = tmp_path / "other.png"
    other.write_text("x")
    with pytest.raises(BadInput, match="no suffix of a cue file"):
        compared(capsys, spoken, other)
    with pytest.raises(BadLabels, match=r"x\.TextGrid: 0\.000 s: cannot read the phone 'Ω'"):
        compared(capsys, spoken, labelled(tmp_path / "x.TextGrid", ("Ω", 0.1)))
