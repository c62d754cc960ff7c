"""The judge of labels: it must see labels that lie, and by how much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from align.landmarks import CLASSES, PHONETICIANS, boundary_class, find_landmarks
from clips import SILENCE, Segment, draw_stream
from pipelines.truth import read_truth
from synth import Prompt, find_engine
from synth.grammar import generate
from visemes.inventory import load_inventory

SPEECH = Path(__file__).parents[2] / ".." / "shared" / "speech"


@pytest.fixture(scope="module")
def clips():
    engine = find_engine("espeak")
    voices = engine.voices("en-us")[::4]
    spoken = []
    for number, text in enumerate(generate(30, 7)):
        voice, prompt = voices[number % len(voices)], Prompt("p", text)
        params = engine.draw(draw_stream(1, "landmarks", text), prompt, voice)
        spoken.append(engine.speak(prompt, voice, params, "c"))
    return spoken


def moved(phones, samples):
    """The same phones with every boundary inside the clip moved."""
    edges = [0, *(min(max(1, p.start + samples), phones[-1].end - 1) for p in phones[1:]),
             phones[-1].end]  # fmt: skip
    edges = np.maximum.accumulate(edges)
    pairs = zip(phones, edges, edges[1:])
    return tuple(Segment(p.label, int(a), int(b)) for p, a, b in pairs if b > a)


def lags(clips, milliseconds=0, kind=None):
    found = [
        landmark.lag
        for clip in clips
        for landmark in find_landmarks(clip.audio, moved(clip.phones, milliseconds * 16))
        if kind in (None, landmark.kind)
    ]
    assert len(found) >= 20, kind
    return np.array(found)


@pytest.mark.parametrize("milliseconds", [-20, -10, 10, 20])
def test_labels_that_lie_are_found_out(clips, milliseconds):
    honest = np.median(lags(clips))
    assert abs(honest) <= 3
    assert np.median(lags(clips, milliseconds)) - honest == pytest.approx(milliseconds, abs=3)


@pytest.mark.parametrize("kind", ["onset", "closure", "voicing", "fricative", "nasal", "offset"])
def test_every_class_with_an_edge_sees_a_shift(clips, kind):
    assert np.median(lags(clips, 15, kind)) - np.median(lags(clips, 0, kind)) == pytest.approx(
        15, abs=5
    )


def test_a_stop_stamped_at_its_burst_is_found_late(clips):
    """What espeak-ng claims before it is put right."""
    raw = find_engine("espeak", {"corrections": False})
    voice = raw.voices("en-us")[0]
    found = []
    for text in generate(30, 7):
        prompt = Prompt("p", text)
        clip = raw.speak(prompt, voice, raw.draw(draw_stream(1, "x", text), prompt, voice), "c")
        found += [
            landmark.lag
            for landmark in find_landmarks(clip.audio, clip.phones)
            if landmark.kind == "closure" and landmark.after in "PTK"
        ]
    assert np.median(found) > 30
    put_right = [
        landmark.lag
        for clip in clips
        for landmark in find_landmarks(clip.audio, clip.phones)
        if landmark.kind == "closure" and landmark.after in "PTK"
    ]
    assert abs(np.median(put_right)) <= 5


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("SIL", "AA", "onset"), ("AA", "SIL", "offset"), ("AA", "B", "closure"),
        ("S", "T", "closure"), ("T", "AA", "voicing"), ("D", "AA", "release"),
        ("S", "AA", "fricative"), ("N", "V", "fricative"), ("M", "AA", "nasal"),
        ("L", "AA", "glide"), ("AA", "IY", "vowel"),
    ],
)  # fmt: skip
def test_classes(before, after, kind):
    assert boundary_class(before, after) == kind
    assert kind in CLASSES


def test_what_cannot_be_heard_is_left_out():
    audio = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    for pair in (("SIL", "P"), ("P", "SIL"), ("P", "B"), ("N", "D"), ("T", "S")):
        phones = (Segment(pair[0], 0, 8000), Segment(pair[1], 8000, 16000))
        assert find_landmarks(audio, phones) == []


def test_silence_has_no_landmarks():
    phones = (Segment(SILENCE, 0, 800), Segment("T", 800, 1600), Segment("AA", 1600, 3200))
    assert [x for x in find_landmarks(np.zeros(3200), phones) if x.kind != "vowel"] == []


def test_other_hand_labels_agree_with_those_that_set_zero():
    """An Australian; zero was set by Germans."""
    folder = SPEECH / "emu_ae"
    if not folder.is_dir():
        pytest.skip("the hand-labelled recordings of ../shared/speech/emu_ae are not here")
    found = [
        landmark.lag
        for truth in read_truth(folder, load_inventory("cherry12"))
        for landmark in find_landmarks(truth.clip.audio, truth.clip.phones)
    ]
    assert abs(np.median(found)) <= 5 and np.mean(np.abs(found) <= 25) > 0.85


def test_hand_labels_have_the_lags_that_are_claimed_for_them():
    folder = SPEECH / "emodb"
    if not folder.is_dir():
        pytest.skip("the hand-labelled recordings of ../shared/speech/emodb are not here")
    found: dict[str, list[float]] = {}
    for truth in read_truth(folder, load_inventory("cherry12"))[::5]:
        for landmark in find_landmarks(truth.clip.audio, truth.clip.phones):
            found.setdefault(landmark.kind, []).append(landmark.milliseconds)
    for kind in ("closure", "voicing", "release", "fricative", "nasal", "glide"):
        assert np.median(found[kind]) == pytest.approx(PHONETICIANS[kind], abs=3)
