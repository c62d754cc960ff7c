from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment import find_transform, replay
from augment.timemap import time_map
from augment.voice import PEAK, VoiceParams, VoiceSettings, keep_level
from augment.world import analyse
from clips import BadAudio, BadParams, Clip, Op, Segment, draw_stream, to_grid
from tests.augment.conftest import make_bursts

NAMES = ("world", "praat")
CHANGES = [
    VoiceParams(0.714, -6, 1.0),
    VoiceParams(0.714, 6, 1.0),
    VoiceParams(1.4, 6, 1.0),
    VoiceParams(1.4, -6, 1.1),
    VoiceParams(1.0, 4, 0.9),
]


def level(audio: np.ndarray, width: int) -> np.ndarray:
    """RMS over `width` samples around each sample."""
    return np.sqrt(np.convolve(np.square(audio, dtype=np.float64), np.ones(width) / width, "same"))


def edge_errors(clip: Clip) -> list[float]:
    """Milliseconds from each label boundary of bursts to where the sound crosses half the level."""
    loudness = level(clip.audio, 80)
    errors = []
    for before, after in zip(clip.phones, clip.phones[1:]):
        burst = before if after.label == "SIL" else after
        half = np.median(loudness[burst.start + 200 : burst.end - 200]) / 2
        first = before.end - 800
        loud = loudness[first : before.end + 800] > half
        rising = loud[1:] & ~loud[:-1] if burst is after else ~loud[1:] & loud[:-1]
        crossings = np.flatnonzero(rising) + 1
        errors.append(min((first + c - before.end for c in crossings), key=abs) / 16)
    return errors


def delays(parent: Clip, child: Clip, tempo: float) -> list[float]:
    """Milliseconds by which the child's loudness follows the parent's, tempo undone: best match of
    windows of 150 ms, for windows in which something happens."""
    ours, theirs = (10 * np.log10(level(c.audio, 160) ** 2 + 1e-7) for c in (parent, child))
    wanted = np.interp(np.arange(len(theirs)) * tempo, np.arange(len(ours)), ours)
    found = []
    for start in range(800, len(theirs) - 3200, 800):
        window = wanted[start : start + 2400]
        if window.std() < 6:  # dB
            continue
        fits = {
            shift: np.corrcoef(window, theirs[start + shift : start + shift + 2400])[0, 1]
            for shift in range(-400, 401, 8)
        }
        best = max(fits, key=fits.get)
        if fits[best] > 0.8:
            found.append(best / 16)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_edges_of_bursts_stay_at_their_labels(name):
    transform = find_transform(name)
    clips = [make_bursts(seed) for seed in range(2)]
    errors = np.array(
        [e for p in CHANGES for c in clips for e in edge_errors(transform.apply(c, p))]
    )
    assert np.median(np.abs(errors)) <= 2
    assert np.mean(np.abs(errors) <= 10) >= 0.95
    assert abs(np.median(errors)) <= 1  # no systematic delay


@pytest.mark.parametrize("name", NAMES)
def test_speech_stays_where_its_labels_are(name, speech):
    transform = find_transform(name)
    found = np.array(
        [d for p in CHANGES for c in speech for d in delays(c, transform.apply(c, p), p.tempo)]
    )
    assert len(found) > 100
    assert np.median(np.abs(found)) <= 2
    assert np.mean(np.abs(found) <= 10) >= 0.95


@pytest.mark.parametrize("name", NAMES)
def test_all_labels_move_together(name, bursts):
    child = find_transform(name).apply(bursts, VoiceParams(0.8, 2, 1.1))
    assert len(child) == round(len(bursts) / 0.8)
    assert [p.label for p in child.phones] == [p.label for p in bursts.phones]
    assert child.ipa == bursts.ipa
    for old, new in ((bursts.words, child.words), (bursts.phones, child.phones)):
        for a, b in zip(old, new, strict=True):
            assert abs(b.start - a.start / 0.8) <= 0.5
            assert abs(b.end - a.end / 0.8) <= 0.5
    assert [v.start for v in child.visemes] == [p.start for p in child.phones]
    assert child.parent_id == bursts.clip_id
    assert child.root_id == bursts.root_id
    assert child.timing == bursts.timing


@pytest.mark.parametrize("name", NAMES)
def test_a_child_can_be_made_again_from_its_parent_and_op(name, speech):
    transform = find_transform(name)
    parent = speech[0]
    child = transform.apply(parent, transform.draw(draw_stream(3, "augment", "x"), parent))
    transform.apply(speech[1], VoiceParams(1.2, 3, 1.1))  # what was made before does not matter
    assert replay(parent, child.ops[-1]) == child


@pytest.mark.parametrize("name", NAMES)
def test_another_process_makes_the_same_bytes(name):
    here = find_transform(name).apply(make_bursts(), VoiceParams(0.9, 1, 1.05))
    code = (
        "from augment import find_transform; from augment.voice import VoiceParams\n"
        "from tests.augment.conftest import make_bursts\n"
        f"c = find_transform({name!r}).apply(make_bursts(), VoiceParams(0.9, 1, 1.05))\n"
        "print(c.labels_digest())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == here.labels_digest()


@pytest.mark.parametrize("name", NAMES)
def test_the_level_is_kept_and_nothing_clips(name, speech):
    for parent in (
        speech[0],
        speech[0].with_(audio=to_grid(speech[0].audio / speech[0].audio.max())),
    ):
        child = find_transform(name).apply(parent, VoiceParams(0.9, 3, 1.1))
        change = 20 * np.log10(child.audio.std() / parent.audio.std())
        assert np.abs(child.audio).max() <= PEAK + 1e-4
        assert change < 0.05
        assert change > -3.5  # a full-scale parent must come down a little


@pytest.mark.parametrize("name", NAMES)
def test_silence_stays_silent(name):
    parent = make_bursts()
    zeros = np.zeros(8000, np.float32)
    parent = parent.with_(
        audio=np.concatenate([zeros, parent.audio]),
        phones=(Segment("SIL", 0, 8000), *(p.moved(8000) for p in parent.phones)),
        words=(),
        ipa=(),
        visemes=(),
    )
    child = find_transform(name).apply(parent, VoiceParams(0.8, 4, 1.1))
    assert np.abs(child.audio[:9500]).max() < 1e-3
    nothing = parent.with_(audio=np.zeros(len(parent), np.float32))
    assert np.abs(find_transform(name).apply(nothing, VoiceParams(0.8, 4, 1.1)).audio).max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_pitch_moves_by_the_semitones(name, speech):
    for semitones in (-5.0, 5.0):
        parent, child = (
            speech[1],
            find_transform(name).apply(speech[1], VoiceParams(1, semitones, 1)),
        )
        before, after = (np.median(f[f > 0]) for f in (analyse(parent).f0, analyse(child).f0))
        assert 12 * np.log2(after / before) == pytest.approx(semitones, abs=0.5)


@pytest.mark.parametrize("name", NAMES)
def test_formants_move_by_their_factor(name):
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(0, 0.05, 32000))
    hertz = np.fft.rfftfreq(32000, 1 / 16000)
    peak = np.fft.irfft(spectrum * np.exp(-(((hertz - 2000) / 300) ** 2)))  # one resonance
    parent = make_bursts().with_(
        audio=to_grid(peak), phones=(Segment("S", 0, 32000),), words=(), ipa=(), visemes=()
    )
    for factor in (0.9, 1.15):
        child = find_transform(name).apply(parent, VoiceParams(1, 0, factor))
        power = np.abs(np.fft.rfft(child.audio)) ** 2
        middle = (power * np.fft.rfftfreq(len(child), 1 / 16000)).sum() / power.sum()
        assert middle == pytest.approx(2000 * factor, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("samples", [1, 100, 1599])
def test_a_very_short_clip_is_refused(name, samples):
    tiny = Clip("x", np.zeros(samples, np.float32), "a", "en", "s", "t", "CC0-1.0", "")
    with pytest.raises(BadAudio, match="too short"):
        find_transform(name).apply(tiny, VoiceParams())


@pytest.mark.parametrize("name", NAMES)
def test_the_shortest_clip_is_transformed(name):
    rng = np.random.default_rng(0)
    clip = Clip("x", to_grid(rng.normal(0, 0.1, 1600)), "a", "en", "s", "t", "CC0-1.0", "")
    assert len(find_transform(name).apply(clip, VoiceParams(0.8, 2, 1.1))) == 2000


@pytest.mark.parametrize("name", NAMES)
def test_drawing_depends_on_the_stream_alone(name, bursts):
    transform = find_transform(name, {"tempo": [0.9, 1.1], "semitones": [1, 2], "formants": [1, 1]})
    drawn = [transform.draw(draw_stream(1, "augment", str(n)), bursts) for n in range(50)]
    assert drawn[0] == transform.draw(draw_stream(1, "augment", "0"), bursts)
    assert len(set(drawn)) == 50
    assert all(0.9 <= p.tempo <= 1.1 and 1 <= p.semitones <= 2 and p.formants == 1 for p in drawn)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"tempo": [0.1, 1.0]}, "tempo"),
        ({"tempo": [1.2, 0.9]}, "tempo"),
        ({"tempo": 1.0}, "tempo"),
        ({"tempo": ["a", "b"]}, "tempo"),
        ({"semitones": [-40, 0]}, "semitones"),
        ({"formants": [1.0, float("nan")]}, "formants"),
        ({"speed": [1, 1]}, "speed"),
    ],
)
def test_a_wrong_setting_is_named(values, key):
    with pytest.raises(BadParams, match=key):
        find_transform("world", values)


@pytest.mark.parametrize("values", [{"tempo": 0.2}, {"semitones": 13}, {"formants": "1"}])
def test_wrong_parameters_are_named(values):
    with pytest.raises(BadParams, match=next(iter(values))):
        VoiceParams(**values)


def test_an_unknown_transform_lists_the_known_ones(bursts):
    with pytest.raises(BadParams, match="praat, response, room, world"):
        find_transform("nothing")
    with pytest.raises(BadParams):
        replay(bursts, Op.of("align", aligner="x"))
    with pytest.raises(BadParams, match="tempo"):
        replay(bursts, Op.of("world", semitones=1))


def labelled(lengths: list[int]) -> Clip:
    """A clip of silent audio whose phones have these lengths in samples."""
    phones, at = [], 0
    for number, samples in enumerate(lengths):
        phones.append(Segment("AA" if number % 2 else "S", at, at + samples))
        at += samples
    audio = np.zeros(at, np.float32)
    ipa = tuple(phone.label for phone in phones)
    values = {"words": (phones[0],), "phones": tuple(phones), "ipa": ipa, "timing": "exact"}
    return Clip(
        "c",
        audio,
        "t",
        "en",
        "s",
        "t",
        "CC0-1.0",
        "",
        **values,
    )


def stretched(clip: Clip, tempo: float) -> Clip:
    """The clip with its labels moved as a voice transform moves them (no sound)."""
    moved = time_map(clip, 1 / tempo)
    op = Op.of("world", tempo=tempo, carry=moved.carry)
    return clip.child("x", op, audio=np.zeros(moved.length, np.float32), **moved.labels(clip))


lengths = st.lists(st.integers(1, 4000), min_size=1, max_size=12).filter(lambda x: sum(x) >= 1600)


@given(lengths, st.floats(0.5, 2.0))
def test_phones_tile_after_any_tempo(samples, tempo):
    child = stretched(labelled(samples), tempo).validate()
    assert abs(len(child) - sum(samples) / tempo) <= 0.5


@given(lengths.filter(lambda x: min(x) >= 4), st.floats(0.5, 2.0))
def test_a_tempo_and_its_inverse_return_every_label_to_the_sample(samples, tempo):
    parent = labelled(samples)
    back = stretched(stretched(parent, tempo), 1 / tempo)
    assert len(back) == len(parent)
    assert back.phones == parent.phones
    assert back.words == parent.words


@given(lengths.filter(lambda x: min(x) >= 8), st.lists(st.floats(0.8, 1.25), max_size=5))
def test_many_tempos_return_together(samples, tempos):
    parent = clip = labelled(samples)
    for tempo in tempos:
        clip = stretched(clip, tempo)
    back = stretched(clip, float(1 / np.prod(tempos)))
    assert all(abs(a.end - b.end) <= 1 for a, b in zip(parent.phones, back.phones, strict=True))


def test_a_rest_is_not_used_once_the_labels_have_changed():
    child = stretched(labelled([1001, 999, 1003]), 1.3)
    merged = child.with_(phones=(Segment("S", 0, len(child)),), ipa=(), words=())
    assert time_map(merged, 1.3).length == round(len(child) * 1.3)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.5, 2.0), st.floats(-12, 12), st.floats(0.7, 1.4), st.sampled_from(NAMES))
def test_any_parameters_give_a_valid_child(tempo, semitones, formants, name):
    parent = make_bursts().between(0, 16000)
    child = find_transform(name).apply(parent, VoiceParams(tempo, semitones, formants))
    assert child.faults() == []
    assert len(child) == pytest.approx(16000 / tempo, abs=0.51)


def test_the_level_of_silence_is_left_alone():
    zeros = np.zeros(100)
    assert np.array_equal(keep_level(zeros + 0.1, zeros), zeros)
    assert VoiceSettings().tempo == (0.75, 1.33)
