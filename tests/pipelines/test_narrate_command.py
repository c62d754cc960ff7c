"""`visemill narrate`: folders of recordings made by programs that speak."""

from __future__ import annotations

import csv
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clips import BadInput, EngineMissing
from pipelines.command import main
from pipelines.narrate_command import Program
from pipelines.recordings import read_folder

SPEAKER = """
import sys, pathlib, numpy as np, soundfile
text, wav, pitch = sys.argv[1:4]
calls = pathlib.Path(sys.argv[0]).with_name("calls")
with calls.open("a") as file:
    file.write(f"{pitch} {text}\\n")
if "fail" in text:
    sys.exit("no voice today")
if "nothing" not in text:
    tone = np.sin(np.arange(4000 * len(text.split())) * int(pitch) / 1000)
    soundfile.write(wav, tone * ("silence" not in text), 8000)
"""


@pytest.fixture
def line(tmp_path: Path) -> str:
    """A command line of a program that hums as many half seconds as a text has words."""
    script = tmp_path / "program" / "speak.py"
    script.parent.mkdir()
    script.write_text(SPEAKER)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} {{text}} {{wav}} {{60..90}}"


def narrate(line: str, folder: Path, *more: str, texts: str = "", tmp_path: Path) -> int:
    sentences = tmp_path / "sentences.txt"
    sentences.write_text(texts, "utf-8")
    return main(
        ["narrate", line, "--to", str(folder), "--language", "de", "--licence", "CC0-1.0",
         "--attribution", "a program that hums", "--sentences", str(sentences), *more]
    )  # fmt: skip


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def calls_of(tmp_path: Path) -> list[str]:
    return (tmp_path / "program" / "calls").read_text().splitlines()


def test_the_folder_is_one_of_recordings(line, tmp_path):
    folder = tmp_path / "hums"
    assert (
        narrate(line, folder, "--takes", "2", texts="Guten Tag.\n\nEins.\n", tmp_path=tmp_path) == 0
    )
    rows = rows_of(folder)
    assert [row["text"] for row in rows] == ["Guten Tag."] * 2 + ["Eins."] * 2
    assert soundfile.info(folder / rows[0]["audio"]).duration == 1.0
    utterances = list(read_folder(folder, tmp_path))
    assert {(u.language, u.licence, u.attribution, u.speaker) for u in utterances} == {
        ("de", "CC0-1.0", "a program that hums", "hums")
    }


def test_takes_differ_and_another_run_draws_the_same(line, tmp_path):
    texts = "Guten Tag.\nGuten Abend.\n"
    for name in "ab":
        narrate(line, tmp_path / name, "--takes", "5", texts=texts, tmp_path=tmp_path)
    a, b = calls_of(tmp_path)[:10], calls_of(tmp_path)[10:]
    assert a == b and len(set(a)) > 5
    assert all(60 <= int(call.split()[0]) <= 90 for call in a)


def test_it_goes_on_where_it_was_stopped(line, tmp_path):
    folder, texts = tmp_path / "hums", "Eins.\nZwei.\nDrei.\n"
    narrate(line, folder, texts=texts, tmp_path=tmp_path)
    before = {path.name: path.read_bytes() for path in (folder / "audio").iterdir()}
    lost = folder / rows_of(folder)[1]["audio"]
    lost.unlink()
    (folder / "manifest.tsv").unlink()
    narrate(line, folder, texts=texts, tmp_path=tmp_path)
    assert {path.name: path.read_bytes() for path in (folder / "audio").iterdir()} == before
    assert [call.split(maxsplit=1)[1] for call in calls_of(tmp_path)[3:]] == ["Zwei."]


def test_what_fails_is_named_and_the_rest_is_spoken(line, tmp_path, capsys):
    texts = "Eins.\nHeute fail.\nHeute nothing.\nHeute silence.\nhttps://x.de\n"
    assert narrate(line, tmp_path / "hums", texts=texts, tmp_path=tmp_path) == 0
    said = capsys.readouterr().err
    assert [row["text"] for row in rows_of(tmp_path / "hums")] == ["Eins."]
    for reason in ("no voice today", "no sound file", "it wrote silence", "sentences.txt:5"):
        assert reason in said
    assert len(list((tmp_path / "hums" / "audio").iterdir())) == 1


def test_nothing_spoken_is_an_error(line, tmp_path, capsys):
    texts = "Heute fail.\n"
    assert narrate(line, tmp_path / "hums", "--takes", "9", texts=texts, tmp_path=tmp_path) == 1
    assert "none of 5 texts was spoken" in capsys.readouterr().err
    assert len(calls_of(tmp_path)) == 5
    assert narrate(line, tmp_path / "hums", texts="\n", tmp_path=tmp_path) == 1
    assert "holds no text" in capsys.readouterr().err


def test_no_text_is_a_command(tmp_path):
    """No shell, and a text that looks like a place for something stays a text."""
    text = "Sag 'ja; $(touch x)' {wav} {1..2} `y`"
    found = Program("say --to {wav} <{text}> {text}").arguments(text, Path("/o.wav"), "t", 1)
    assert found == ["say", "--to", "/o.wav", f"<{text}>", text]


def test_a_program_may_read_the_text_from_its_standard_input(tmp_path):
    code = (
        "import sys, shutil\n"
        "assert sys.stdin.buffer.read().decode() == 'Äh.\\n'\n"
        "shutil.copyfile(*sys.argv[1:])"
    )
    soundfile.write(tmp_path / "a.wav", np.ones(800), 8000)
    line = shlex.join([sys.executable, "-c", code, str(tmp_path / "a.wav"), "{wav}"])
    Program(line).speak("Äh.", tmp_path / "b.wav", "t", 1)
    assert soundfile.info(tmp_path / "b.wav").frames == 800


@pytest.mark.parametrize(
    "line, wrong",
    [
        ("", "is empty"),
        ("say 'x", "quotes that do not close"),
        ("say {text}", "{wav}"),
        ("{text} {wav}", "a text for a program"),
        ("say {text} {wav} {9..3}", "end is below its start"),
    ],
)
def test_bad_commands_are_named(line, wrong):
    with pytest.raises(BadInput) as error:
        Program(line)
    assert wrong in error.value.what


def test_a_missing_program_is_named(tmp_path):
    with pytest.raises(EngineMissing, match="no-such-program"):
        Program("no-such-program {text} {wav}").speak("Eins.", tmp_path / "x.wav", "t", 1)


def test_a_folder_belongs_to_one_command(line, tmp_path, capsys):
    folder = tmp_path / "hums"
    narrate(line, folder, texts="Eins.\n", tmp_path=tmp_path)
    assert narrate(f"{line} more", folder, texts="Eins.\n", tmp_path=tmp_path) == 1
    assert "another command" in capsys.readouterr().err
    other = tmp_path / "mine"
    other.mkdir()
    (other / "notes.txt").write_text("keep me")
    assert narrate(line, other, texts="Eins.\n", tmp_path=tmp_path) == 1
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
def test_a_real_voice_speaks_the_project_s_sentences(tmp_path):
    folder = tmp_path / "rms"
    done = main(
        ["narrate", "flite -voice rms -t {text} -o {wav}", "--to", str(folder), "--language", "nl",
         "--licence", "CC0-1.0", "--attribution", "flite"]
    )  # fmt: skip
    rows = rows_of(folder)
    assert done == 0 and len(rows) >= 20
    audio, rate = soundfile.read(folder / rows[0]["audio"])
    assert rate == 16000 and np.abs(audio).max() > 0.1
