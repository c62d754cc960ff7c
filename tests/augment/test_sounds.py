"""A user's folder of noises and impulse responses: transforms background and response."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from augment import find_transform
from augment.background import BackgroundParams
from augment.loudness import active_power
from augment.response import ResponseParams
from augment.sounds import SoundFolder
from clips import BadInput, BadParams

RNG = np.random.default_rng(0)


def write(path: Path, sound: np.ndarray, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, subtype="PCM_24" if path.suffix == ".wav" else None)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "corpus.yaml").write_text("licence: CC-BY-4.0\nattribution: Ann\n")
    write(tmp_path / "street.wav", RNG.normal(0, 0.1, (44100, 2)), 44100)
    write(tmp_path / "home" / "fan.flac", RNG.normal(0, 0.1, 8000), 8000)
    (tmp_path / "home" / "corpus.yaml").write_text("licence: CC0-1.0\n")
    (tmp_path / "notes.txt").write_text("no sound")
    return tmp_path


def test_files_of_any_rate_and_the_nearest_licence(folder):
    sounds = SoundFolder(folder)
    assert sounds.names == ["home/fan.flac", "street.wav"]
    assert len(sounds.read("street.wav").audio) == 16000
    assert len(sounds.read("home/fan.flac").audio) == 16000
    assert sounds.read("street.wav").licence == "CC-BY-4.0"
    assert sounds.read("home/fan.flac").licence == "CC0-1.0"
    assert {path.name for path in sounds.paths()} == {"street.wav", "fan.flac", "corpus.yaml"}


def test_background_keeps_the_ratio_and_brings_its_credit(folder, bursts):
    transform = find_transform("background", {"folder": str(folder), "snr_db": [6, 6]})
    quiet = bursts.with_(audio=bursts.audio / 4, attribution="Bob")
    params = BackgroundParams("street.wav", SoundFolder(folder).read("street.wav").digest, 15000, 6)
    child = transform.apply(quiet, params)
    added = child.audio.astype(np.float64) - quiet.audio
    assert 10 * np.log10(active_power(quiet) / np.mean(added**2)) == pytest.approx(6, abs=0.15)
    assert np.allclose(added[:1000], added[16000:17000], atol=1e-4)  # it goes round
    assert (child.licence, child.attribution) == ("CC-BY-4.0 AND CC0-1.0", "Bob; Ann")
    assert child.phones == bursts.phones
    assert transform.apply(quiet, transform.read(child.ops[-1])) == child
    drawn = {transform.draw(np.random.default_rng(n), quiet).file for n in range(20)}
    assert drawn == {"street.wav", "home/fan.flac"}


@pytest.mark.parametrize("delay", [0, 1, 700])
def test_the_delay_of_a_response_is_taken_off(tmp_path, delay, bursts):
    (tmp_path / "corpus.yaml").write_text("licence: MIT\nattribution: Cara\n")
    write(tmp_path / "only.wav", np.pad([-0.5], (delay, 300)))
    transform = find_transform("response", {"folder": str(tmp_path)})
    child = transform.apply(bursts, transform.draw(np.random.default_rng(0), bursts))
    assert np.allclose(child.audio, -bursts.audio, atol=2 / 32768)
    assert (child.licence, child.attribution) == ("CC0-1.0 AND MIT", "Cara")
    assert child.phones == bursts.phones


def test_what_follows_the_main_peak_sounds_later(tmp_path, bursts):
    (tmp_path / "corpus.yaml").write_text("licence: MIT\n")
    echo = np.zeros(4000)
    echo[[50, 60, 3060]] = 0.1, 0.8, 0.4
    write(tmp_path / "echo.wav", echo)
    transform = find_transform("response", {"folder": str(tmp_path)})
    click = bursts.with_(audio=np.eye(1, len(bursts), 5000, dtype=np.float32)[0] / 2)
    sound = transform.apply(click, transform.draw(np.random.default_rng(0), click)).audio
    assert np.flatnonzero(np.abs(sound) > 0.01).tolist() == [4990, 5000, 8000]


def test_a_changed_or_missing_file_cannot_pass_for_the_old_one(folder, bursts):
    transform = find_transform("background", {"folder": str(folder)})
    with pytest.raises(BadInput, match="not the one"):
        transform.apply(bursts, BackgroundParams("street.wav", "0" * 16, 0, 3.0))
    with pytest.raises(BadInput, match="no sound 'gone"):
        transform.apply(bursts, BackgroundParams("gone.wav", "0" * 16, 0, 3.0))


@pytest.mark.parametrize("said", [None, "attribution: Ann\n", "- a\n", "licence: [\n"])
def test_a_sound_without_a_licence_is_refused(tmp_path, said):
    write(tmp_path / "a.wav", np.zeros(800))
    if said:
        (tmp_path / "corpus.yaml").write_text(said)
    with pytest.raises(BadParams, match="licence"):
        SoundFolder(tmp_path).read("a.wav")


def test_an_empty_folder_says_so(tmp_path, bursts):
    for name in ("background", "response"):
        transform = find_transform(name, {"folder": str(tmp_path / "none")})
        with pytest.raises(BadInput, match="no wav or flac"):
            transform.draw(np.random.default_rng(0), bursts)


def test_parameters_without_a_digest_are_refused():
    with pytest.raises(BadParams, match="digest"):
        ResponseParams("a.wav", "")
