from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment import find_transform, replay, world
from augment.timemap import phone_stretches, time_map
from augment.voice import PEAK, VoiceParams, VoiceSettings, keep_level, voice_map
from augment.world import WorldParams, analyse
from clips import BadAudio, BadParams, Clip, Op, Segment, draw_stream, to_grid
from tests.augment.conftest import make_bursts
from tests.augment.measure import boundary_shifts, delays, level

NAMES = ("world", "praat")
PARAMS = {"world": WorldParams, "praat": VoiceParams}
CHANGES = [
    {"tempo": 1 / 1.4, "semitones": -6},
    {"tempo": 1 / 1.4, "semitones": 6, "uneven": 1.5},
    {"tempo": 1 / 0.7, "semitones": 6},
    {"tempo": 1 / 0.7, "semitones": -6, "formants": 1.1, "uneven": 1.0},
    {"semitones": 4, "formants": 0.9, "pitch_range": 0.3},
    {"tempo": 0.9, "pitch_median": 200.0, "pitch_range": 1.5},
]


def changed(name: str, clip: Clip, *values: float, **more: float) -> Clip:
    return find_transform(name).apply(clip, PARAMS[name](*values, **more))


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


@pytest.mark.parametrize("name", NAMES)
def test_edges_of_bursts_stay_at_their_labels(name):
    clips = [make_bursts(seed) for seed in range(2)]
    errors = np.array(
        [e for p in CHANGES for c in clips for e in edge_errors(changed(name, c, **p))]
    )
    assert np.median(np.abs(errors)) <= 2
    assert np.mean(np.abs(errors) <= 10) >= 0.95
    assert abs(np.median(errors)) <= 1  # no systematic delay


@pytest.mark.parametrize("name", NAMES)
def test_speech_stays_where_its_labels_are(name, speech):
    pairs = [(c, changed(name, c, **p), PARAMS[name](**p)) for p in CHANGES for c in speech]
    maps = [voice_map(parent, params) for parent, _, params in pairs]
    found = [d for (c, child, _), moved in zip(pairs, maps) for d in delays(c, child, moved)]
    assert len(found) > 100
    assert np.median(np.abs(found)) <= 2
    assert np.mean(np.abs(found) <= np.float64(10)) >= 0.95
    edges = [
        e for (c, child, _), moved in zip(pairs, maps) for e in boundary_shifts(c, child, moved)
    ]
    assert len(edges) > 200
    assert abs(np.median(edges)) <= 2
    assert np.mean(np.abs(edges) <= np.float64(10)) >= 0.95


@pytest.mark.parametrize("name", NAMES)
def test_all_labels_move_together(name, bursts):
    child = changed(name, bursts, 0.8, 2, 1.1)
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
    changed(name, speech[1], 1.2, 3, 1.1)  # what was made before does not matter
    assert replay(parent, child.ops[-1]) == child


@pytest.mark.parametrize("name", NAMES)
def test_another_process_makes_the_same_bytes(name):
    here = changed(name, make_bursts(), 0.9, 1, 1.05)
    code = (
        "from tests.augment.test_voice import changed, make_bursts\n"
        f"c = changed({name!r}, make_bursts(), 0.9, 1, 1.05)\n"
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
        child = changed(name, parent, 0.9, 3, 1.1)
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
    child = changed(name, parent, 0.8, 4, 1.1)
    assert np.abs(child.audio[:9500]).max() < 1e-3
    nothing = parent.with_(audio=np.zeros(len(parent), np.float32))
    assert np.abs(changed(name, nothing, 0.8, 4, 1.1).audio).max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_pitch_moves_by_the_semitones(name, speech):
    for semitones in (-5.0, 5.0):
        parent, child = (
            speech[1],
            changed(name, speech[1], 1, semitones, 1),
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
        child = changed(name, parent, 1, 0, factor)
        power = np.abs(np.fft.rfft(child.audio)) ** 2
        middle = (power * np.fft.rfftfreq(len(child), 1 / 16000)).sum() / power.sum()
        assert middle == pytest.approx(2000 * factor, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("samples", [1, 100, 1599])
def test_a_very_short_clip_is_refused(name, samples):
    tiny = Clip("x", np.zeros(samples, np.float32), "a", "en", "s", "t", "CC0-1.0", "")
    with pytest.raises(BadAudio, match="too short"):
        changed(
            name,
            tiny,
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_shortest_clip_is_transformed(name):
    rng = np.random.default_rng(0)
    clip = Clip("x", to_grid(rng.normal(0, 0.1, 1600)), "a", "en", "s", "t", "CC0-1.0", "")
    assert len(changed(name, clip, 0.8, 2, 1.1)) == 2000


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


def stretched(clip: Clip, tempo: float, uneven: float = 0.0) -> Clip:
    """The clip with its labels moved as a voice transform moves them (no sound)."""
    moved = time_map(clip, phone_stretches(clip, 1 / tempo, uneven) if uneven else 1 / tempo)
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
@given(
    st.sampled_from(NAMES),
    st.fixed_dictionaries(
        {"tempo": st.floats(0.5, 2.0), "semitones": st.floats(-12, 12),
         "formants": st.floats(0.7, 1.4), "uneven": st.floats(0, 2),
         "pitch_range": st.floats(0, 2), "pitch_median": st.sampled_from([0.0, 70.0, 400.0])}
    ),
)  # fmt: skip
def test_any_parameters_give_a_valid_child(name, values):
    parent = make_bursts().between(0, 16000)
    child = changed(name, parent, **values)
    assert child.faults() == []
    expected = sum(
        phone_stretches(parent, 1 / values["tempo"], values["uneven"])
        * np.array([phone.samples for phone in parent.phones])
    )
    assert len(child) == pytest.approx(expected, abs=0.51)


def test_the_level_of_silence_is_left_alone():
    zeros = np.zeros(100)
    assert np.array_equal(keep_level(zeros + 0.1, zeros), zeros)
    assert VoiceSettings().tempo == (0.75, 1.33)


def durations(clip: Clip) -> dict[str, int]:
    totals: dict[str, int] = {}
    for phone in clip.phones:
        totals[phone.label] = totals.get(phone.label, 0) + phone.samples
    return totals


@pytest.mark.parametrize("name", NAMES)
def test_vowels_stretch_more_than_stops(name):
    clip = labelled([3000] * 8)
    clip = clip.with_(
        audio=make_bursts().audio[: len(clip)],
        phones=tuple(
            Segment(label, p.start, p.end)
            for label, p in zip("SIL P AA S AE M IY T".split(), clip.phones)
        ),
    )
    for tempo in (0.7, 1.4):
        child = changed(name, clip, tempo, uneven=1.0)
        stretch = {label: n / 3000 for label, n in durations(child).items()}
        for label, power in (("AA", 1.18), ("M", 0.94), ("P", 0.82), ("S", 0.71), ("SIL", 1)):
            assert stretch[label] == pytest.approx((1 / tempo) ** power, abs=0.001)


varied = st.lists(st.tuples(st.sampled_from("P AA S M SIL IY".split()), st.integers(8, 4000)))


@given(varied.filter(lambda x: sum(n for _, n in x) >= 1600), st.floats(0.5, 2), st.floats(0, 2))
def test_an_uneven_tempo_and_its_inverse_return_every_label_to_the_sample(phones, tempo, uneven):
    parent = labelled([n for _, n in phones])
    named = tuple(Segment(x, p.start, p.end) for (x, _), p in zip(phones, parent.phones))
    parent = parent.with_(phones=named, words=(Segment("w", 3, len(parent) - 3),))
    away = stretched(parent, tempo, uneven)
    back = stretched(away, 1 / tempo, uneven)
    if len(away.phones) == len(parent.phones):  # no phone was lost on the way
        assert (back.phones, back.words) == (parent.phones, parent.words)


@pytest.mark.parametrize("name", NAMES)
def test_pitch_movements_are_scaled_around_the_median(name, speech):
    parent = speech[1]
    before = analyse(parent).f0
    spread = {}
    for scale in (0.0, 1.0, 1.6):
        after = analyse(changed(name, parent, 1.0, 0.0, 1.0, pitch_range=scale)).f0
        both = (after > 0) & (before > 0)
        # What an octave error of the pitch tracker does to one frame does not count.
        spread[scale] = np.subtract(*np.percentile(12 * np.log2(after[both]), [75, 25]))
        assert np.median(after[both]) == pytest.approx(np.median(before[both]), rel=0.06)
    assert spread[0.0] < 0.6
    assert spread[1.6] == pytest.approx(1.6 * spread[1.0], rel=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_the_pitch_moves_to_another_speakers_median(name, speech):
    for parent in speech:
        child = changed(name, parent, 1.0, 2.0, 1.0, pitch_median=150.0)
        f0 = analyse(child).f0
        assert np.median(f0[f0 > 0]) == pytest.approx(150 * 2 ** (2 / 12), rel=0.05)


def test_breath_makes_the_voice_noisier_up_to_a_whisper(speech):
    parent = speech[0]
    heard = [analyse(changed("world", parent, breath=b)) for b in (0.0, 0.5, 1.0)]
    voiced = analyse(parent).f0 > 0
    noise = [np.mean(found.noise[voiced]) for found in heard]
    assert noise[0] + 2 < noise[1] < noise[2] - 2  # dB at 3 kHz
    periodic = [np.mean(found.noise[voiced] < 0) for found in heard]
    assert periodic[1] > 0.8
    assert periodic[2] < 0.3


def test_variants_of_a_clip_share_one_analysis(speech, monkeypatch):
    library, calls = world.load_pyworld(), []

    class Counting:
        def __getattr__(self, key):
            calls.append(key)
            return getattr(library, key)

    monkeypatch.setattr(world, "load_pyworld", Counting)
    parent = speech[0].with_(audio=to_grid(speech[0].audio * 0.5))
    for tempo in (0.8, 1.0, 1.2):
        changed("world", parent, tempo)
    assert calls.count("d4c") == calls.count("cheaptrick") == 1
    assert calls.count("synthesize") == 3


def test_an_op_of_an_earlier_version_still_says_what_was_done():
    op = Op.of("world", tempo=1.1, semitones=2.0, formants=1.0, samples=5, carry="00")
    assert find_transform("world").read(op) == WorldParams(1.1, 2.0)
    assert find_transform("praat").read(op) == VoiceParams(1.1, 2.0)


@pytest.mark.parametrize(
    ("name", "values", "key"),
    [
        ("world", {"pitch_median": [20, 100]}, "pitch_median"),
        ("world", {"pitch_median": [0, 100]}, "pitch_median"),
        ("world", {"breath": [0, 2]}, "breath"),
        ("world", {"uneven": [-1, 0]}, "uneven"),
        ("praat", {"pitch_range": [0, 5]}, "pitch_range"),
        ("praat", {"breath": [0, 1]}, "breath"),
    ],
)
def test_a_wrong_setting_of_one_transform_is_named(name, values, key):
    with pytest.raises(BadParams, match=key):
        find_transform(name, values)


def test_the_new_settings_are_drawn_and_replayed(speech):
    transform = find_transform(
        "world",
        {"uneven": [0.5, 1.5], "pitch_range": [0.3, 0.9], "pitch_median": [90, 250],
         "breath": [0.1, 0.6]},
    )  # fmt: skip
    params = transform.draw(draw_stream(1, "augment", "x"), speech[0])
    assert 0.5 <= params.uneven <= 1.5
    assert 0.3 <= params.pitch_range <= 0.9
    assert 90 <= params.pitch_median <= 250
    assert 0.1 <= params.breath <= 0.6
    child = transform.apply(speech[0], params)
    assert replay(speech[0], child.ops[-1]) == child


def test_the_measures_see_a_sound_that_lies_elsewhere(speech):
    parent, params = speech[1], WorldParams(0.8, 3.0)
    child = find_transform("world").apply(parent, params)
    late = child.with_(audio=np.roll(child.audio, 15 * 16))
    moved = voice_map(parent, params)
    assert np.median(boundary_shifts(parent, late, moved)) == pytest.approx(15, abs=2)
    assert np.median(delays(parent, late, moved)) == pytest.approx(15, abs=2)
