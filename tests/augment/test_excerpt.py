from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment import find_transform
from augment.excerpt import ExcerptParams
from clips import RATE, BadParams, Segment
from tests.augment.conftest import make_bursts
from tests.augment.measure import local_lags

WHOLE = make_bursts()


def label_at(segments, sample: int) -> str | None:
    return next((s.label for s in segments if s.start <= sample < s.end), None)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_sample_keeps_its_labels(data):
    start = data.draw(st.integers(0, len(WHOLE) - 2))
    end = data.draw(st.integers(start + 1, len(WHOLE)))
    child = find_transform("excerpt").apply(WHOLE, ExcerptParams(start, end))
    assert np.array_equal(child.audio, WHOLE.audio[start:end])
    for sample in data.draw(st.lists(st.integers(start, end - 1), min_size=5, max_size=20)):
        for tier in ("phones", "words", "visemes"):
            old, new = getattr(WHOLE, tier), getattr(child, tier)
            assert label_at(new, sample - start) == label_at(old, sample)
    assert len(child.ipa) == len(child.phones)
    assert child.text in (WHOLE.text, " ".join(word.label for word in child.words))


def test_the_text_is_what_is_still_heard():
    third = WHOLE.words[2]
    child = find_transform("excerpt").apply(WHOLE, ExcerptParams(third.start + 10, len(WHOLE)))
    assert child.text == " ".join(word.label for word in WHOLE.words[2:])
    without = WHOLE.with_(words=())
    assert find_transform("excerpt").apply(without, ExcerptParams(9000, 20000)).text == WHOLE.text


def test_cuts_fall_into_speech(speech):
    excerpt = find_transform("excerpt", {"shortest": 0.5})
    late = early = inside = 0
    for clip in speech:
        spoken = [p for p in clip.phones if p.label != "SIL"]
        for n in range(100):
            params = excerpt.draw(np.random.default_rng(n), clip)
            assert params.end - params.start >= 0.5 * RATE
            assert (params.start, params.end) != (0, len(clip))
            assert params.start < spoken[-1].end
            assert params.end > spoken[0].start
            for cut in {params.start, params.end} - {0, len(clip)}:
                assert spoken[0].start <= cut <= spoken[-1].end
                inside += label_at(clip.phones, cut) != "SIL"
            late += params.start > 0
            early += params.end < len(clip)
    assert 0.7 * 300 < late < 300  # 0.7, and where neither was drawn
    assert 0.35 * 300 < early < 0.65 * 300
    assert inside > 200


def test_the_sound_lies_at_its_labels(speech):
    clip = speech[0]
    cut = clip.phones[8].start + 200
    child = find_transform("excerpt").apply(clip, ExcerptParams(cut, len(clip)))
    lags = local_lags(child, clip, place=cut)
    assert len(lags) > 10
    assert not lags.any()


def test_a_clip_without_enough_speech_does_not_fit(bursts):
    excerpt = find_transform("excerpt", {"shortest": 60})
    assert not excerpt.fits(bursts)
    with pytest.raises(BadParams, match="60 s"):
        excerpt.draw(np.random.default_rng(0), bursts)
    silent = bursts.with_(phones=(Segment("SIL", 0, len(bursts)),), ipa=())
    assert not find_transform("excerpt").fits(silent)
    assert not find_transform("excerpt").fits(bursts.with_(phones=(), ipa=(), timing="none"))


def test_impossible_cuts_are_refused(bursts):
    with pytest.raises(BadParams, match="beyond the clip"):
        find_transform("excerpt").apply(bursts, ExcerptParams(0, len(bursts) + 1))
    with pytest.raises(BadParams, match="start is 5"):
        ExcerptParams(5, 5)
