"""espeak-ng: voices, words, text, and its stamps against its own waveform."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import parselmouth
import pytest

from clips import SILENCE, BadParams, BadText, draw_stream
from synth import Prompt, clean_text, find_engine
from synth.espeak import phones_of
from synth.espeak_library import NATIVE_RATE
from synth.grammar import generate
from tests.synth.conformance import EngineConformance

ENGINE = find_engine("espeak")


def speak(text: str, voice_name: str = "en-us+m3", language: str = "en", name: str = "c"):
    voice = next(v for v in ENGINE.voices(language) if v.name == voice_name)
    prompt = Prompt("p", text, language)
    params = ENGINE.draw(draw_stream(1, "s", name), prompt, voice)
    return ENGINE.speak(prompt, voice, params, name)


def test_every_person_speaks_every_accent():
    voices = ENGINE.voices("en")
    accents, speakers = {v.language for v in voices}, {v.speaker for v in voices}
    assert len(accents) == 8 and len(voices) == 8 * len(speakers)


def test_a_vocal_tract_is_one_speaker_in_every_accent():
    by_name = {v.name: v.speaker for v in ENGINE.voices("en")}
    assert by_name["en-us+f2"] == by_name["en-gb+f2"] == "espeak:f2"


def test_every_voice_of_the_table_exists():
    heard = set()
    for language in ("en", "de", "es", "fr", "it", "pt", "nl", "sv", "pl"):
        for voice in ENGINE.voices(language):
            variant = voice.name.split("+")[1]
            if voice.language not in heard or variant not in heard:
                heard |= {voice.language, variant}
                clip = speak("Am Abend.", voice.name, language)
                assert len(clip.phones) > 4, voice
    variants = ENGINE.voices("en-us")
    assert len({speak("A boy hums.", v.name).audio.tobytes() for v in variants}) == len(variants)


def test_variants_change_the_sound_and_the_library_does_not_fall_back():
    pitches = {}
    for name in ("en-us+m8", "en-us+f5", "en-us+zac"):
        voice = next(v for v in ENGINE.voices("en") if v.name == name)
        params = ENGINE.draw(draw_stream(1, "s", "x"), Prompt("p", "Ah."), voice)
        clip = ENGINE.speak(Prompt("p", "Mama may marry."), voice, params, "c")
        sound = parselmouth.Sound(clip.audio.astype(np.float64), 16000)
        pitch = sound.to_pitch(0.01, 60, 600).selected_array["frequency"]
        pitches[name] = np.median(pitch[pitch > 0])
    assert pitches["en-us+m8"] < pitches["en-us+f5"] < pitches["en-us+zac"]


def test_words_carry_the_times_of_their_phones():
    clip = speak("Happy people keep a big copper kettle - open, better luck!")
    assert [w.label for w in clip.words] == (
        "Happy people keep a big copper kettle open better luck".split()
    )
    starts = {p.start for p in clip.phones}
    ends = {p.end for p in clip.phones}
    assert all(w.start in starts and w.end in ends for w in clip.words)
    open_, better = clip.words[-3:-1]
    assert open_.end < better.start  # the pause belongs to neither


def test_words_that_espeak_joins_are_written_together():
    labels = " ".join(w.label for w in speak("The cat of the house sat on the mat.").words)
    assert labels == "The cat of the house sat on the mat"


def test_ipa_stands_beside_each_phone():
    clip = speak("The car is far, fire!")
    pairs = [(p.label, i) for p, i in zip(clip.phones, clip.ipa)]
    assert ("AA", "ɑː") in pairs and ("R", "ɹ") in pairs and (SILENCE, "") in pairs
    assert all((p.label == SILENCE) == (i == "") for p, i in zip(clip.phones, clip.ipa))


def test_stamps_have_no_offset_against_the_waveform():
    """Speech begins at its first stamp: bursts of P and K after silence, to 1 ms."""
    errors = []
    for voice in ENGINE.voices("en-us")[::2]:
        for text in ("Pick it up.", "Keep it.", "Take it.", "Cup, pop, talk."):
            prompt = Prompt("p", text)
            params = ENGINE.draw(draw_stream(1, "s", voice.name + text), prompt, voice)
            clip = ENGINE.speak(prompt, voice, params, "c")
            # The closure given to a stop after silence is exactly 50 ms.
            burst = clip.phones[1].start + 800
            onset = int(np.argmax(np.abs(clip.audio) > np.abs(clip.audio).max() * 0.01))
            errors.append((onset - burst) / 16)
    assert abs(np.median(errors)) <= 1
    assert np.mean(np.abs(errors) <= 2) > 0.9


def test_phones_without_sound_are_those_that_are_spoken():
    for text in ("Boys hum while kittens purr.", "The measure of a thumb, Mr. Boyd?",
                 "Forty-two witches bought cheap fudge."):  # fmt: skip
        for voice in ("en-us+m3", "en-gb-scotland+m3", "en-029+f2"):
            spoken = [p.label for p in speak(text, voice).phones if p.label != SILENCE]
            predicted = phones_of(text, voice.split("+")[0])
            # Sounds that get no time of their own (a Scottish r before a consonant) are not spoken.
            rest = iter(predicted)
            assert all(phone in rest for phone in spoken)
            assert len(predicted) - len(spoken) <= 3


@pytest.mark.parametrize("name", ["en-us+m3", "en-gb-scotland+f-03", "de+child-16", "fr+f2"])
def test_words_of_are_those_that_are_spoken(name):
    accent = name.partition("+")[0]
    text = {"de": "Die Enden von der Wurst, sagte er.", "fr": "Il y a des enfants. Oui, madame!"}
    text = text.get(accent, "The ends of the road, said Mr. Pym: forty-two 'idle' boys!")
    clip = speak(text, name, accent)
    said = [(p.start, p.label, ipa) for p, ipa in zip(clip.phones, clip.ipa) if p.label != SILENCE]
    assert ENGINE.words_of(text, accent) == [
        (word.label, tuple((p, ipa) for start, p, ipa in said if word.start <= start < word.end))
        for word in clip.words
    ]


def test_phones_of_depends_on_its_text_alone():
    first = phones_of("Moths bathe.")
    speak("Something else entirely.", "en-gb-scotland+f3")
    phones_of("Und noch etwas.", "de")
    assert phones_of("Moths bathe.") == first == ["M", "AA", "TH", "S", "B", "EY", "DH"]
    with pytest.raises(BadText):
        phones_of("...")


def test_other_languages_keep_their_sounds_in_ipa():
    clip = speak("Fünf schöne Häuser.", "de+f2", "de")
    assert {"ʏ", "øː", "ɔø"} <= set(clip.ipa)
    assert "OY" in {p.label for p in clip.phones}


def test_the_native_sound_is_the_same_sound():
    voice = ENGINE.voices("en")[3]
    params = ENGINE.draw(draw_stream(1, "s", "n"), Prompt("p", "Happy boys."), voice)
    clip, native = ENGINE.speak_native(Prompt("p", "Happy boys."), voice, params, "n")
    assert abs(len(native) / NATIVE_RATE - clip.seconds) < 1e-4
    here = int(np.argmax(np.abs(clip.audio))) / 16000
    there = int(np.argmax(np.abs(native.astype(int)))) / NATIVE_RATE
    assert abs(here - there) < 0.012  # the same peak, or its neighbour one pitch period on


def _digest_in_worker(number: int) -> tuple[int, bytes]:
    names = ("en-us+f2", "en-gb+Reed", "en-029+m2")
    clip = speak("Bob put the poison away.", names[number % 3], name=str(number % 3))
    return os.getpid(), clip.audio.tobytes()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_give_the_bytes_of_this_one(method):
    here = [_digest_in_worker(n)[1] for n in range(3)]
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
        for number, (_, audio) in enumerate(pool.map(_digest_in_worker, range(6))):
            assert audio == here[number % 3]


def test_a_hole_in_the_table_names_the_symbol(monkeypatch):
    from synth import ipa

    with pytest.raises(BadParams, match="ǂ"):
        ipa.parts_of("ǂ", "en")


def test_clean_text_is_what_is_stored():
    text = "“Don’t”—she said…"
    assert speak(text).text == clean_text(text) == '"Don\'t" - she said...'


def test_pronunciations_do_not_depend_on_what_was_said_before():
    engine = find_engine("espeak")
    texts = [*generate(60, 3), "It is 3 o'clock, read it!", "No."]
    first = [engine.phones_of(text) for text in texts]
    voice = engine.voices("de")[0]
    prompt = Prompt("x", "Guten Morgen, liebe Leute.", "de")
    engine.speak(prompt, voice, engine.draw(draw_stream(1, "t", "x"), prompt, voice), "x")
    assert [engine.phones_of(text) for text in reversed(texts)][::-1] == first


class TestEspeak(EngineConformance):
    name = "espeak"
