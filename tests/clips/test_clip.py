from __future__ import annotations

import pickle

import numpy as np
import pytest

from clips import BadLabels, Op, Segment, to_grid
from clips.errors import BadAudio, EngineMissing
from tests.conftest import make_clip


def test_a_good_clip_has_no_faults():
    assert make_clip().faults() == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"clip_id": "../etc"}, "clip_id"),
        ({"clip_id": "a.b"}, "clip_id"),
        ({"audio": np.zeros(0, np.float32)}, "shape"),
        ({"audio": np.full(16000, 0.3, np.float32)}, "16-bit grid"),
        ({"audio": np.full(16000, np.nan, np.float32)}, "not finite"),
        ({"audio": np.full(16000, 1.5, np.float32)}, "leaves −1..1"),
        ({"timing": "guessed"}, "timing"),
        ({"split": "dev"}, "split"),
        ({"licence": ""}, "licence"),
        ({"language": ""}, "language"),
        ({"phones": ()}, "no phones"),
        ({"ipa": ("p",)}, "IPA"),
        ({"visemes": (Segment("M", 0, 10),)}, "visemes end at 10"),
        ({"scores": (("x", float("nan")),)}, "score"),
    ],
)
def test_validate_says_what_is_wrong(changes, fault):
    with pytest.raises(BadLabels, match=fault):
        make_clip(**changes).validate()


def test_the_audio_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="read-only"):
        make_clip().audio[0] = 1.0


def test_making_a_clip_does_not_freeze_the_callers_array():
    mine = to_grid(np.zeros(16000))
    make_clip(audio=mine)
    mine[0] = 0.5


def test_cutting_moves_audio_and_all_labels_together():
    clip = make_clip(ipa=("", "p", "ɑː", ""))
    part = clip.between(6000, 12000)
    assert part.faults() == []
    assert len(part) == 6000
    assert [phone.label for phone in part.phones] == ["P", "AA"]
    assert part.ipa == ("p", "ɑː")
    assert part.words == (Segment("pa", 0, 6000),)
    assert np.array_equal(part.audio, clip.audio[6000:12000])


def test_a_child_knows_its_parent_and_its_root():
    child = make_clip("a").child("x", Op.of("stretch", factor=1.5)).child("y", Op.of("gain", db=3))
    assert (child.clip_id, child.parent_id, child.root_id) == ("a+x+y", "a+x", "a")
    assert [op.read() for op in child.ops] == [{"factor": 1.5}, {"db": 3}]


def test_the_labels_digest_changes_with_any_label_and_with_the_audio():
    clip = make_clip()
    moved = (clip.phones[0], Segment("B", 4000, 8000), *clip.phones[2:])
    digests = {
        clip.labels_digest(),
        clip.with_(phones=moved).labels_digest(),
        clip.with_(audio=to_grid(clip.audio * 0.5)).labels_digest(),
    }
    assert len(digests) == 3
    assert clip.with_(speaker="other").labels_digest() == clip.labels_digest()


def test_scores_are_sorted_and_replaced_by_name():
    clip = make_clip().with_scores(b=1, a=2).with_scores(b=3)
    assert clip.scores == (("a", 2.0), ("b", 3.0))


def test_equality_compares_samples():
    clip = make_clip()
    assert clip == make_clip()
    assert clip != clip.with_(audio=to_grid(clip.audio * 0.5))


def test_errors_keep_their_parts_on_the_way_home_from_a_worker():
    error = pickle.loads(pickle.dumps(EngineMissing("no flite", where="here", remedy="install it")))
    assert type(error) is EngineMissing
    assert str(error) == "here: no flite. install it"


def test_samples_that_are_not_numbers_are_refused():
    with pytest.raises(BadAudio, match="not finite"):
        to_grid(np.array([0.0, np.inf]))
