from __future__ import annotations

import re
from pathlib import Path

import pytest

from clips import BadManifest
from pipelines.recordings import read_folder

HEADER = "utt\tspeaker\taudio\ttext\tlicence\n"


def folder(tmp_path: Path, manifest: str, **files: str) -> Path:
    """A folder `mine` with a manifest and other files."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "manifest.tsv").write_text(manifest, encoding="utf-8")
    for name, text in files.items():
        (mine / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return mine


def test_rows_of_a_manifest_become_recordings(tmp_path):
    mine = folder(tmp_path, HEADER + "a\tann\tx/a.wav\tHello there.\tCC0-1.0\n\n")
    (row,) = read_folder(mine, tmp_path)
    assert (row.utt, row.speaker, row.text, row.licence) == ("a", "ann", "Hello there.", "CC0-1.0")
    assert row.audio == mine / "x/a.wav"
    assert row.where.endswith("manifest.tsv:2")
    assert (row.corpus, row.language) == ("mine", "en")


def test_terms_come_from_the_folder_else_from_the_corpora(tmp_path):
    text = "utt\tspeaker\taudio\ttext\na\tb\ta.wav\thi\n"
    mine = folder(tmp_path, text)
    (tmp_path / "mine.yaml").write_text("licence: MIT\nattribution: us\nlanguage: de\n")
    (row,) = read_folder(mine, tmp_path)
    assert (row.licence, row.attribution, row.language) == ("MIT", "us", "de")
    (mine / "corpus.yaml").write_text("licence: CC-BY-4.0\n")
    (row,) = read_folder(mine, tmp_path)
    assert (row.licence, row.language) == ("CC-BY-4.0", "en")


def test_librispeech_transcripts_are_read(tmp_path):
    mine = tmp_path / "LibriSpeech" / "61" / "70968"
    mine.mkdir(parents=True)
    (mine / "61-70968.trans.txt").write_text("61-70968-0000 HE BEGAN\n61-70968-0001 AND SO ON\n")
    (mine / "61-70968-0000.flac").write_bytes(b"")
    rows = list(read_folder(tmp_path / "LibriSpeech", tmp_path))
    assert [(r.utt, r.speaker, r.text) for r in rows] == [
        ("61-70968-0000", "61", "HE BEGAN"),
        ("61-70968-0001", "61", "AND SO ON"),
    ]
    assert rows[0].audio == mine / "61-70968-0000.flac"


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("utt\tspeaker\taudio\na\tb\tc\n", r"manifest\.tsv:1: has no column text"),
        ("", "has no column utt, speaker, audio, text"),
    ],
)
def test_a_faulty_manifest_is_named_with_its_line(tmp_path, manifest, message):
    with pytest.raises(BadManifest, match=message):
        list(read_folder(folder(tmp_path, manifest), tmp_path))


def test_a_folder_without_recordings_says_what_to_write(tmp_path):
    with pytest.raises(BadManifest, match=r"neither manifest\.tsv nor"):
        list(read_folder(tmp_path, tmp_path))
    with pytest.raises(BadManifest, match="not a folder"):
        list(read_folder(tmp_path / "nowhere", tmp_path))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a\tb\t/etc/passwd\thi\tX", r"manifest\.tsv:3: a path leads out of its folder.*passwd"),
        ("a\tb\t../../x.wav\thi\tX", r"manifest\.tsv:3: a path leads out"),
        ("a\tb\t\thi\tX", r"manifest\.tsv:3: a path is empty"),
        ("a\tb\tc.wav\thi\tX\tmore", r"manifest\.tsv:3: a row has more cells"),
    ],
)
def test_a_faulty_row_is_named_and_the_others_go_on(tmp_path, row, message):
    good = "g{}\tb\tg.wav\thi\tX"
    mine = folder(tmp_path, HEADER + "\n".join([good.format(1), row, good.format(2)]) + "\n")
    first, faulty, last = read_folder(mine, tmp_path)
    assert (first.fault, last.fault, last.utt) == ("", "", "g2")
    assert faulty.fault
    assert re.search(message, faulty.where)


def test_only_line_feeds_end_a_line(tmp_path):
    text = "one\u2028two\x0bthree\x85four"
    mine = folder(tmp_path, HEADER + f"a\tb\tc.wav\t{text}\tX\r\n")
    (row,) = read_folder(mine, tmp_path)
    assert (row.text, row.licence) == (text, "X")
