"""Debian's packages as corpora: real packages, built here, laid out as those that are known."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clips import BadInput, EngineFailed, EngineMissing
from pipelines import packages
from pipelines.corpora import read_corpus
from pipelines.corpora_command import add_arguments, run
from pipelines.packages import fetch_packages, unpack_package
from pipelines.recordings import read_folder
from tests.pipelines import test_queen_file

CORPORA = Path(__file__).parents[2] / "datasets" / "corpora"
PROMPTS = (
    "; Core sounds\n\nhello: Hello there.\nbeep: [a tone]\ndigits/1: one\nunread: not recorded\n"
)

needs_dpkg = pytest.mark.skipif(
    not shutil.which("dpkg-deb"), reason="needs dpkg-deb, which Debian and Ubuntu have"
)


def build(folder: Path, name: str, files: dict[str, bytes], link: str = "") -> Path:
    """A package that would install these files, and perhaps a link out of its folder."""
    root = folder / name
    for path, data in {**files, "usr/share/doc/readme": b"x"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    if link:
        (root / link).symlink_to("/etc/passwd")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: me <me@example.org>\n"
        "Description: for a test\n"
    )
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", root, folder / f"{name}_1.0_all.deb"],
        check=True,
        capture_output=True,
    )
    return folder / f"{name}_1.0_all.deb"


def telephone(path: Path, seconds: float = 1.0) -> bytes:
    """G.722 of a tone of 440 Hz."""
    import imageio_ffmpeg

    sound = path.with_suffix(".wav")
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(16_000 * seconds)) / 16_000)
    soundfile.write(sound, tone, 16_000)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", sound, "-f", "g722", path]
    subprocess.run(list(map(str, command)), check=True)
    return path.read_bytes()


@pytest.fixture
def prompts(tmp_path, monkeypatch) -> Path:
    """The two packages of a corpus of prompts, where apt-get would have put them."""
    sounds = "usr/share/asterisk/sounds/en_US_f_Allison"
    there = tmp_path / "there"
    there.mkdir()
    data = telephone(tmp_path / "tone.g722")
    build(
        there, "asterisk-core-sounds-en",
        {"usr/share/doc/a/core-sounds-en.txt.gz": gzip.compress(PROMPTS.encode())},
        link="usr/share/doc/passwords",
    )  # fmt: skip
    build(
        there, "asterisk-core-sounds-en-g722",
        {f"{sounds}/{name}.g722": data for name in ("hello", "beep", "digits/1", "unsaid")},
    )  # fmt: skip
    # apt-get needs a network; what it does is to copy a file
    monkeypatch.setattr(
        packages, "_fetch", lambda name, to: Path(shutil.copy(there / f"{name}_1.0_all.deb", to))
    )
    return there


@needs_dpkg
def test_prompts_become_recordings_with_text_licence_and_sound(prompts, tmp_path):
    corpus = read_corpus(CORPORA / "asterisk_en.yaml")
    found = fetch_packages(corpus, tmp_path / "asterisk_en")
    assert list(found) == list(corpus.packages)
    assert all("_1.0_all.deb sha256:" in said for said in found.values())
    rows = list(read_folder(tmp_path / "asterisk_en", CORPORA))
    said = {row.utt: (row.text, row.speaker, row.language, row.licence) for row in rows}
    about = ("Allison", "en", "CC-BY-SA-3.0")
    assert said == {"hello": ("Hello there.", *about), "digits/1": ("one", *about)}
    sound, rate = soundfile.read(rows[0].audio)
    assert rate == 16_000 and abs(len(sound) - 16_000) < 200
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(spectrum.argmax() * rate / len(sound) - 440) < 3
    names = {path.name for path in (tmp_path / "asterisk_en").rglob("*")}
    assert not names & {"passwords", "hello.g722"}


@needs_dpkg
def test_the_command_gets_it_once_and_describes_the_folder(prompts, tmp_path, capsys):
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["get", "asterisk_en", "--to", str(tmp_path / "data")]
    assert run(parser.parse_args(words)) == 0
    folder = tmp_path / "data" / "asterisk_en"
    about = read_corpus(folder / "corpus.yaml")
    assert about.licence == "CC-BY-SA-3.0" and about.layout.reader == "matches"
    assert len(list(read_folder(folder, tmp_path / "no corpora"))) == 2, "it needs nothing else"
    shutil.rmtree(prompts)
    assert run(parser.parse_args(words)) == 0 and "there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["asterisk_en"]
    with pytest.raises(BadInput, match="packages, not archives"):
        run(parser.parse_args([*words[:2], "one", *words[2:]]))


@needs_dpkg
def test_the_texts_of_games_stamps_and_letters_are_read(tmp_path):
    scripts = "usr/share/games/fillets-ng/script/cave"
    sounds = "usr/share/games/fillets-ng/sound/cave/cs"
    dialogs = (
        'dialogId("cav-m-one", "font_small", "Hello")\ndialogStr("Ahoj ty.")\n\n'
        'dialogId("cav-v-two", "font_big", "Never recorded")\ndialogStr("Nikdy.")\n'
    )
    parts = {
        "fillets-ng-data": {f"{scripts}/dialogs_cs.lua": dialogs.encode()},
        "fillets-ng-data-cs": {f"{sounds}/cav-m-one.ogg": b"sound"},
    }
    stamps = "usr/share/tuxpaint/stamps/fruit"
    parts["tuxpaint-stamps-default"] = {
        f"{stamps}/pear.txt": "A pear.\nda.utf8=En pære.\nde.utf8=Eine Birne.\n".encode(),
        f"{stamps}/pear_desc_da.ogg": b"sound",
    }
    letters = "usr/share/klettres/pt_BR"
    parts["klettres-data"] = {
        f"{letters}/sounds.xml": (
            '<sound name="BÃO" file="pt_BR/syllab/bao.ogg" />\n'
            '<sound name="B" file="pt_BR/alpha/b.ogg" />\n'
        ).encode(),
        f"{letters}/syllab/bao.ogg": b"sound",
    }
    corpora = {"tuxpaint-stamps-default": "tuxpaint", "klettres-data": "klettres"}
    for name, files in parts.items():
        corpus = corpora.get(name, "fillets_cs")
        unpack_package(build(tmp_path, name, files), made(tmp_path / corpus) / name)
    (one,) = read_folder(tmp_path / "fillets_cs", CORPORA)
    assert (one.utt, one.speaker, one.text, one.language) == (
        "cave-cav-m-one",
        "small",
        "Ahoj ty.",
        "cs",
    )
    (one,) = read_folder(tmp_path / "tuxpaint", CORPORA)
    assert (one.utt, one.text, one.language, one.audio.read_bytes()) == (
        "pear-da", "En pære.", "da", b"sound",
    )  # fmt: skip
    (one,) = read_folder(tmp_path / "klettres", CORPORA)
    assert (one.utt, one.speaker, one.text, one.language) == (
        "pt_BR-syllab-bao", "pt_BR", "BÃO", "pt",
    )  # fmt: skip


@needs_dpkg
def test_a_games_one_file_is_unpacked_into_recordings(prompts, tmp_path):
    corpus = read_corpus(CORPORA / "amazon_queen.yaml")
    (package,) = corpus.packages
    files = {"usr/share/scummvm/flight-of-the-amazon-queen/queen.1c": test_queen_file.WHOLE}
    build(prompts, package, files)
    folder = tmp_path / "amazon_queen"
    fetch_packages(corpus, folder)
    rows = {row.utt: row for row in read_folder(folder, CORPORA)}
    assert len(rows) == 13 and not any(row.fault for row in rows.values())
    bob = rows["07001fp2"]
    assert (bob.speaker, bob.text, bob.language) == ("Bob", "What do you want?", "en")
    assert bob.audio.read_bytes() == test_queen_file.SOUND
    assert bob.licence == "LicenseRef-Flight-of-the-Amazon-Queen" and "Passfield" in bob.attribution
    assert not list(folder.rglob("*.1c"))


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@needs_dpkg
def test_what_is_no_package_is_refused_and_leaves_nothing(prompts, tmp_path):
    (prompts / "asterisk-core-sounds-en-g722_1.0_all.deb").write_bytes(b"half a package")
    with pytest.raises(EngineFailed, match="dpkg-deb failed"):
        fetch_packages(read_corpus(CORPORA / "asterisk_en.yaml"), tmp_path / "data" / "x")
    assert not list((tmp_path / "data").iterdir())


def test_a_system_without_packages_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing, match="no apt-get"):
        fetch_packages(read_corpus(CORPORA / "tuxpaint.yaml"), tmp_path / "data" / "tuxpaint")
