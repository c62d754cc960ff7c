"""What every engine must do. A new engine's test file has a class like this one:

class TestMyEngine(EngineConformance):
    name = "my_engine"
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from clips import SILENCE, BadParams, BadText, Clip, draw_stream
from clips.arpabet import ARPABET
from synth import Engine, Prompt, find_engine
from synth.engine import LEAD

TEXT = "Peter's happy puppy, “Bob”, kept a big copper kettle — and Mabel took the cake!"
SAID = 'Peter\'s happy puppy, "Bob", kept a big copper kettle - and Mabel took the cake!'
PROMPT = Prompt("p1", TEXT, "en", "test")


def some_voices(engine: Engine, count: int = 6):
    voices = engine.voices("en")
    return [voices[n * len(voices) // count] for n in range(count)]


def speak(engine: Engine, voice, prompt: Prompt = PROMPT, name: str = "clip") -> Clip:
    params = engine.draw(draw_stream(3, "synthesize", name), prompt, voice)
    return engine.speak(prompt, voice, params, name)


def digest(clip: Clip) -> tuple:
    return clip.audio.tobytes(), clip.phones, clip.words, clip.ipa, clip.ops


class EngineConformance:
    """name: the engine's. settings: what params.yaml would say of it, if it needs any."""

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def engine(self) -> Engine:
        found = find_engine(self.name, self.settings)
        if found.version() is None:
            pytest.skip(f"{self.name} is not installed: {found.install_line}")
        return found

    def test_a_clip_tiles_keeps_its_text_and_validates(self, engine):
        for voice in some_voices(engine):
            clip = speak(engine, voice).validate()
            assert clip.phones[0].start == 0 and clip.phones[-1].end == len(clip)
            assert {p.label for p in clip.phones} <= ARPABET | {SILENCE}
            assert clip.text == SAID
            assert clip.timing == "exact" and clip.split == "test" and clip.language == "en"
            assert clip.source == engine.name and clip.speaker == voice.speaker
            assert clip.licence and clip.attribution

    def test_the_history_makes_the_clip_again(self, engine):
        voice = some_voices(engine)[1]
        clip = speak(engine, voice)
        (op,) = clip.ops
        values = op.read()
        assert op.name == "synthesize"
        assert values.pop("engine") == engine.name
        assert values.pop("version") == engine.version()
        assert values.pop("voice") == voice.name
        kind = type(engine.draw(draw_stream(0, "x", "y"), PROMPT, voice))
        again = engine.speak(PROMPT, voice, kind(**values), "clip")
        assert digest(again) == digest(clip)

    def test_the_same_seed_gives_the_same_bytes_whatever_was_spoken_before(self, engine):
        voices = some_voices(engine)
        first = {voice.name: digest(speak(engine, voice)) for voice in voices}
        other = Prompt("p2", "Something quite different was said in between.", "en", "train")
        for n, voice in enumerate(reversed(voices)):
            speak(engine, voices[n], other, f"other-{n}")
            assert digest(speak(engine, voice)) == first[voice.name]

    def test_another_process_gives_the_same_bytes(self, engine):
        voice = some_voices(engine)[2]
        code = (
            "import hashlib\n"
            "from tests.synth.conformance import json, speak, find_engine\n"
            f"engine = find_engine({engine.name!r}, json.loads({json.dumps(self.settings)!r}))\n"
            f"voice = next(v for v in engine.voices('en') if v.name == {voice.name!r})\n"
            "print(hashlib.md5(speak(engine, voice).audio.tobytes()).hexdigest())"
        )
        lines = [
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parents[2],
            ).stdout
            for _ in range(2)
        ]
        here = hashlib.md5(speak(engine, voice).audio.tobytes()).hexdigest()
        assert [line.strip() for line in lines] == [here, here]

    def test_another_clip_is_drawn_differently(self, engine):
        voice = some_voices(engine)[0]
        draws = {
            engine.draw(draw_stream(1, "synthesize", str(n)), PROMPT, voice) for n in range(20)
        }
        assert len(draws) == 20

    def test_silence_stands_at_both_ends_and_nothing_clips(self, engine):
        for voice in some_voices(engine):
            clip = speak(engine, voice)
            first, last = clip.phones[0], clip.phones[-1]
            assert first.label == last.label == SILENCE
            assert LEAD[0] - 1600 <= first.samples <= LEAD[1]  # a first stop takes its closure
            assert LEAD[0] <= last.samples <= LEAD[1]
            # Before the first phone there are zeros, or (flite) a vocoder's hiss.
            loudest = np.abs(clip.audio).max()
            assert np.abs(clip.audio[: first.end - 160]).max(initial=0) < loudest * 0.05
            assert 0.05 < loudest < 0.999

    def test_unspeakable_texts_are_refused(self, engine):
        voice = some_voices(engine)[0]
        for text in ("", "...", "12 + 3", "Привет", "bell\x07", "hi 😀", "a" * 5000, "你好 there"):
            with pytest.raises(BadText):
                speak(engine, voice, Prompt("p", text, "en"))

    def test_text_that_looks_like_options_or_markup_is_only_text(self, engine):
        voice = some_voices(engine)[0]
        plain = speak(engine, voice, Prompt("p", "voice", "en"))
        clip = speak(engine, voice, Prompt("p", "-voice", "en"))
        spoken = [p.label for p in clip.phones if p.label != SILENCE]
        voice_alone = [p.label for p in plain.phones if p.label != SILENCE]
        assert spoken[-len(voice_alone) :] == voice_alone
        with pytest.raises(BadText):
            speak(engine, voice, Prompt("p", "<speak>no</speak>", "en"))
        with pytest.raises(BadText):
            speak(engine, voice, Prompt("p", "[[h@'loU]]", "en"))

    def test_a_voice_of_another_language_is_refused(self, engine):
        with pytest.raises(BadText, match="speaks"):
            speak(engine, some_voices(engine)[0], Prompt("p", "Guten Tag.", "de"))

    def test_voices_have_names_of_their_own(self, engine):
        voices = engine.voices("en")
        assert len({voice.name for voice in voices}) == len(voices)
        assert all(voice.speaker.startswith(f"{engine.name}:") for voice in voices)
        assert set(engine.voices("en-us")) <= set(voices)
        assert engine.voices("tlh") == ()

    def test_an_unknown_setting_is_named(self, engine):
        with pytest.raises(BadParams, match="nonsense"):
            find_engine(self.name, {**self.settings, "nonsense": 1})
