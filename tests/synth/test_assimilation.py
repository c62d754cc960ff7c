"""German -en after stops and nasals: which words change, and what espeak-ng then says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import BadText, draw_stream
from synth import Prompt, clean_text, find_engine
from synth.assimilation import assimilated
from synth.espeak import _LIBRARY, ASSIMILATED, EspeakParams

ENGINE = find_engine("espeak")


def spelled(word: str) -> str:
    return _LIBRARY.spelled_phonemes(word, "gmw/de")


def speak(text: str, *, assimilated: bool, voice_name: str = "de+m3"):
    voice = next(v for v in ENGINE.voices("de") if v.name == voice_name)
    prompt = Prompt("p", text, "de")
    params = ENGINE.draw(draw_stream(1, "s", "c"), prompt, voice)
    return ENGINE.speak(prompt, voice, replace(params, assimilated=assimilated), "c")


@pytest.mark.parametrize(
    "word, said",
    [
        ("haben", "h ɑː b m"),
        ("Lappen", "l a p m"),
        ("Boden", "b oː d n"),
        ("hatten", "h a t n"),
        ("liegen", "l iː ɡ ŋ"),
        ("packen", "p a k ŋ"),
        ("Abend", "ɑː b m t"),
        ("lebendig", "l eː b ɛ n d ɪ ç"),  # a vowel that stays
        ("Ofen", "oː f ə n"),  # after other sounds
        ("sehen", "z eː ə n"),
    ],
)
def test_what_is_said(word, said):
    clip = speak(f"{word}.", assimilated=True)
    assert [ipa for ipa in clip.ipa if ipa] == said.split()


def test_words_and_text_stay():
    text = "Wir haben sieben Lappen, geben's ab und bleiben da oben-drauf."
    plain, casual = (speak(text, assimilated=change) for change in (False, True))
    assert casual.text == plain.text == text
    assert [w.label for w in casual.words] == [w.label for w in plain.words]
    assert len(plain.phones) - len(casual.phones) == 4  # haben, sieben, Lappen, bleiben


def test_the_lips_stay_closed_from_the_stop_to_the_end_of_its_nasal():
    """No burst between: the sound does not fall silent or get louder than the nasal."""
    clip = speak("Haben.", assimilated=True)
    stop, nasal = (next(p for p in clip.phones if p.label == label) for label in "BM")
    assert stop.end == nasal.start
    levels = [np.sqrt(np.mean(clip.audio[p.start : p.end] ** 2)) for p in (stop, nasal)]
    assert 0 < levels[0] < levels[1]


def test_about_so_many_clips_are_assimilated_and_only_german_ones():
    def drawn(language: str) -> list[bool]:
        voice = ENGINE.voices(language)[0]
        streams = (draw_stream(1, "s", f"c{n}") for n in range(400))
        prompt = Prompt("p", "Am Abend.", language)
        return [ENGINE.draw(rng, prompt, voice).assimilated for rng in streams]

    assert abs(np.mean(drawn("de")) - ASSIMILATED) < 0.08
    assert not any(drawn("en")) and not any(drawn("nl"))
    assert not EspeakParams(160, 50, 50, 0, 0, 0).assimilated


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="abdeghkmnprtuö '-.,!?", min_size=1, max_size=40))
def test_any_text_keeps_its_words_and_their_marks(text):
    try:
        text = clean_text(text, "de")
    except BadText:
        return
    changed = assimilated(text, spelled)
    assert len(changed.split(" ")) == len(text.split(" "))
    for before, after in zip(text.split(" "), changed.split(" ")):
        head, opened, tail = after.partition("[[")
        if opened:
            _, closed, tail = tail.partition("]]")
            assert closed and before.startswith(head) and before.endswith(tail)
        else:
            assert after == before
