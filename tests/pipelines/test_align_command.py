from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align import AlignmentLimits, find_aligner
from clips import BadInput, BadManifest, VisemillError, read_audio, read_textgrid
from pipelines import align_command
from pipelines.align import judge
from tests.align.test_mfa import program  # noqa: F401

RATE = 16_000
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_worker_without_a_model(monkeypatch, tmp_path):
    """In a folder where `make repro` has not trained the aligner `neural`: by pocketsphinx."""
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def spoken(shared: Path) -> list[tuple[Path, str]]:
    """Three sentences of a real speaker: file and text."""
    folder = shared / "speech" / "emu_ae"
    with open(folder / "manifest.tsv", encoding="utf-8") as file:
        return [(folder / r["audio"], r["text"]) for r in csv.DictReader(file, delimiter="\t")]


class Folder:
    """A folder of recordings that grows row by row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = ["utt\tspeaker\taudio\ttext"]
        path.mkdir()

    def add(self, utt: str, audio: Path | np.ndarray | str, text: str, speaker: str = "s") -> None:
        """A row; `audio` is copied or written, or just a name."""
        name = audio if isinstance(audio, str) else f"{len(self.lines)}.wav"
        if isinstance(audio, Path):
            audio = read_audio(audio)
        if not isinstance(audio, str):
            soundfile.write(self.path / name, audio, RATE)
        self.lines.append(f"{utt}\t{speaker}\t{name}\t{text}")

    def align(self, out: Path, *more: str) -> int:
        """Writes the manifest and runs the command."""
        (self.path / "manifest.tsv").write_text("\n".join(self.lines) + "\n", "utf-8")
        return command(self.path, out, *more)


def command(folder: Path, out: Path, *more: str) -> int:
    """Runs the command as `visemill align` does."""
    parser = ArgumentParser()
    align_command.add_arguments(parser)
    return align_command.run(parser.parse_args([str(folder), "-o", str(out), *more]))


def table(out: Path) -> dict[str, dict[str, str]]:
    """The rows of the table by utt."""
    with open(out / "confidences.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {row["utt"]: row for row in rows}


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path / "in")


def test_a_textgrid_for_each_and_a_table(folder, spoken, tmp_path, capsys):
    for number, (audio, text) in enumerate(spoken):
        folder.add(f"u{number}", audio, text)
    out = tmp_path / "out"
    assert folder.align(out) == 0
    assert sorted(content(out)) == ["confidences.tsv", "u0.TextGrid", "u1.TextGrid", "u2.TextGrid"]
    for number, (audio, text) in enumerate(spoken):
        length = len(read_audio(audio))
        tiers = read_textgrid(out / f"u{number}.TextGrid", length)
        assert list(tiers) == ["words", "phones"]
        assert [word.label for word in tiers["words"]] == text.split()
        assert tiers["phones"][0].start == 0 and tiers["phones"][-1].end == length
        row = table(out)[f"u{number}"]
        assert (row["status"], row["reason"], row["speaker"]) == ("aligned", "", "s")
        assert float(row["confidence"]) > 0.65
        assert float(row["seconds"]) == pytest.approx(length / RATE, abs=1e-3)
        worst = float(row["worst_start"]) * RATE
        assert row["worst_phone"] in [p.label for p in tiers["phones"] if abs(p.start - worst) < 2]
    said = capsys.readouterr().out
    assert "3 of 3 recordings aligned" in said and "fit badly" not in said


def test_what_cannot_be_aligned_has_a_reason_and_the_rest_goes_on(folder, spoken, tmp_path, capsys):
    audio, text = read_audio(spoken[0][0]), spoken[0][1]
    rng = np.random.default_rng(0)
    seconds = np.arange(3 * RATE) / RATE
    music = sum(np.sin(2 * np.pi * f * seconds) for f in (220, 277, 330)) * 0.2
    folder.add("good", audio, text, "a")
    folder.add("missing", "nowhere.wav", text)
    folder.add("wrong", audio, spoken[1][1], "b")
    folder.add("music", music, text, "c")
    folder.add("noise", rng.normal(0, 0.1, 2 * RATE), text, "d")
    folder.add("silence", np.zeros(2 * RATE), text, "e")
    folder.add("hiss", rng.normal(0, 1e-4, 2 * RATE), text, "f")
    folder.add("short", audio[:1600], text, "g")
    folder.add("empty", np.zeros(0), text, "g")
    folder.add("nothing", audio, "", "h")
    folder.add("digits", audio, "it is 3.5 at 10:30", "h")
    folder.add("script", audio, "これは日本語です", "h")
    folder.add("signs", audio, "... !!! ???", "h")
    folder.add("good", audio, text, "h")
    folder.add("../escape", audio, text, "h")
    folder.add("a/b", audio, text, "h")
    folder.add("", audio, text, "h")
    folder.add("x" * 300, audio, text, "h")
    folder.add("outside", "../secret.wav", text, "h")
    folder.add("text", "manifest.tsv", text, "h")
    folder.add("clipped", np.clip(audio * 30, -1, 1), text, "i")
    folder.add("number", audio, f"{text} 42", "j")
    folder.lines.append("toomany\ts\t1.wav\ttext\tand\tmore")
    folder.lines.append("toofew")
    out = tmp_path / "out"
    assert folder.align(out) == 0
    with open(out / "confidences.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) == len(folder.lines) - 1
    for row in rows:
        assert row["status"] == ("rejected" if row["reason"] else "aligned")
        assert row["status"] != "rejected" or row["detail"]
    rows = [row for row in rows if row["status"] == "rejected"]
    assert [row["reason"] for row in rows if row["utt"] == "good"] == [
        next(row["reason"] for row in rows if "the same utt" in row["reason"])
    ]
    reasons = {row["utt"]: row["reason"] for row in rows}
    for utt, reason in {
        "missing": "the file is missing", "wrong": "fit", "music": "", "noise": "", "hiss": "",
        "silence": "only silence", "short": "", "empty": "no samples", "nothing": "no text",
        "digits": "digits", "script": "letters that English does not use", "signs": "no words",
        "../escape": "name of a file", "a/b": "name of a file", "x" * 300: "name of a file",
        "outside": "out of its folder", "text": "cannot be read as audio",
        "toomany": "more cells", "toofew": "",
    }.items():  # fmt: skip
        assert reason in reasons[utt], (utt, reasons[utt])
    written = {path.stem for path in out.glob("*.TextGrid")}
    assert "good" in written and written <= {"good", "clipped", "number"}
    assert not list(tmp_path.glob("*.TextGrid"))
    said = capsys.readouterr().out
    assert "rejected; " in said and "the file is missing" in said


def test_a_recording_of_three_hours_is_refused(folder, spoken, tmp_path):
    path = folder.path / "long.wav"
    soundfile.write(path, np.zeros(RATE, np.float32), RATE)
    data = bytearray(path.read_bytes()[:44])
    data[4:8] = (36 + 3 * 3600 * RATE * 2).to_bytes(4, "little")
    data[40:44] = (3 * 3600 * RATE * 2).to_bytes(4, "little")
    path.write_bytes(data)
    os.truncate(path, 44 + 3 * 3600 * RATE * 2)  # a file with a hole: no room on the disk
    folder.add("long", "long.wav", "hello")
    assert folder.align(tmp_path / "out") == 1
    row = table(tmp_path / "out")["long"]
    assert row["reason"] == "longer than 60 s" and "10800 s" in row["detail"]


def test_the_language_is_the_one_of_the_command_else_of_the_manifest(folder, spoken, tmp_path):
    audio, text = spoken[0]
    folder.lines[0] += "\tlanguage"
    folder.add("english", audio, text)
    folder.add("german", audio, f"{text}\tde")
    folder.align(tmp_path / "a")
    assert "language 'de'" in table(tmp_path / "a")["german"]["reason"]
    assert table(tmp_path / "a")["english"]["status"] == "aligned"
    folder.align(tmp_path / "b", "--language", "en")
    assert {row["status"] for row in table(tmp_path / "b").values()} == {"aligned"}
    assert folder.align(tmp_path / "c", "--language", "de") == 1
    assert not list((tmp_path / "c").glob("*.TextGrid"))


def test_german_that_is_called_english_is_suspected(folder, shared, tmp_path, capsys):
    source = shared / "speech" / "emodb"
    with open(source / "manifest.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))[::25]
    for row in rows:
        folder.add(row["utt"], source / row["audio"], row["text"], row["speaker"])
    folder.align(tmp_path / "out", "--language", "en")
    assert "is their language en?" in capsys.readouterr().out


def test_the_bytes_do_not_depend_on_the_number_of_workers(folder, spoken, tmp_path, monkeypatch):
    for number in range(9):
        audio, text = spoken[number % 3]
        folder.add(f"u{number}", audio, text, f"s{number % 2}")
    folder.add("bad", "nowhere.wav", "text")
    folder.align(tmp_path / "one")
    monkeypatch.setenv("VISEMILL_WORKERS", "2")
    folder.align(tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


@pytest.mark.parametrize("bad", ["u\ts\t1.wav\t3.5", "u\ts\t../1.wav\ttext"])
def test_a_second_run_writes_over_the_first(folder, spoken, tmp_path, bad):
    folder.add("u", *spoken[0])
    folder.add("v", *spoken[1])
    out = tmp_path / "out"
    folder.align(out)
    before = content(out)
    folder.align(out)
    assert content(out) == before
    folder.lines[1] = bad
    folder.align(out)
    assert [path.name for path in out.glob("*.TextGrid")] == ["v.TextGrid"]


def test_a_row_with_a_fault_does_not_take_the_name_of_a_good_one(folder, spoken, tmp_path):
    folder.add("u", "../outside.wav", "text")
    folder.add("u", *spoken[0])
    folder.add("u", *spoken[1])
    out = tmp_path / "out"
    folder.align(out)
    length = len(read_audio(spoken[0][0]))
    words = read_textgrid(out / "u.TextGrid", length)["words"]
    assert " ".join(word.label for word in words) == spoken[0][1]


def test_a_folder_with_someone_elses_textgrids_is_left_alone(folder, spoken, tmp_path):
    folder.add("u", *spoken[0])
    (folder.path / "u.TextGrid").write_text("made by hand")
    with pytest.raises(BadInput, match="did not write"):
        folder.align(folder.path)
    assert (folder.path / "u.TextGrid").read_text() == "made by hand"


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "neither manifest.tsv"),
        ("", "has no column utt, speaker, audio, text"),
        ("utt\tspeaker\taudio\n", "has no column text"),
        ("utt\tspeaker\taudio\ttext\n", "holds no recordings"),
        (b"\xff\xfe\x00", "has no column utt"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_clear_error(tmp_path, manifest, message):
    (tmp_path / "in").mkdir()
    if manifest is not None:
        data = manifest if isinstance(manifest, bytes) else manifest.encode()
        (tmp_path / "in" / "manifest.tsv").write_bytes(data)
    with pytest.raises(BadManifest, match=message):
        command(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_aligner_and_an_output_that_is_a_file_are_named(folder, tmp_path):
    folder.add("u", "x.wav", "text")
    with pytest.raises(VisemillError, match="no aligner 'nothing'"):
        folder.align(tmp_path / "out", "--aligner", "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        folder.align(tmp_path / "file")


def test_ctrl_c_leaves_whole_files_and_a_table_of_what_was_done(folder, spoken, tmp_path):
    for number in range(100):
        audio, text = spoken[number % 3]
        if number < 3:
            folder.add(f"u{number}", audio, text, f"s{number}")
        else:
            folder.lines.append(f"u{number}\ts{number}\t{number % 3 + 1}.wav\t{text}")
    (folder.path / "manifest.tsv").write_text("\n".join(folder.lines) + "\n", "utf-8")
    out = tmp_path / "out"
    code = (
        "import sys; from tests.pipelines.test_align_command import command;"
        "from pathlib import Path; sys.exit(command(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path), str(out)],
        cwd=ROOT,
        env={**os.environ, "VISEMILL_WORKERS": "2"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Who runs the tests in the background of a script has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("*.TextGrid")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130, error
    assert "stopped: " in error and "Traceback" not in error
    names = [path.name for path in out.iterdir()]
    assert all(name.endswith(".TextGrid") or name == "confidences.tsv" for name in names)
    done = table(out)
    assert 0 < len(done) < 100
    assert {f"{utt}.TextGrid" for utt, row in done.items() if row["status"] == "aligned"} == {
        name for name in names if name.endswith(".TextGrid")
    }
    for path in out.glob("*.TextGrid"):
        assert read_textgrid(path)["phones"]


def test_a_speakers_own_clips_decide_and_the_last_one_counts():
    scores = {
        "align_match": 1.0, "align_rate": 10.0, "align_short_share": 0.0, "align_vowel": 0.1,
        "align_silence_db": -30.0, "align_leftover": 0.0, "align_outside_share": 0.0,
    }  # fmt: skip
    odd = {**scores, "align_match": 0.4}
    alone = list(judge([("s", odd)], AlignmentLimits()))
    among = list(
        judge([("s", scores), ("s", scores), ("s", scores), ("s", odd)], AlignmentLimits())
    )
    assert alone == [None]
    assert "does not fit" in among[3] and not any(among[:3])


def test_fake_mfa_aligns_a_folder_at_once(folder, spoken, tmp_path, program):  # noqa: F811
    folder.add("a", spoken[0][0], "my father")
    folder.add("b", "nowhere.wav", "my father")
    folder.add("c", spoken[1][0], "bring zzz")
    folder.add("d", spoken[2][0], "bring", speaker="t")
    (folder.path / "manifest.tsv").write_text("\n".join(folder.lines) + "\n", "utf-8")
    rows = align_command.plan(folder.path, None)
    told: list[str] = []
    aligner = find_aligner("mfa", hear=lambda clip: [], say=told.append)
    found = {o.row.utt: o for o in align_command.align_rows("mfa", aligner, rows)}
    assert told.count("Setting up corpus information...") == 1
    assert "missing" in found["b"].reason and "mfa found no path" in found["c"].reason
    assert [word.label for word in found["a"].words] == ["my", "father"]
    assert found["d"].reason.startswith("the sound does not fit the text")  # nothing was heard
