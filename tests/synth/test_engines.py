"""How engines are found, and what they share."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

import synth
from clips import RATE, SILENCE, BadParams, Segment, draw_stream
from synth import Prompt, find_engine
from synth.engine import frame_speech


def test_an_unknown_engine_is_named_in_the_error():
    for name in ("marytts", "engine", "../x", "os"):
        with pytest.raises(BadParams, match="no engine"):
            find_engine(name)


def test_frame_speech_cuts_and_fills_silence():
    audio = np.arange(1.0, 11.0)
    segments = [Segment(SILENCE, 0, 4), Segment("AA", 4, 7), Segment(SILENCE, 7, 10)]
    framed, phones, moved = frame_speech(audio, segments, 6, 2)
    assert framed.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9] and moved == 2
    assert [(p.label, p.start, p.end) for p in phones] == [
        (SILENCE, 0, 6), ("AA", 6, 9), (SILENCE, 9, 11),
    ]  # fmt: skip
    framed, phones, moved = frame_speech(audio, segments, 1, 5)
    assert framed.tolist() == [4, 5, 6, 7, 8, 9, 10, 0, 0] and moved == -3
    assert phones[-1].end == len(framed) == 9
    assert RATE == 16000


def test_a_new_engine_is_one_file_with_one_class(tmp_path, monkeypatch):
    source = """
        from dataclasses import dataclass
        import numpy as np
        from clips import SILENCE, Segment
        from synth.engine import Engine, Voice

        @dataclass(frozen=True)
        class HumParams:
            hertz: float

        class Hum(Engine):
            name = "hum"
            licence, attribution, install_line = "CC0-1.0", "a hum", "nothing to install"

            def version(self):
                return "1"

            def voices(self, language):
                return (Voice("bee", "hum:bee", "en-us"),) if language == "en" else ()

            def draw(self, rng, prompt, voice):
                return HumParams(float(rng.uniform(100, 200)))

            def speak(self, prompt, voice, params, clip_id):
                audio = np.zeros(4800)
                audio[1600:3200] = 0.1 * np.sin(np.arange(1600) * params.hertz * 6.28 / 16000)
                phones = tuple(Segment(*p) for p in
                               ((SILENCE, 0, 1600), ("M", 1600, 3200), (SILENCE, 3200, 4800)))
                return self.make_clip(prompt, voice, params, clip_id, text=prompt.text,
                                      audio=audio, phones=phones)
        """
    (tmp_path / "hum.py").write_text(textwrap.dedent(source))
    monkeypatch.setattr(synth, "__path__", [*synth.__path__, str(tmp_path)])
    engine = find_engine("hum")
    (voice,) = engine.voices("en")
    params = engine.draw(draw_stream(1, "synthesize", "c"), Prompt("p", "mm"), voice)
    clip = engine.speak(Prompt("p", "mm"), voice, params, "c")
    assert clip.source == "hum" and [p.label for p in clip.phones] == [SILENCE, "M", SILENCE]
