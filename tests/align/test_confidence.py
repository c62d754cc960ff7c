from __future__ import annotations

import numpy as np
import pytest

from align import AlignmentLimits, doubt, find_aligner
from align.confidence import (
    LEAST_USUAL,
    USUAL_MATCH,
    confidence,
    match_confidence,
    second_opinion,
    usual_match,
)
from align.heard import evidence
from clips import BadParams, Clip, Segment, VisemillError, to_grid

GOOD = {
    "align_match": 1.0,
    "align_rate": 10.0,
    "align_short_share": 0.1,
    "align_vowel": 0.2,
    "align_silence_db": -30.0,
    "align_outside_share": 0.0,
    "align_leftover": 0.0,
}


def made(phones: str, loud: str, score: float = 0.8) -> Clip:
    """A clip of 100 ms phones; noise at 0.1 where `loud` has an x, at 0.0001 elsewhere."""
    rng = np.random.default_rng(1)
    level = np.repeat([0.1 if mark == "x" else 0.0001 for mark in loud], 1600)
    labels = [
        Segment(label, n * 1600, (n + 1) * 1600, score) for n, label in enumerate(phones.split())
    ]
    audio = to_grid(rng.normal(0, 1, len(level)) * level)
    return Clip("c", audio, "t", "en", "s", "t", "CC0-1.0", "", phones=tuple(labels))


def test_a_believable_alignment_is_not_doubted():
    assert doubt(GOOD) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"align_match": -0.5}, "does not fit"),
        ({"align_rate": 1.0}, "too slow"),
        ({"align_rate": 40.0}, "too fast"),
        ({"align_short_share": 0.9}, "squeezed"),
        ({"align_vowel": 4.0}, "vowel is too long: 4.00 s"),
        ({"align_silence_db": 12.0}, "silence is louder"),
        ({"align_leftover": 5.0}, "left over"),
        ({"align_outside_share": 0.95}, "outside the words"),
    ],
)
def test_what_looks_wrong_is_said(change, reason):
    assert reason in doubt({**GOOD, **change})


def test_limits_decide():
    assert doubt({**GOOD, "align_rate": 5.0}, AlignmentLimits(min_rate=6.0))
    assert doubt({**GOOD, "align_rate": 5.0}, AlignmentLimits(min_rate=4.0)) is None


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"min_confidence": 2.0}, "min_confidence"),
        ({"max_short_share": -0.1}, "max_short_share"),
        ({"min_rate": 30.0}, "min_rate"),
        ({"max_vowel": 0.0}, "max_vowel"),
    ],
)
def test_limits_that_make_no_sense_are_refused(values, key):
    with pytest.raises(BadParams, match=key):
        AlignmentLimits(**values)


def test_speech_inside_the_words_leaves_nothing_over():
    scores = confidence(made("SIL S AA SIL", ".xx."))
    assert scores["align_silence_db"] < -50
    assert scores["align_outside_share"] == 0
    assert scores["align_leftover"] == 0
    assert scores["align_vowel"] == pytest.approx(0.1)
    assert scores["align_rate"] == pytest.approx(10.0)


def test_speech_before_and_after_the_words_is_left_over():
    scores = confidence(made("SIL S AA SIL SIL", "xxxx."))
    assert scores["align_leftover"] == pytest.approx(0.2, abs=0.03)
    assert scores["align_outside_share"] == pytest.approx(0.5, abs=0.1)


def test_speech_between_the_words_is_outside_but_not_left_over():
    scores = confidence(made("SIL S SIL SIL AA SIL", ".xxxx."))
    assert scores["align_leftover"] == 0
    assert scores["align_outside_share"] == pytest.approx(0.5, abs=0.1)


def test_a_clip_of_silence_alone_is_doubted():
    assert doubt(confidence(made("SIL SIL", "..")))


def test_hearing_the_phones_of_the_text_speaks_for_it():
    text = [Segment("SIL", 0, 800), Segment("S", 800, 2400), Segment("IY", 2400, 4000)]
    other = [Segment("SIL", 0, 800), Segment("AA", 800, 2400), Segment("M", 2400, 4000)]
    near = [Segment("SIL", 0, 800), Segment("Z", 800, 2400), Segment("IH", 2400, 4000)]
    assert evidence(text, text) > evidence(text, near) > 0 > evidence(text, other)
    assert evidence(text, []) == 0


def test_a_speaker_is_measured_against_the_own_usual():
    assert usual_match([]) == USUAL_MATCH
    hoarse = usual_match([0.8] * 20)
    assert 0.8 < hoarse < 0.9
    assert usual_match([0.8] * 11 + [-1.0] * 9) == hoarse  # nearly half of the texts may be wrong
    assert match_confidence(0.4, hoarse) > match_confidence(0.4)
    limits = AlignmentLimits(min_confidence=0.5, min_confidence_known=0.5)
    assert doubt({**GOOD, "align_match": 0.4}, limits)
    assert doubt({**GOOD, "align_match": 0.4}, limits, usual=hoarse) is None
    assert doubt({**GOOD, "align_match": 0.4}, limits, usual=usual_match([1.1] * 20))


def test_a_speaker_with_wrong_texts_alone_is_not_excused():
    assert usual_match([0.1] * 20) == LEAST_USUAL < usual_match([0.8] * 20)
    assert doubt({**GOOD, "align_match": 0.1}, usual=usual_match([0.1] * 20))


def test_pocketsphinx_beside_another_aligner_decides_most_of_it():
    sure = second_opinion({**GOOD, "align_match": 0.5}, {"align_match": 1.1})
    assert sure["align_match"] == pytest.approx(0.92)
    assert sure["confidence"] == match_confidence(sure["align_match"])
    assert sure["align_rate"] == GOOD["align_rate"]
    assert doubt(sure) is None
    assert doubt(second_opinion({**GOOD, "align_match": 0.9}, None))  # it found no path


def test_swapped_texts_are_rejected_and_right_ones_kept(recordings):
    aligner = find_aligner("pocketsphinx")
    clips = [clip for clip, _ in recordings("speechocean762", 24)]

    def believed(clip: Clip) -> bool:
        try:
            return doubt(aligner.align(clip).score) is None
        except VisemillError:
            return False

    right = sum(believed(clip) for clip in clips)
    wrong = sum(
        believed(clip.with_(text=other.text)) for clip, other in zip(clips, clips[7:] + clips[:7])
    )
    assert right >= 21
    assert wrong <= 4
