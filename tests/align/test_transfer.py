from __future__ import annotations

import csv
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.landmarks import STOPS
from align.measure import compare, total
from align.transfer import SHORTEST_PAUSE, TransferLimits, transfer, transfer_from
from align.warping import HOP, _Search, hear, voice_blind
from clips import (
    RATE,
    SILENCE,
    BadAudio,
    BadLabels,
    BadParams,
    BadText,
    Clip,
    EngineFailed,
    Segment,
    read_audio,
    tile,
    to_grid,
)
from synth import Prompt, find_engine
from visemes.phonesets import guess_phoneset, read_label_file, to_phones

TEXT = "The birch canoe slid on the smooth planks, and she sells sea shells."
OTHER_TEXT = "Four hours of steady work faced us while a large size in stockings is hard to sell."


@pytest.fixture(scope="module")
def say():
    """say(text, voice number) -> a clip by espeak, which knows its timing."""
    engine = find_engine("espeak")
    voices = list(engine.voices("en"))

    def make(text: str = TEXT, number: int = 0) -> Clip:
        voice = voices[number * 7 % len(voices)]
        prompt = Prompt(prompt_id="t", language=voice.language, split="", text=text)
        params = engine.draw(np.random.default_rng(number), prompt, voice)
        return engine.speak(prompt, voice, params, f"espeak-{number}")

    return make


def bare(clip: Clip, clip_id: str = "bare", **changes) -> Clip:
    """The clip as a recording of which nobody has labels."""
    nothing = {"words": (), "phones": (), "ipa": (), "timing": "none", "scores": ()}
    return clip.with_(clip_id=clip_id, **{**nothing, **changes})


def stretched(clip: Clip, factor: float) -> tuple[np.ndarray, tuple[Segment, ...]]:
    """Sound and phones made longer by `factor`, the pitch kept: windows overlapped and added."""
    window, hop = 512, 128
    shape = np.hanning(window)
    length = round(len(clip) * factor)
    out, weight = np.zeros(length + window), np.zeros(length + window)
    padded = np.pad(clip.audio, (0, 2 * window))
    last = padded[:window]
    for at in range(0, length, hop):
        # Of the windows near the wanted place, the one that goes on where the last left off.
        wanted = min(round(at / factor), len(clip))
        tries = range(max(wanted - 160, 0), wanted + 160, 4)
        best = max(tries, key=lambda n: float(padded[n : n + window] @ last))
        out[at : at + window] += padded[best : best + window] * shape
        weight[at : at + window] += shape
        last = padded[best + hop : best + hop + window]
        last = np.pad(last, (0, window - len(last)))
    bounds = [round(phone.end * factor) for phone in clip.phones]
    phones = tuple(
        Segment(phone.label, start, end)
        for phone, start, end in zip(clip.phones, [0, *bounds], bounds)
    )
    return to_grid(out[:length] / np.maximum(weight[:length], 0.1)), phones


def test_a_clip_carried_to_itself_keeps_its_labels(say):
    clip = say()
    same = transfer(clip, bare(clip))
    assert [p.label for p in same.phones] == [p.label for p in clip.phones]
    # Refined boundaries move to where the sound changes; before that they are a hop off at most.
    found = compare(clip.phones, same.phones)
    assert found.median_ms <= 10
    assert max(map(abs, found.errors)) <= 3 * HOP + HOP
    assert same.score["transfer_cost"] == pytest.approx(0, abs=0.1)
    assert same.score["transfer_tempo"] == pytest.approx(1, abs=0.01)


def test_a_carried_clip_says_where_its_labels_come_from(say):
    donor, other = say(number=0), say(number=1)
    carried = transfer(donor, bare(other, "bob", licence="CC-BY-4.0", attribution="Bob"))
    assert carried.timing == "transferred"
    assert (carried.clip_id, carried.parent_id) == ("bob", other.parent_id)
    assert (carried.licence, carried.attribution) == ("CC-BY-4.0", "Bob")
    op = carried.ops[-1]
    assert (op.name, op.read()["donors"]) == ("transfer", [donor.clip_id])
    assert len(carried.ipa) == len(carried.phones)
    assert all(0 <= phone.score <= 1 for phone in carried.phones)
    assert carried.score["confidence"] > 0.6
    assert [w.label for w in carried.words] == [w.label for w in donor.words]
    starts = {p.start for p in carried.phones}
    assert all(word.start in starts for word in carried.words)


def test_labels_go_from_voice_to_voice(say):
    voices = [say(number=n) for n in range(4)]
    found = total(
        compare(other.phones, transfer(donor, bare(other)).phones)
        for donor in voices[:2]
        for other in voices[2:]
    )
    assert found.mean_ms < 15
    assert found.f1 > 0.75


@pytest.mark.parametrize("factor", [0.75, 1.0, 1.4])
def test_a_stretched_copy_gives_stretched_labels(say, factor):
    clip = say(number=2)
    audio, phones = stretched(clip, factor)
    carried = transfer(clip, bare(clip, audio=audio))
    found = compare(phones, carried.phones)
    assert found.median_ms <= 10
    assert found.mean_ms <= 15
    assert carried.score["transfer_tempo"] == pytest.approx(1 / factor, rel=0.05)


@pytest.mark.parametrize("noise", [0.0, 0.003], ids=["clean", "noisy"])
@pytest.mark.parametrize("milliseconds", [150, 600])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
def test_a_pause_put_between_two_phones_becomes_silence(say, milliseconds, place, noise):
    clip = say(number=1)
    # Not beside a stop: its closure is silent by itself.
    at = next(
        b.start
        for a, b in pairwise(clip.phones)
        if b.start > place * len(clip) and not {a.label, b.label} & (STOPS | {SILENCE})
    )
    pause = milliseconds * RATE // 1000
    audio = np.concatenate([clip.audio[:at], np.zeros(pause, np.float32), clip.audio[at:]])
    audio = to_grid(audio + np.random.default_rng(1).normal(0, noise, len(audio)))
    carried = transfer(clip, bare(clip, audio=audio))
    silences = [p for p in carried.phones if p.label == SILENCE]
    overlap = max(min(s.end, at + pause) - max(s.start, at) for s in silences)
    assert overlap >= pause - 4 * HOP
    moved = [p.moved(pause) if p.start >= at else p for p in clip.phones]
    found = compare(tile(moved, len(audio), filler=SILENCE), carried.phones)
    assert found.mean_ms <= 15


def test_a_pause_of_the_donor_may_be_missing(say):
    with_pause = say(number=1)
    inner = next(p for p in with_pause.phones[1:-1] if p.label == SILENCE)
    audio = np.delete(with_pause.audio, np.arange(inner.start, inner.end))
    carried = transfer(with_pause, bare(with_pause, audio=audio))
    near = [p for p in carried.phones[1:-1] if p.label == SILENCE]
    assert not [p for p in near if abs(p.start - inner.start) < inner.samples]
    assert all(p.samples >= SHORTEST_PAUSE // 2 for p in near)


def test_another_text_is_refused_at_once(say):
    with pytest.raises(BadText, match="another text") as caught:
        transfer(say(), bare(say(OTHER_TEXT, 1), "bob"))
    assert "clip bob from donor espeak-0" in str(caught.value)


@pytest.mark.parametrize("number", range(1, 5))
def test_a_recording_that_says_something_else_is_refused(say, number):
    liar = bare(say(OTHER_TEXT, number), text=TEXT)
    with pytest.raises(EngineFailed, match="donor"):
        transfer(say(), liar)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: np.concatenate([a, a]), "tempo|sound like|silence"),
        (lambda a: a[: len(a) // 3], "tempo|sound like|silence"),
        (lambda a: a[8000:8300], "tempo"),
        (lambda a: a[::-1], "sound like"),
    ],
    ids=["twice", "a third", "300 samples", "backwards"],
)
def test_too_much_too_little_or_no_speech_is_refused(say, change, reason):
    other = say(number=3)
    with pytest.raises(EngineFailed, match=reason):
        transfer(say(), bare(other, audio=change(other.audio)))


def test_a_recording_without_sound_is_refused(say):
    with pytest.raises(BadAudio, match="no sound"):
        transfer(say(), bare(say(), audio=np.zeros(30_000)))


def test_a_donor_without_phones_is_refused(say):
    clip = say()
    with pytest.raises(BadLabels, match="no phones"):
        transfer(bare(clip), bare(clip))
    silent = clip.with_(phones=(Segment(SILENCE, 0, len(clip)),), ipa=("",))
    with pytest.raises(BadLabels, match="no phones"):
        transfer(silent, bare(clip))
    with pytest.raises(BadText, match="nobody"):
        transfer_from([], clip)


@pytest.mark.parametrize(
    "values", [{"min_silence": 1.5}, {"max_tempo": 0.5}, {"max_cost": 0.0}], ids=str
)
def test_limits_that_leave_nothing_are_refused(values):
    with pytest.raises(BadParams, match=next(iter(values))):
        TransferLimits(**values)


def test_donors_that_do_not_fit_are_left_out_and_the_others_are_combined(say):
    donors = [say(number=n) for n in range(3)]
    liar = say(OTHER_TEXT, 5).with_(text=TEXT)
    other = say(number=4)
    carried = transfer_from([liar, *donors], bare(other))
    assert carried.score["transfer_donors"] == 3
    assert sorted(carried.ops[-1].read()["donors"]) == sorted(d.clip_id for d in donors)
    assert carried.score["transfer_spread"] > 0
    assert compare(other.phones, carried.phones).mean_ms < 15


def test_the_median_of_donors_outvotes_one_with_wrong_times(say):
    right = say(number=0)
    bounds = [p.end for p in right.phones]
    late = [min(b + 1200, len(right) - 200 * (len(bounds) - n)) for n, b in enumerate(bounds)]
    wrong = right.with_(
        clip_id="late",
        words=(),
        phones=tuple(
            Segment(p.label, a, b)
            for p, a, b in zip(right.phones, [0, *late], [*late[:-1], len(right)])
        ),
    ).validate()
    other = say(number=1)
    alone = compare(other.phones, transfer(wrong, bare(other)).phones)
    outvoted = transfer_from([wrong, right.with_(clip_id="a"), say(number=2)], bare(other))
    assert compare(other.phones, outvoted.phones).mean_ms < alone.mean_ms / 2


def test_the_same_clips_give_the_same_labels(say):
    donors, other = [say(number=n) for n in range(2)], bare(say(number=3))
    assert transfer_from(donors, other) == transfer_from(donors, other)
    assert transfer_from(donors[::-1], other).phones == transfer_from(donors, other).phones


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_sound_gives_labels_that_tile_it_or_an_error_of_ours(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    clips = []
    for name in ("a", "b"):
        samples = data.draw(st.integers(500, 12_000))
        level = data.draw(st.sampled_from([0.0, 0.001, 0.3]))
        cuts = data.draw(st.lists(st.integers(1, samples - 1), max_size=6, unique=True))
        bounds = [0, *sorted(cuts), samples]
        labels = data.draw(
            st.lists(st.sampled_from(["SIL", "P", "AA", "S"]), min_size=7, max_size=7)
        )
        phones = tuple(Segment(x, a, b) for x, a, b in zip(labels, bounds, bounds[1:]))
        clips.append(
            Clip(
                name,
                to_grid(np.clip(rng.normal(0, level, samples), -0.9, 0.9)),
                "hm", "en", name, "test", "CC0-1.0", "",
                timing="manual", phones=phones,
            ).validate()
        )  # fmt: skip
    donor, other = clips
    try:
        carried = transfer(donor, bare(other), TransferLimits(9.0, 9.0, 0.0))
    except (BadAudio, BadLabels, EngineFailed):
        return
    carried.validate()
    spoken = [p.label for p in donor.phones if p.label != SILENCE]
    theirs = [p.label for p in carried.phones if p.label != SILENCE]
    assert set(theirs) <= set(spoken)


def _cheapest(cost, silence, gaps, opens) -> float:
    """The cheapest path by trying every move at every place: what the search must find."""
    frames, size = cost.shape
    moves = ((1, 1, 0.0), (1, 2, 0.15), (1, 3, 0.4), (2, 1, 0.3), (3, 1, 1.2))
    never = 1e9
    speak, quiet = {(-1, -1): 0.0}, {}
    for t in range(frames):
        for i in range(size):
            tries = [
                speak.get((t - steps, i - ahead), never)
                + cost[t - steps + 1 : t + 1, i].sum()
                + penalty
                for steps, ahead, penalty in moves
                if t - steps >= -1 and i - ahead >= -1
            ]
            if i in gaps:
                tries.append(quiet.get((t - 1, i), never) + cost[t, i])
            speak[t, i] = min(tries, default=never)
        for gap, opening in zip(gaps, opens):
            begun = speak.get((t - 1, gap - 1), never) + opening
            quiet[t, gap] = min(begun, quiet.get((t - 1, gap), never)) + silence[t]
    return min(speak[frames - 1, size - 1], quiet[frames - 1, size])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9))
def test_the_search_finds_the_cheapest_path_there_is(seed, frames, size):
    rng = np.random.default_rng(seed)
    cost = rng.random((frames, size), dtype=np.float32)
    silence = rng.random(frames, dtype=np.float32)
    inner = rng.choice(np.arange(1, size), size=rng.integers(0, size), replace=False)
    gaps = np.array([0, *sorted(inner.tolist()), size])
    opens = rng.random(len(gaps)).astype(np.float32)
    search = _Search(cost[None], silence, gaps, opens)
    (found,) = search.totals()
    expected = _cheapest(cost, silence, list(gaps), opens)
    if expected > 1e6:
        assert found > 1e6
        return
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    at = search.trace()
    assert (np.diff(at) >= 0).all()
    spoken = np.array([i % 1 == 0 for i in at])
    paid = sum(cost[t, int(i)] if s else silence[t] for t, (i, s) in enumerate(zip(at, spoken)))
    assert paid <= found + 1e-4, "the frames alone cannot cost more than they and the penalties"


def test_features_do_not_hear_loudness_or_microphone(say):
    clip = say()
    softer = to_grid(clip.audio * 0.25)
    one, two = hear(clip.audio), hear(softer)
    a, b = voice_blind(one.bands, one.spoken), voice_blind(two.bands, two.spoken)
    assert np.abs(a - b)[one.spoken & two.spoken].max() < 0.1
    tilt = np.linspace(-10, 10, one.bands.shape[1], dtype=np.float32)
    c = voice_blind(one.bands + tilt, one.spoken)
    assert np.abs(a - c).max() < 1e-3


@pytest.fixture
def germans(shared):
    """The same hand-labelled sentence by five people, neutral where there is one."""
    folder = shared / "speech" / "emodb"
    with (folder / "manifest.tsv").open(encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file, delimiter="\t")
            if row["text"] == "Der Lappen liegt auf dem Eisschrank."
        ]
    phoneset = guess_phoneset({"E6", "a", "p", "sil", "m", "l", "i"}, "emodb")
    clips = {}
    for row in rows:
        audio = to_grid(read_audio(folder / row["audio"]))
        phones, ipa = to_phones(read_label_file(folder / row["label"]), phoneset, len(audio))
        phones = tuple(
            Segment(p.label if p.label != "?" else SILENCE, p.start, p.end) for p in phones
        )
        clips.setdefault(
            row["speaker"],
            Clip(
                row["utt"], audio, row["text"], "de", row["speaker"], "emodb", "CC0-1.0", "",
                timing="manual", phones=phones, ipa=ipa,
            ),
        )  # fmt: skip
    return list(clips.values())


def test_real_people_take_each_others_labels(germans):
    assert len(germans) == 5
    errors, several = [], []
    for other in germans:
        donors = [clip for clip in germans if clip is not other]
        nearest = transfer_from(donors, bare(other))
        several.append(compare(other.phones, nearest.phones))
        for donor in donors:
            carried = transfer(donor, bare(other), TransferLimits(9.0, 9.0, 0.0))
            errors.append(compare(other.phones, carried.phones))
    assert total(errors).mean_ms < 12
    assert total(errors).median_ms < 6, "without refined boundaries it is 8.6"
    assert total(errors).f1 > 0.75
    assert total(several).mean_ms < total(errors).mean_ms
