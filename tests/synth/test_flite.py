"""flite: what it prints, and where its closures lie."""

from __future__ import annotations

import numpy as np
import pytest

from clips import SILENCE, BadText, EngineFailed, draw_stream
from synth import Prompt, find_engine
from synth.flite import _read_phones
from tests.synth.conformance import EngineConformance

ENGINE = find_engine("flite")
needs_flite = pytest.mark.skipif(
    ENGINE.version() is None, reason=f"flite is not installed: {ENGINE.install_line}"
)


def test_phones_are_mapped_and_the_last_pause_is_cut_to_the_sound():
    printed = "pau:0.100 hh:0.150 ax:0.200 el:0.300 dx:0.350 axr:0.400 pau:0.700 \n"
    phones = _read_phones(printed, 8000, "x")
    assert [p.label for p in phones] == [SILENCE, "HH", "AH", "L", "D", "ER", SILENCE]
    assert phones[1].start == 1600 and phones[-1].end == 8000


def test_an_unknown_phone_and_silence_are_errors():
    with pytest.raises(EngineFailed, match="qq"):
        _read_phones("pau:0.1 qq:0.2", 8000, "x")
    with pytest.raises(EngineFailed, match="nothing"):
        _read_phones("pau:0.1 ", 8000, "x")


def test_an_engine_that_is_not_installed_says_so(monkeypatch):
    from clips import EngineMissing
    from synth import flite

    monkeypatch.setenv("PATH", "")
    flite._version.cache_clear()
    try:
        assert ENGINE.version() is None
        voice = ENGINE.voices("en")[0]
        params = ENGINE.draw(draw_stream(1, "s", "x"), Prompt("p", "Hello."), voice)
        with pytest.raises(EngineMissing, match="apt-get install flite"):
            ENGINE.speak(Prompt("p", "Hello."), voice, params, "x")
    finally:
        flite._version.cache_clear()


@needs_flite
def test_letters_that_flite_leaves_out_are_refused():
    voice = ENGINE.voices("en")[0]
    params = ENGINE.draw(draw_stream(1, "s", "x"), Prompt("p", "a"), voice)
    with pytest.raises(BadText, match="é"):
        ENGINE.speak(Prompt("p", "The café is open."), voice, params, "x")


@needs_flite
def test_stops_include_their_closure_already():
    inside, before = [], []
    for voice in ENGINE.voices("en"):
        prompt = Prompt("p", "Happy people keep a big copper kettle open, and pick up the paper.")
        params = ENGINE.draw(draw_stream(1, "s", voice.name), prompt, voice)
        clip = ENGINE.speak(prompt, voice, params, "x")
        top = np.max(np.convolve(clip.audio.astype(float) ** 2, np.ones(32) / 32, "same"))
        for last, phone in zip(clip.phones, clip.phones[1:]):
            if phone.label in {*"PTK"} and last.label != SILENCE:
                for place, found in ((phone.start + 480, inside), (phone.start - 320, before)):
                    power = np.mean(clip.audio[place - 80 : place + 80].astype(float) ** 2)
                    found.append(10 * np.log10(power / top + 1e-12))
    assert np.median(inside) < np.median(before) - 20


@needs_flite
def test_stretch_and_pitch_are_obeyed():
    from synth.flite import FliteParams

    voice = ENGINE.voices("en")[0]
    prompt = Prompt("p", "Many men move among them.")
    lengths, tones = [], []
    for stretch, mean in ((0.85, 140.0), (1.2, 200.0)):
        clip = ENGINE.speak(prompt, voice, FliteParams(stretch, mean, 5.0, 1600, 1600), "x")
        lengths.append(len(clip) - 3200)
        spectrum = np.abs(np.fft.rfft(clip.audio)) ** 2
        hertz = np.fft.rfftfreq(len(clip), 1 / 16000)
        low = (hertz > 90) & (hertz < 260)
        tones.append(float(np.average(hertz[low], weights=spectrum[low])))
    assert lengths[1] / lengths[0] == pytest.approx(1.2 / 0.85, rel=0.05)
    assert tones[0] == pytest.approx(140, rel=0.1) and tones[1] == pytest.approx(200, rel=0.1)


class TestFlite(EngineConformance):
    name = "flite"
