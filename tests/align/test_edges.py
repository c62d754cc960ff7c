"""The trained part of boundary refinement: on speech whose timing is known."""

from __future__ import annotations

import numpy as np
import pytest

from align import compare, total
from align.edges import KINDS, edge_scores, pairs_of
from align.refine import change_features, fitted, refine, relabelled
from clips import SILENCE, Clip, Segment, draw_stream
from clips.arpabet import ARPABET
from synth import Prompt, find_engine
from synth.grammar import generate


@pytest.fixture(scope="module")
def spoken() -> list[Clip]:
    """Clips of espeak-ng, with its true timing."""
    engine = find_engine("espeak")
    voices = engine.voices("en")
    clips = []
    for number, text in enumerate(generate(12, 8)):
        prompt, voice = Prompt(f"e{number}", text), voices[5 * number % len(voices)]
        params = engine.draw(draw_stream(2, "edges", text), prompt, voice)
        clips.append(engine.speak(prompt, voice, params, prompt.prompt_id))
    return clips


def thrown(clip: Clip) -> Clip:
    """Every inner boundary thrown off by 15 ms on average, in order."""
    rng = draw_stream(3, "thrown", clip.clip_id)
    bounds = [0]
    for phone in clip.phones[:-1]:
        place = phone.end + round(rng.laplace(0, 240))
        bounds.append(min(max(place, bounds[-1] + 160), len(clip) - 160))
    bounds = sorted({*bounds, len(clip)})
    assert len(bounds) == len(clip.phones) + 1
    return clip.with_(phones=relabelled(clip.phones, bounds))


def test_every_phone_has_one_kind():
    assert sorted(phone for kind in KINDS for phone in kind) == sorted(ARPABET | {SILENCE})


def test_scores_are_highest_at_true_boundaries(spoken):
    hits = []
    for clip in spoken:
        scores = edge_scores(change_features(clip.audio))
        pairs = pairs_of([phone.label for phone in clip.phones])
        assert scores.shape[1] == len(KINDS) ** 2
        for pair, phone in zip(pairs, clip.phones[1:]):
            at = round(phone.start / 40)
            near = scores[max(at - 20, 0) : at + 21, pair]
            hits.append(abs(int(near.argmax()) - min(at, 20)) <= 4)  # 10 ms
    assert np.mean(hits) > 0.7


def test_the_network_brings_thrown_labels_nearer_than_the_variance_alone(spoken):
    errors = {"thrown": [], "variance": [], "network": []}
    for clip in spoken:
        off = thrown(clip)
        given = [0, *(phone.end for phone in off.phones)]
        features = change_features(clip.audio)
        variance = relabelled(off.phones, refine(features, given))
        for way, phones in (
            ("thrown", off.phones),
            ("variance", variance),
            ("network", fitted(off).phones),
        ):
            errors[way].append(compare(clip.phones, phones))
    mean = {way: total(found).mean_ms for way, found in errors.items()}
    assert mean["network"] < mean["variance"] < mean["thrown"]
    assert mean["network"] < 0.6 * mean["thrown"]


def test_a_fitted_clip_does_not_claim_to_be_exact(spoken):
    clip = spoken[0]
    words = (Segment("all", clip.phones[1].start, clip.phones[-2].end),)
    found = fitted(clip.with_(words=words))
    assert found.timing == "aligned" and found.ops[-1].name == "refine"
    assert [phone.label for phone in found.phones] == [phone.label for phone in clip.phones]
    assert found.words[0].start == found.phones[1].start
    assert found.words[0].end == found.phones[-2].end
    assert found.audio is clip.audio
    again = fitted(clip.with_(words=words))
    assert again.phones == found.phones


def test_loudness_does_not_matter(spoken):
    features = [change_features(spoken[1].audio * gain) for gain in (1.0, 0.1)]
    quiet, loud = (edge_scores(found) for found in features)
    assert np.abs(quiet - loud).max() < 0.1
