"""Closures in made-up signals, where the truth is known, and in espeak's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synth.espeak as espeak_module
from clips import SILENCE, Segment, draw_stream, find_faults
from synth import Prompt, find_engine, move_closures
from synth.corrections import FRICATIVES, VOICELESS_STOPS, move_edges

MS = 16


def signal(*stretches: tuple[int, float]) -> np.ndarray:
    """Noise of (milliseconds, level in dB) stretches; the loudest should be 0 dB."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(-1, 1, ms * MS) * 10 ** (db / 20) for ms, db in stretches])


def phones(*pairs: tuple[str, int]) -> list[Segment]:
    at, found = 0, []
    for label, ms in pairs:
        found.append(Segment(label, at, at + ms * MS))
        at += ms * MS
    return found


@pytest.mark.parametrize(
    ("label", "vowel_ms", "closure_ms", "closure_db", "expected_ms"),
    [
        ("P", 150, 40, -90, 40),
        ("T", 150, 40, -60, 40),
        ("K", 150, 30, -45, 30),  # an echo fills it a little
        ("CH", 150, 50, -90, 50),
        ("P", 150, 0, -90, 0),  # nothing to move
        ("P", 150, 40, -20, 0),  # voiced all through: this is not a closure
        ("P", 300, 200, -90, 150),  # never more than `longest`
        ("P", 40, 36, -90, 30),  # three quarters of the phone before, no more
        ("B", 150, 40, -90, 0),  # not among the labels asked for
        ("M", 150, 40, -90, 0),
        ("S", 150, 40, -90, 0),
    ],
)
def test_a_closure_is_moved_into_the_stop(label, vowel_ms, closure_ms, closure_db, expected_ms):
    audio = signal((vowel_ms - closure_ms, 0), (closure_ms, closure_db), (60, -20), (100, 0))
    before = phones(("AA", vowel_ms), (label, 60), ("IY", 100))
    after = move_closures(before, audio)
    moved = (before[1].start - after[1].start) / MS
    assert abs(moved - expected_ms) <= 2
    assert not find_faults(after, len(audio), tiled=True, name="phones")
    assert [p.label for p in after] == [p.label for p in before]
    assert after[1].end == before[1].end


def test_a_stop_after_silence_gets_the_closure_between_vowels():
    audio = signal((300, -100), (60, -20), (100, 0))
    after = move_closures(phones((SILENCE, 300), ("P", 60), ("AA", 100)), audio)
    assert after[1].start == 250 * MS
    after = move_closures(phones((SILENCE, 300), ("F", 60), ("AA", 100)), audio, labels={"F"})
    assert after[1].start == 300 * MS


def test_a_burst_that_resampling_smeared_does_not_hide_the_closure():
    audio = signal((100, 0), (38, -90), (2, -25), (60, -20), (100, 0))
    after = move_closures(phones(("AA", 140), ("P", 60), ("IY", 100)), audio)
    assert abs(after[1].start - 100 * MS) <= 2 * MS


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["AA", "P", "T", "K", "CH", "M", "S", SILENCE]), st.integers(1, 3000)
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 9),
)
def test_phones_still_tile_and_none_disappears(pairs, seed):
    at, before = 0, []
    for label, samples in pairs:
        before.append(Segment(label, at, at + samples))
        at += samples
    rng = np.random.default_rng(seed)
    audio = rng.normal(0, 0.1, at) * np.repeat(rng.integers(0, 2, at // 50 + 1), 50)[:at]
    after = move_closures(before, audio)
    assert [p.label for p in after] == [p.label for p in before]
    assert not find_faults(after, at, tiled=True, name="phones")
    for old, new in zip(before, after):
        assert new.samples >= old.samples * 0.25 - 1


def closure_levels(monkeypatch, *, moved: bool, share: float = 0.4) -> dict[str, list[float]]:
    """Level of the first `share` of each stop inside speech, dB against the loudest 2 ms."""
    if not moved:
        monkeypatch.setattr(espeak_module, "move_closures", lambda phones, *_, **__: tuple(phones))
    engine = find_engine("espeak")
    levels: dict[str, list[float]] = {}
    for number, text in enumerate(
        (
            "Happy people keep a big copper kettle open.",
            "A teacher talked to Peter about cookies.",
            "The baby grabbed a bag of good summer apples.",
            "Which judge took a picture of the church?",
        )
    ):
        for voice in engine.voices("en")[number::11][:20]:
            prompt = Prompt("p", text)
            params = engine.draw(draw_stream(1, "s", voice.name), prompt, voice)
            clip = engine.speak(prompt, voice, params, "c")
            power = np.concatenate([[0], np.cumsum(clip.audio.astype(float) ** 2)])
            top = np.max(power[32:] - power[:-32]) / 32
            for before, phone in zip(clip.phones, clip.phones[1:]):
                if before.label == SILENCE or phone.label not in {*"PTKBDG", "CH", "JH", "M"}:
                    continue
                end = phone.start + int(phone.samples * share)
                level = (power[end] - power[phone.start]) / (end - phone.start) / top
                levels.setdefault(phone.label, []).append(10 * np.log10(level + 1e-12))
    return levels


def test_closures_of_real_clips_are_silent_after_the_correction_and_were_not_before(monkeypatch):
    after = closure_levels(monkeypatch, moved=True)
    with monkeypatch.context() as patch:
        before = closure_levels(patch, moved=False)
    for stop in ("P", "T", "K", "CH"):
        assert np.median(before[stop]) > -30, stop
        assert np.median(after[stop]) < -40, stop
        assert np.percentile(after[stop], 90) < np.median(before[stop]) - 5, stop
    # After vowels these are stamped at their closure, where they hum; after consonants late.
    for stop in ("B", "D", "G", "JH"):
        assert np.median(after[stop]) < np.median(before[stop]) + 0.5, stop
    assert abs(np.median(after["M"]) - np.median(before["M"])) < 1
    for stop in ("P", "T", "K"):  # the first 60 % hold the beginning of the burst as well
        sixty = closure_levels(monkeypatch, moved=True, share=0.6)[stop]
        assert np.median(sixty) < np.median(before[stop]) - 5, stop


def test_the_sets_of_labels_do_not_meet():
    assert not VOICELESS_STOPS & FRICATIVES


def test_a_vowel_between_two_consonants_that_take_of_it_stays():
    phones = [Segment("M", 0, 1000), Segment("AA", 1000, 1010), Segment("M", 1010, 2000)]
    moved = move_edges(phones, {"M": -0.9}, {"M": -0.9})
    assert find_faults(moved, 2000, tiled=True, name="phones") == []
    assert moved[1].samples == 2
