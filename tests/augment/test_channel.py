"""Laws of every transform that leaves time alone, and of the two that cut and join."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment import find_transform
from augment.drawn import DrawnTransform
from augment.pool import Pool
from augment.voice import PEAK
from clips import BadAudio, BadParams, Clip, Op, draw_stream, to_grid
from pipelines.truth import read_truth
from tests.augment.conftest import make_bursts
from tests.augment.measure import landmark_shifts, local_lags
from tests.augment.test_voice import edge_errors
from tests.conftest import SHARED
from visemes.inventory import load_inventory

CHANNELS = ("babble", "band", "clipping", "codec", "equaliser", "gain", "noise", "room")
ALL = (*CHANNELS, "excerpt", "join")
MODERATE = {
    "noise": {"snr_db": [25, 40]},
    "babble": {"snr_db": [25, 40]},
    "clipping": {"over_db": [2, 6]},
}


@cache
def others() -> Pool:
    return Pool(make_bursts(seed) for seed in range(10, 16))


def make(name: str, values: dict | None = None) -> DrawnTransform:
    if name == "room":
        pytest.importorskip("pyroomacoustics", reason="pyroomacoustics is not installed")
    transform = find_transform(name, values)
    transform.pool = others()
    return transform


def drawn_child(name: str, clip: Clip, seed: int = 1, values: dict | None = None) -> Clip:
    transform = make(name, values)
    return transform.apply(clip, transform.draw(draw_stream(seed, name, clip.clip_id), clip))


@pytest.mark.parametrize("name", CHANNELS)
def test_labels_and_history_stay(name, bursts):
    child = drawn_child(name, bursts)
    for tier in ("phones", "words", "visemes", "ipa", "text", "speaker", "timing", "split"):
        assert getattr(child, tier) == getattr(bursts, tier)
    assert len(child) == len(bursts)
    assert not np.array_equal(child.audio, bursts.audio)
    assert child.parent_id == bursts.clip_id
    assert child.ops[-1].name == name
    assert np.abs(child.audio).max() <= PEAK + 1e-4


@pytest.mark.parametrize("name", ALL)
def test_a_child_can_be_made_again_from_its_parent_and_op(name, speech):
    transform = make(name)
    for clip in [make_bursts()] if name == "join" else speech:
        child = drawn_child(name, clip)
        make(name).apply(make_bursts(1), transform.draw(draw_stream(1, "", "y"), make_bursts(1)))
        op = Op(child.ops[-1].name, child.ops[-1].params)
        assert transform.apply(clip, transform.read(op)) == child


@pytest.mark.parametrize("name", ALL)
def test_drawing_depends_on_the_stream_alone(name, bursts):
    transform = make(name)
    drawn = [transform.draw(draw_stream(1, "augment", str(n)), bursts) for n in range(30)]
    again = [make(name).draw(draw_stream(1, "augment", str(n)), bursts) for n in range(30)]
    assert drawn == again
    assert len(set(drawn)) > 8  # of codecs and bitrates there are only 13


def test_another_process_makes_the_same_bytes():
    names = [name for name in ALL if name != "room"]
    code = (
        "from tests.augment.test_channel import drawn_child\n"
        "from tests.augment.conftest import make_bursts\n"
        f"for n in {names}: print(drawn_child(n, make_bursts()).labels_digest())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [drawn_child(name, make_bursts()).labels_digest() for name in names]
    assert run.stdout.split() == here


@pytest.mark.parametrize("name", ("band", "clipping", "codec", "equaliser", "gain"))
def test_edges_of_bursts_stay_at_their_labels(name):
    # Clipping and loud gain bend the tops of a burst, so its half level is crossed elsewhere.
    values = {"clipping": {"over_db": [2, 6]}, "gain": {"gain_db": [-30, 6]}}.get(name)
    clips = [make_bursts(seed) for seed in range(6)]
    errors = np.array([e for c in clips for e in edge_errors(drawn_child(name, c, 1, values))])
    assert abs(np.median(errors)) <= 1
    assert np.median(np.abs(errors)) <= 2
    assert np.mean(np.abs(errors) <= 10) >= 0.95


@pytest.mark.parametrize("name", CHANNELS)
def test_speech_stays_where_its_labels_are(name, speech):
    shifts, lags = [], []
    for clip in speech:
        for seed in range(3):
            child = drawn_child(name, clip, seed, MODERATE.get(name))
            shifts += landmark_shifts(clip, child)
            lags += list(local_lags(clip, child))
    assert len(shifts) > 100
    assert abs(np.median(shifts)) <= 2
    assert abs(np.median(lags)) <= 1  # sample
    if name in ("room", "noise", "babble"):  # which hide edges
        return
    assert np.mean(np.abs(lags) <= 16) >= 0.98
    # Where a band is gone or loud sounds are bent, some edges are seen elsewhere though none moved.
    seen = {"codec": 0.85, "band": 0.85, "clipping": 0.9}.get(name, 0.95)
    assert np.mean(np.abs(shifts) <= 10) >= seen


@pytest.fixture(scope="module")
def people() -> list[Clip]:
    """Twenty sentences of people, labelled by hand."""
    if not SHARED.is_dir():
        pytest.skip("needs the recordings in ../shared, which are not part of the project")
    truths = read_truth(SHARED / "speech" / "emodb", load_inventory("cherry12"))
    return [truth.clip for truth in truths[::13][:20]]


@pytest.mark.parametrize("name", ("band", "clipping", "codec", "equaliser", "gain"))
def test_speech_of_people_stays_where_its_labels_are(name, people):
    shifts, lags = [], []
    for clip in people:
        child = drawn_child(name, clip, 1, MODERATE.get(name))
        shifts += landmark_shifts(clip, child)
        lags += list(local_lags(clip, child))
    assert len(shifts) > 300
    assert np.median(shifts) == 0
    assert np.mean(np.abs(shifts) <= 10) >= (0.9 if name == "codec" else 0.95)
    assert np.mean(np.abs(lags) <= 16) >= 0.99


def test_the_measures_see_a_shift(speech):
    late = speech[0].with_(audio=np.roll(speech[0].audio, 80))
    assert np.median(local_lags(speech[0], late)) == 80
    assert np.median(landmark_shifts(speech[0], late)) == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("name", CHANNELS)
def test_silence_gives_no_error_and_little_sound(name):
    parent = make_bursts()
    nothing = parent.with_(audio=np.zeros(len(parent), np.float32))
    assert np.abs(drawn_child(name, nothing).audio).max() < 0.001


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 4000),
    st.sampled_from([n for n in CHANNELS if n not in ("room",)]),
    st.integers(0, 99),
)
def test_any_length_gives_a_valid_child(samples, name, seed):
    rng = np.random.default_rng(seed)
    audio = to_grid(rng.normal(0, 0.2, samples))
    clip = Clip("c", audio, "t", "en", "s", "t", "CC0-1.0", "")
    try:
        assert drawn_child(name, clip, seed).faults() == []
    except BadAudio as error:  # a codec may find nothing worth coding in a few samples
        assert samples < 400
        assert "nothing to hear" in str(error)


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_setting_is_named(name):
    with pytest.raises(BadParams, match=f"{name} has no setting 'loud'.*known settings"):
        find_transform(name, {"loud": 1})
    with pytest.raises(BadParams):
        find_transform(name).read(Op.of(name, wrong=1))


def test_a_clip_that_would_vanish_is_refused(bursts):
    quiet = bursts.with_(audio=to_grid(bursts.audio * 0.01))
    with pytest.raises(BadAudio, match="nothing to hear"):
        find_transform("gain").apply(quiet, find_transform("gain").Params(-40))
