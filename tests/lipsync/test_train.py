from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfilt
from torch.nn import functional

from clips.arpabet import VOWELS
from lipsync.dataset import Corpus, FeatureRow, write_feature_table
from lipsync.errors import BadCheckpoint, BadFeatures, BadInput
from lipsync.export import save_cherry
from lipsync.features import AFTER, BEFORE, HOP, features, with_deltas
from lipsync.frame_file import FrameFile
from lipsync.infer import Model, frame_classes
from lipsync.model import CherryNet, OfflineNet
from lipsync.optimizer import OPTIMIZERS
from lipsync.train import (
    CONSONANTS,
    EARLY,
    IGNORED,
    LATE,
    LEAN,
    SHAPES,
    Frames,
    Sampler,
    Stream,
    Team,
    TrainParams,
    Validation,
    _fit,
    _Run,
    augment,
    balanced,
    fit_normalization,
    learning_rate,
    lip_loss,
    main,
    mean_loss,
    narrowing,
    network_input,
    opinions_of,
    power,
    reverberate,
    stretch_tract,
    teacher,
    train,
    vary_consonants,
)
from visemes import lip_score
from visemes.classes import CLASSES
from visemes.inventory import load_inventory

CPU = torch.device("cpu")


class Killed(Exception):
    """A run's end before its time."""


TINY = TrainParams(epochs=4, batch=8, frames=60, device="cpu")
LEARNING = TrainParams(epochs=5, batch=16, frames=100, device="cpu")


def speech_like(clip_id: str, seed: int, frames: int, split: str = "train") -> FeatureRow:
    """Bands that say the class: every class has a band of its own that is 40 dB louder."""
    rng = np.random.default_rng(seed)
    visemes = np.repeat(rng.integers(0, 12, frames // 8 + 1), 8)[:frames].astype(np.uint8)
    mel = rng.normal(-30, 2, (frames, 13)) + 40 * np.eye(13)[visemes]
    return FeatureRow(clip_id, "anna", "synthetic", split, mel.astype(np.float32), visemes)


def corpus(clips: int = 12, frames: int = 100, seed: int = 0) -> Corpus:
    return Corpus.of([speech_like(f"c{n}", seed + n, frames + 7 * n) for n in range(clips)])


def weights(net: CherryNet) -> dict[str, bytes]:
    return {name: t.numpy().tobytes() for name, t in net.state_dict().items()}


# ---- cutting sequences


def test_a_sequence_has_its_clips_frames_and_zero_frames_around_the_clip():
    data = corpus(3, 20)
    frames = Frames(data, CPU)
    mel, inside, *_ = frames.cut(torch.tensor([1]), frames.first[1:2], 40)
    x = network_input(mel, inside)[0].numpy()
    clip = data.mel[data.offsets[1] : data.offsets[2]]
    padded = np.zeros((43, 13), np.float32)
    padded[2 : 2 + len(clip)] = clip
    np.testing.assert_array_equal(x[:, :13], padded[2:42])
    deltas = 0.5 * ((padded[2:-1] + padded[3:]) - (padded[1:-2] + padded[:-3]))
    np.testing.assert_array_equal(x[:, 13:], deltas)


def test_training_sees_the_features_that_prediction_sees():
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)
    x = features(audio)
    row = FeatureRow("a", "s", "x", "train", x[:, :13], np.zeros(len(x), np.uint8))
    frames = Frames(Corpus.of([row]), CPU)
    mel, inside, *_ = frames.cut(torch.tensor([0]), torch.tensor([0]), len(x))
    np.testing.assert_array_equal(network_input(mel, inside)[0].numpy(), x)
    mel, inside, *_ = frames.cut(torch.tensor([0]), torch.tensor([10]), 20)
    np.testing.assert_array_equal(network_input(mel, inside)[0].numpy(), x[10:30])


def test_output_k_plus_3_has_the_label_of_frame_k_as_its_target():
    data = corpus(2, 20)
    frames = Frames(data, CPU)
    target = frames.cut(torch.tensor([1]), frames.first[1:2] + 5, 30).target
    labels = data.visemes[data.offsets[1] : data.offsets[2]]  # 27 frames
    expected = [IGNORED] * 3 + labels[5:24].tolist() + [IGNORED] * 8
    assert target[0].tolist() == expected


def test_faster_speech_takes_its_labels_with_it():
    data = corpus(3, 60)
    frames = Frames(data, CPU)
    clip, start = torch.tensor([1, 1]), frames.first[[1, 1]] + 4
    mel, _, target, _ = frames.cut(clip, start, 20, torch.tensor([2.0, 0.5]))
    heard = data.mel[data.offsets[1] :][:60]
    named = data.visemes[data.offsets[1] :][:60]
    twice = slice(4 - 2 * BEFORE, 4 + 2 * (20 + AFTER), 2)
    np.testing.assert_array_equal(mel[0], heard[twice])
    assert target[0, 3:].tolist() == named[4 : 4 + 34 : 2].tolist()
    half = heard[3:15].repeat(2, 0)[: 20 + BEFORE + AFTER]
    half[1::2] = (heard[3:14] + heard[4:15])[: len(half[1::2])] / 2
    np.testing.assert_allclose(mel[1], half, rtol=1e-6)
    for mine, plain in zip(frames.cut(clip, start, 20, torch.ones(2)), frames.cut(clip, start, 20)):
        torch.testing.assert_close(mine, plain, rtol=0, atol=0)


def test_no_sequence_leaves_its_clip_and_all_clips_come_in_proportion():
    data = Corpus.of([speech_like(f"c{n}", n, length) for n, length in enumerate((30, 90, 900))])
    frames = Frames(data, CPU)
    params = replace(TINY, batch=4, frames=60)
    rng = torch.Generator().manual_seed(0)
    counts, starts = np.zeros(3), set()
    for _ in range(40):
        for clip, start in Sampler(frames, params).epoch(rng):
            room = (frames.end - frames.first)[clip] - params.frames
            assert (start >= frames.first[clip]).all()
            assert (start - frames.first[clip] <= room.clamp_min(0)).all()
            counts += np.bincount(clip.numpy(), minlength=3)
            starts |= set((start - frames.first[clip])[clip == 2].tolist())
    np.testing.assert_allclose(counts / counts.sum(), np.array([30, 90, 900]) / 1020, atol=0.02)
    assert {0, 840} <= starts and len(starts) > 300


def test_an_epoch_sees_about_as_many_frames_as_there_are():
    frames = Frames(corpus(40, 50), CPU)
    sampler = Sampler(frames, TINY)
    rng = torch.Generator().manual_seed(0)
    lengths = (frames.end - frames.first).clamp_max(TINY.frames)
    seen = sum(int(lengths[clip].sum()) for clip, _ in sampler.epoch(rng))
    assert len(frames) <= seen < len(frames) * 1.2


def test_a_stream_has_every_frame_once_and_goes_on_where_it_ended():
    data = corpus(7, 50)
    frames = Frames(data, CPU)
    frames.mel = torch.arange(len(frames), dtype=torch.float32)[:, None].expand(-1, 13)
    params = replace(TINY, batch=3, frames=40)
    parts = list(Stream(frames, params).sequences(torch.Generator().manual_seed(0), slice(None)))
    rows = torch.cat([part.mel[:, 2:-1, 0] for part in parts], dim=1).long()
    line = rows.flatten()[: len(frames)]
    assert sorted(line.tolist()) == list(range(len(frames)))
    assert (line.diff() != 1).sum() <= len(data) - 1, "it only leaves a clip at its end"
    for (mel, inside, target, _), (following, *_) in pairwise(parts):
        assert inside.all() and torch.equal(mel[:, -1], following[:, 2])
        assert torch.equal(mel[:, -3:-1], following[:, :2])
        assert (target[:, :3] == IGNORED).all()
        assert torch.equal(target[:, 3:], frames.labels[mel[:, 2:-4, 0].long()].long())


def test_the_processes_of_a_team_share_each_batch():
    for sampler in (Sampler, Stream):
        frames = Frames(corpus(9, 50), CPU)
        whole, first, second = (
            list(sampler(frames, TINY).sequences(torch.Generator().manual_seed(3), rows))
            for rows in (slice(None), slice(0, None, 2), slice(1, None, 2))
        )
        for both, one, other in zip(whole, first, second, strict=True):
            assert torch.equal(both.mel[0::2], one.mel)
            assert torch.equal(both.mel[1::2], other.mel)
            assert torch.equal(both.target[0::2], one.target)
            assert torch.equal(both.target[1::2], other.target)


# ---- teachers


TAUGHT = replace(TINY, epochs=2, teachers=1, offline_teachers=1)


def in_a_file(data: Corpus, folder: Path) -> Corpus:
    file = FrameFile(13, "<f4", folder)
    file.append(data.mel)
    return replace(data, mel=file)


def test_teachers_opinions_are_what_prediction_gives(tmp_path):
    data = Corpus.of([speech_like(f"c{n}", n, length) for n, length in enumerate((90, 2, 37, 60))])
    nets = [CherryNet().eval(), CherryNet(hidden=100).eval()]
    opinions = opinions_of(nets, Frames(data, CPU), data)
    for a, b in pairwise(data.offsets):
        x = with_deltas(np.concatenate([data.mel[a:b], np.zeros((3, 13), np.float32)]))[: b - a]
        expected = np.mean([Model.of(net).predict_features(x) for net in nets], axis=0)
        # The last frame's deltas look at what follows the clip: nothing, that is 0 dB.
        last = max(a, b - 3)
        np.testing.assert_allclose(opinions[a:last], expected[3:], atol=2e-3)
        np.testing.assert_array_equal(opinions[last:b], np.eye(12)[data.visemes[last:b]])
    filed = in_a_file(data, tmp_path)
    in_file = opinions_of(nets, Frames(filed, CPU), filed)
    np.testing.assert_array_equal(in_file[:], opinions)


def test_an_offline_teachers_opinions_are_what_it_says_of_the_whole_clip():
    data, net = corpus(1, 60), OfflineNet().eval()
    cut = Frames(data, CPU).cut(torch.tensor([0]), torch.tensor([0]), 60)
    with torch.inference_mode():
        expected = net(network_input(cut.mel, cut.inside))[0][0].softmax(1).numpy()
    opinions = opinions_of([net], Frames(data, CPU), data)
    np.testing.assert_allclose(opinions[:57], expected[3:], atol=2e-3)


def test_an_offline_teacher_hears_the_whole_sound():
    torch.manual_seed(1)
    net = OfflineNet().eval()
    x = torch.randn((1, 50, 26), generator=torch.Generator().manual_seed(1))
    (whole,), changed = net(x), x.clone()
    changed[:, 40] += 1.0
    other = net(changed)[0]
    assert whole.shape == (1, 50, 12)
    assert (whole[:, :30] != other[:, :30]).any(2).all(), "also what comes later"
    changed = x.clone()
    changed[:, 10] += 1.0
    assert (whole[:, 20:] != net(changed)[0][:, 20:]).any(2).all()


def test_an_offline_teacher_learns():
    run = _Run(OfflineNet, LEARNING, Frames(corpus(120, 150), CPU), "")
    _fit(run, Validation(corpus(6, 100, 900), CPU), None, print, Team())
    assert run.history[-1]["valid_accuracy"] > 0.8


@pytest.mark.parametrize("tempo", [None, torch.tensor([2.0, 0.7])])
def test_an_output_gets_the_opinion_on_the_frame_that_it_names(tempo, tmp_path):
    data = corpus(3, 60)
    known = np.eye(12, dtype=np.float16)[data.visemes]
    clip, start = torch.tensor([1, 2]), torch.tensor([70, 190])
    filed = FrameFile(12, np.float16, tmp_path)
    filed.append(known)
    for opinions in (known, filed):
        cut = Frames(data, CPU).with_opinions(opinions).cut(clip, start, 40, tempo)
        counts = cut.target != IGNORED
        assert counts.sum() > 30
        assert torch.equal(cut.thought.argmax(2)[counts], cut.target[counts])


def test_a_stream_brings_the_opinion_on_the_frame_that_an_output_names():
    data = corpus(3, 60)
    frames = Frames(data, CPU).with_opinions(np.eye(12, dtype=np.float16)[data.visemes])
    for part in Stream(frames, TINY).sequences(torch.Generator(), slice(None)):
        counts = part.target != IGNORED
        assert torch.equal(part.thought.argmax(2)[counts], part.target[counts])


def test_what_teachers_think_is_a_share_of_the_target():
    rng = torch.Generator().manual_seed(1)
    likely = torch.randn((2, 9, 12), generator=rng).log_softmax(2)
    thought = torch.randn((2, 9, 12), generator=rng).softmax(2)
    target = torch.randint(0, 12, (2, 9), generator=rng)
    target[0, :3] = IGNORED
    blend = 0.25 * functional.one_hot(target.clamp_min(0), 12) + 0.75 * thought
    expected = -(blend * likely).sum(2)[target != IGNORED].mean()
    found = mean_loss(likely, target, torch.ones(12), thought=thought, taught=0.75)
    torch.testing.assert_close(found, expected)


def test_a_pupil_learns_from_teachers_as_much_as_asked():
    data, valid = corpus(), corpus(3, 60, 50)
    alone, deaf, taught = (
        weights(train(data, valid, params).last)
        for params in (
            replace(TAUGHT, teachers=0, offline_teachers=0),
            replace(TAUGHT, taught=0.0),
            TAUGHT,
        )
    )
    assert alone == deaf, "what nobody listens to changes nothing"
    assert taught != alone


def test_a_pupil_that_hears_its_teachers_alone_becomes_like_them():
    """They name another class than the labels, everywhere: the labels are not what it learns."""
    data, valid = corpus(60, 150), corpus(6, 100, 900)
    frames = Frames(data, CPU).with_opinions(np.eye(12, dtype=np.float16)[(data.visemes + 1) % 12])
    params = replace(LEARNING, taught=1.0)
    run = _Run(CherryNet, params, frames, "")
    _fit(
        run, Validation(replace(valid, visemes=(valid.visemes + 1) % 12), CPU), None, print, Team()
    )
    assert run.history[-1]["valid_accuracy"] > 0.75


def test_teachers_are_reported_first_and_leave_no_trace_in_the_history():
    rows = []
    trained = train(corpus(), corpus(3, 60, 50), TAUGHT, on_epoch=rows.append)
    told = [(row.get("teacher"), row["epoch"]) for row in rows]
    assert told == [(1, 0), (1, 1), (2, 0), (2, 1), (None, 0), (None, 1)]
    assert trained.history == rows[4:]
    assert rows[0]["loss"] != rows[2]["loss"], "they start from other weights"


def test_teachers_are_not_told_what_is_done_to_the_finished_network():
    base = replace(TAUGHT, teacher_hidden=90, carry=0.5)
    kind, recipe = teacher(replace(base, lean=1.0, balance=0.5), 1)
    assert recipe == teacher(base, 1)[1] != teacher(base, 2)[1]
    assert (recipe.hidden, recipe.all_teachers, recipe.lean, recipe.balance) == (90, 0, 0, 0)
    assert (kind, recipe.carry) == (CherryNet, 0.5)
    kind, recipe = teacher(base, 3)
    assert (kind, recipe.carry) == (OfflineNet, 0.0), "it has no state that could be carried"


@pytest.mark.parametrize("stopped", [(1, 1), (2, 0), (None, 0)])
def test_a_taught_run_that_was_stopped_goes_on_to_the_same_weights(stopped, tmp_path):
    def stop(row):
        if (row.get("teacher"), row["epoch"]) == stopped:
            raise Killed

    data, valid = in_a_file(corpus(), tmp_path), corpus(3, 60, 50)
    file = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        train(data, valid, TAUGHT, checkpoint=file, on_epoch=stop)
    resumed = train(data, valid, TAUGHT, checkpoint=file)
    assert weights(resumed.last) == weights(train(corpus(), valid, TAUGHT).last)
    made = sorted(path.name for path in tmp_path.glob("checkpoint*"))
    assert made == ["checkpoint.pt", "checkpoint.teacher1.pt", "checkpoint.teacher2.pt"]


# ---- augmentation


def test_without_spread_and_noise_the_augmentation_changes_nothing():
    quiet = replace(
        TINY, gain_db=0.0, tilt_db=0.0, band_db=0.0, noise_low_db=-300.0, noise_high_db=-300.0
    )
    mel = torch.rand(4, 50, 13, generator=torch.Generator().manual_seed(7)) * 100 - 80
    changed = augment(mel, quiet, torch.Generator().manual_seed(0))
    torch.testing.assert_close(changed, mel, atol=1e-4, rtol=0)


def test_noise_is_added_in_power():
    loud = replace(
        TINY, gain_db=0.0, tilt_db=0.0, band_db=0.0, noise_low_db=-10.0, noise_high_db=-10.0
    )
    mel = torch.tensor([-100.0, -10.0, 30.0]).repeat(1, 5, 1)
    changed = augment(mel, loud, torch.Generator().manual_seed(0))[0, 0]
    torch.testing.assert_close(changed, torch.tensor([-10.0, -6.9897, 30.0004]), atol=1e-3, rtol=0)


def test_gain_is_equal_in_all_bands_and_tilt_is_a_straight_line():
    base = replace(TINY, band_db=0.0, noise_low_db=-300.0, noise_high_db=-300.0)
    mel = torch.zeros(2000, 1, 13)
    gain = augment(mel, replace(base, tilt_db=0.0), torch.Generator().manual_seed(0))[:, 0]
    torch.testing.assert_close(gain, gain[:, :1].expand(-1, 13), atol=1e-3, rtol=0)
    assert 7.5 < gain[:, 0].std() < 8.5
    tilt = augment(mel, replace(base, gain_db=0.0), torch.Generator().manual_seed(0))[:, 0]
    step = tilt.diff(dim=1)
    torch.testing.assert_close(step, step[:, :1].expand(-1, 12), atol=1e-3, rtol=0)
    assert 5.6 < (tilt[:, -1] - tilt[:, 0]).std() < 6.4


def test_a_room_lets_a_click_sound_on_as_long_and_as_loud_as_asked():
    click = torch.full((2, 200, 13), -90.0)
    click[:, 20] = 0.0
    seconds, level = [0.4, 1.0], [-3.0, -12.0]
    heard = reverberate(
        power(click),
        torch.tensor(seconds)[:, None, None],
        power(torch.tensor(level))[:, None, None],
    )
    heard = 10 * heard.log10()
    torch.testing.assert_close(heard[:, 20], click[:, 20], atol=0.01, rtol=0)
    assert (heard[:, :20] < -80).all(), "nothing before the click"
    for one, again in enumerate(10 ** (heard[:, 21:].double() / 10)):
        assert 10 * math.log10(again[:, 0].sum()) == pytest.approx(level[one], abs=0.05)
        fall = 10 * math.log10(again[0, 0] / again[25, 0])
        assert fall == pytest.approx(60 * 0.25 / seconds[one], abs=0.1)


def test_a_room_lets_nothing_of_the_clip_before_sound_on_into_a_clip():
    loud, quiet = speech_like("a", 0, 30), speech_like("b", 1, 30)
    alone = Frames(Corpus.of([quiet]), CPU)
    behind = Frames(Corpus.of([replace(loud, mel=loud.mel + 40), quiet]), CPU)
    params = replace(TINY, reverberation=0.8)
    heard = []
    for frames, clip in ((alone, 0), (behind, 1)):
        mel, *_ = frames.cut(torch.tensor([clip]), frames.first[clip : clip + 1], 30)
        heard.append(augment(mel, params, torch.Generator().manual_seed(0)))
    assert torch.equal(*heard)


def test_breath_goes_with_the_voice_and_stays_below_what_was_asked():
    plain = replace(TINY, gain_db=0, tilt_db=0, band_db=0, noise_low_db=-95.0, noise_high_db=-95.0)
    mel = torch.full((400, 20, 13), -90.0)
    mel[:, 10:, 4] = 0.0
    heard = augment(mel, replace(plain, breath=0.1), torch.Generator().manual_seed(0))
    level = heard[:, 10:, [0, 1, 2, 8, 9]].mean((1, 2))
    assert -47 < level.min() < -42 and -23 < level.max() < -18
    assert (heard[:, :10] < -75).all(), "no voice, no breath"


def test_narrowing_leaves_a_band_and_takes_what_lies_beyond_its_edges():
    gains = narrowing(4000, 0.25, torch.Generator().manual_seed(0), CPU)
    assert gains.shape == (4000, 1, 13)
    narrow = gains[(gains != 1).any(2)[:, 0], 0]
    assert 0.22 < len(narrow) / 4000 < 0.28
    db = 10 * narrow.log10()
    assert (db <= 0).all() and (db[:, 5] > -2).all(), "1.4 kHz is always heard"
    assert db[:, 0].min() < -25 and db[:, 0].max() > -1.5
    assert db[:, 12].min() < -60 and db[:, 12].max() > -3
    assert (db[:, 6:].diff(dim=1) <= 1e-4).all(), "it falls towards the top"


def test_a_narrow_band_is_taken_from_every_frame_of_its_sequences_and_no_other():
    plain = replace(TINY, gain_db=0, tilt_db=0, band_db=0, noise_low_db=-90.0, noise_high_db=-90.0)
    mel = torch.zeros(400, 6, 13)
    heard = augment(mel, replace(plain, narrow=0.5), torch.Generator().manual_seed(0))
    torch.testing.assert_close(heard, heard[:, :1].expand_as(heard))
    untouched = (heard.abs() < 1e-4).all(2)[:, 0]
    assert 160 < untouched.sum() < 240
    assert heard[~untouched][..., 12].median() < -6


def test_a_narrow_band_is_heard_as_a_filtered_sound_is():
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(64_000)).astype(np.float32)
    telephone = butter(16, (300.0, 3400.0), "bandpass", fs=16_000, output="sos")
    lost = (features(sosfilt(telephone, noise)) - features(noise))[20:, :13].mean(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lipsync.train.LOWER_HZ", (300.0, 300.0))
        patch.setattr("lipsync.train.UPPER_HZ", (3400.0, 3400.0))
        patch.setattr("lipsync.train.FALL_DB", (96.0, 96.0))
        (gains,) = 10 * narrowing(1, 1.0, torch.Generator(), CPU)[0].log10()
    np.testing.assert_allclose(gains[1:10], lost[1:10], atol=1.0)
    np.testing.assert_allclose(gains[[0, 10]], lost[[0, 10]], atol=10.0)  # steep there
    assert lost[12] < -45 and gains[12] < -45


def test_consonants_of_a_class_change_alike_and_nothing_else_does():
    rng = np.random.default_rng(0)
    runs = [1, 2, 11, 1, 8, 4, 0, 1] * 2  # D, Ee, Woo, D, R, L, Ah, D
    classes = np.repeat(np.array(runs, np.uint8), 6)
    mel = rng.normal(-30, 2, (len(classes), 13)).astype(np.float32)
    frames = Frames(Corpus.of([FeatureRow("a", "s", "x", "train", mel, classes)]), CPU)
    cut, _, target, _ = frames.cut(torch.tensor([0]), torch.tensor([0]), len(classes))
    changed = vary_consonants(cut, target, 6.0, torch.Generator().manual_seed(0))
    moved = (changed - cut)[0, 2:-1].numpy()
    inner = np.ones(len(classes), bool)  # frames with neighbours of their own class
    inner[1:] &= classes[1:] == classes[:-1]
    inner[:-1] &= classes[1:] == classes[:-1]
    inner[0], inner[-4:] = False, False  # what is before is unnamed, as are the last ones
    for one in (1, 4):
        change = moved[inner & (classes == one)]
        assert len(change) >= 8 and np.abs(change).max() > 1
        np.testing.assert_allclose(change, np.broadcast_to(change[0], change.shape), atol=1e-4)
    np.testing.assert_array_equal(moved[inner & ~np.isin(classes, [1, 4])], 0)


def test_consonants_vary_as_much_as_asked():
    target = torch.full((4000, 20), CLASSES.index("S"))
    mel = torch.zeros(4000, 23, 13)
    change = vary_consonants(mel, target, 4.0, torch.Generator().manual_seed(0))[:, 10]
    assert 3.8 < change.mean(1).std() < 4.3
    assert 4.1 < (change[:, -1] - change[:, 0]).std() < 5.5  # 4, and 2 for each of the two bands


@pytest.mark.parametrize(("name", "axis"), [("masked_frames", 1), ("masked_bands", 2)])
def test_a_mask_takes_neighbouring_frames_or_bands_and_no_more_than_it_may(name, axis):
    plain = replace(TINY, gain_db=0, tilt_db=0, band_db=0, noise_low_db=-90.0, noise_high_db=-90.0)
    mel = torch.zeros(300, 40, 13)
    changed = augment(mel, replace(plain, **{name: 6}), torch.Generator().manual_seed(0))
    gone = (changed < -80).all(3 - axis)
    assert torch.equal((changed < -80).any(3 - axis), gone), "all bands, or all frames"
    counts = gone.sum(1)
    assert counts.min() == 0 and counts.max() == 6
    assert (gone.int().diff(dim=1).abs().sum(1) <= 2).all(), "in one piece"
    assert gone[:, 0].any() and gone[:, -1].any(), "also at the ends"


# ---- the pieces of a run


def test_the_slope_of_the_noise_is_a_straight_line_over_the_bands():
    params = replace(TINY, gain_db=0, tilt_db=0, band_db=0, noise_low_db=0, noise_high_db=0)
    quiet = torch.full((4, 6, 13), -90.0)
    rng = torch.Generator().manual_seed(1)
    steps = augment(quiet, replace(params, noise_tilt_db=9.0), rng).diff(dim=2)
    assert torch.allclose(steps, steps[:, :1, :1].expand_as(steps), atol=1e-3)
    assert steps[:, 0, 0].std() > 0.1, "another slope for each sequence"


def test_balance_takes_the_frequencies_of_the_classes_off_the_output():
    data = corpus()
    net = CherryNet()
    before = net.net[9].bias.detach().clone()
    shares = np.bincount(data.visemes, minlength=12) / data.frames
    change = before - balanced(net, data, replace(TINY, balance=0.5)).net[9].bias.detach()
    np.testing.assert_allclose(change, 0.5 * np.log(shares), rtol=1e-4)
    plain, even = train(data, data, TINY), train(data, data, replace(TINY, balance=1.0))
    assert plain.history[-1]["loss"] == even.history[-1]["loss"], "training itself is the same"
    assert weights(plain.best)["net.9.bias"] != weights(even.best)["net.9.bias"]
    assert weights(plain.best)["net.9.weight"] == weights(even.best)["net.9.weight"]


def test_lean_favours_mouths_that_are_shown_too_seldom_and_leaves_the_others():
    net = CherryNet()
    before = net.net[9].bias.detach().clone()
    change = balanced(net, corpus(), replace(TINY, lean=2.0)).net[9].bias.detach() - before
    assert {CLASSES[n]: round(float(change[n]), 4) for n in change.nonzero()[:, 0]} == {
        name: 2 * nats for name, nats in LEAN.items()
    }
    with pytest.raises(BadInput, match="lean"):
        replace(TINY, lean=-0.1)


def test_the_normalization_makes_the_input_of_the_network_standard():
    frames = Frames(corpus(30, 200), CPU)
    net = CherryNet().eval()
    fit_normalization(net, Sampler(frames, TINY), TINY)
    rng = torch.Generator().manual_seed(9)
    rows = []
    for clip, start in Sampler(frames, TINY).epoch(rng):
        mel, inside, *_ = frames.cut(clip, start, TINY.frames)
        rows.append(net.norm(network_input(augment(mel, TINY, rng), inside)[inside[:, 2:-1]]))
    x = torch.cat(rows)
    assert x.mean(0).abs().max() < 0.25 and (x.std(0) - 1).abs().max() < 0.25


def test_the_learning_rate_rises_to_the_top_and_falls_to_almost_nothing():
    rates = [learning_rate(step, 100, 3e-3) for step in range(100)]
    assert rates[0] == pytest.approx(3e-3 / 25) and max(rates) == pytest.approx(3e-3)
    assert np.argmax(rates) == 30 and rates[-1] < 1e-5


def test_the_loss_leaves_out_what_does_not_count_and_weighs_the_lips():
    logits = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(7))
    likely = logits.log_softmax(2)
    target = torch.tensor([[IGNORED, 5, 0, 1, IGNORED], [IGNORED] * 5])
    each = -likely[0, [1, 2, 3], [5, 0, 1]]
    plain = mean_loss(likely, target, torch.ones(12))
    torch.testing.assert_close(plain, each.mean())
    weight = torch.ones(12)
    weight[5] = 3.0
    expected = (3 * each[0] + each[1] + each[2]) / 5
    torch.testing.assert_close(mean_loss(likely, target, weight), expected)
    assert mean_loss(likely, torch.full((2, 5), IGNORED), weight) == 0


def test_softened_targets_are_the_mean_of_their_neighbours():
    likely = torch.randn(1, 6, 12, generator=torch.Generator().manual_seed(7)).log_softmax(2)
    target = torch.tensor([[IGNORED, 4, 4, 7, 7, 7]])
    chances = -likely[0]
    third = (2 / 3 * chances[2, 4] + 1 / 3 * chances[2, 7]).item()
    assert mean_loss(likely, target, torch.ones(12), 0) == pytest.approx(
        (chances[1:3, 4].sum() + chances[3:, 7].sum()).item() / 5, rel=1e-5
    )
    soft = mean_loss(likely, target, torch.ones(12), 1).item()
    rest = chances[1, 4] + (1 / 3 * chances[3, 4] + 2 / 3 * chances[3, 7]) + chances[4:, 7].sum()
    assert soft == pytest.approx((third + rest.item()) / 5, rel=1e-5)


def test_lips_owe_the_best_frames_in_a_row_of_each_of_their_sounds():
    likely = torch.randn(2, 16, 12, generator=torch.Generator().manual_seed(7)).log_softmax(2)
    target = torch.zeros(2, 16, dtype=torch.long)
    target[0, 4:6], target[0, 12:14], target[1, 9:12] = 5, 5, 3
    target[0, 15] = target[1, 12:] = IGNORED
    lost = -likely
    in_a_row = (lost[:, :-2] + lost[:, 1:-1] + lost[:, 2:]) / 3  # place k: frames k, k + 1, k + 2
    owed = in_a_row[0, 0:6, 5].min() + in_a_row[0, 8:14, 5].min() + in_a_row[1, 5:11, 3].min()
    counted = 15 + 12
    torch.testing.assert_close(lip_loss(likely, target), 6 * owed / counted)
    assert lip_loss(likely, torch.zeros(2, 16, dtype=torch.long)) == 0
    assert lip_loss(likely, torch.full((2, 16), IGNORED)) == 0


def test_lips_that_meet_for_30_ms_owe_nothing_and_only_the_best_frames_are_taught():
    logits = torch.zeros(1, 12, 12)
    target = torch.zeros(1, 12, dtype=torch.long)
    target[0, 4:8] = 5
    logits[0, 5, 5] = 20.0
    assert lip_loss(logits.log_softmax(2), target) > 0.5, "a flicker is not enough"
    logits[0, 4:7, 5] = 20.0
    assert lip_loss(logits.log_softmax(2), target) < 1e-6
    logits[0, 4:7, 5] = 1.0
    lip_loss(logits.requires_grad_().log_softmax(2), target).backward()
    assert logits.grad[0].any(1).nonzero().tolist() == [[4], [5], [6]]


def test_classes_of_one_shape_are_those_of_the_inventory():
    lips = load_inventory("cherry12").lips
    for shape, classes in zip(("rounded", "spread", "open"), SHAPES, strict=True):
        assert {CLASSES[n] for n in classes} == {name for name in CLASSES if lips[name] == shape}


def test_classes_of_consonants_alone_are_those_of_the_inventory():
    shown: dict[bool, set[str]] = {True: set(), False: set()}
    for phone, parts in load_inventory("cherry12").phones.items():
        shown[phone in VOWELS].update(shape for shape, _ in parts)
    alone = shown[False] - shown[True] - {"Neutral", "R"}
    assert {CLASSES[n] for n in CONSONANTS} == alone


def test_lips_may_meet_when_the_lip_score_says_so():
    assert (EARLY * HOP, LATE * HOP) == (lip_score.EARLY, lip_score.LATE)


def test_a_rounded_sound_owes_no_more_where_another_rounded_mouth_is_shown():
    oh, woo, ee = (CLASSES.index(name) for name in ("Oh", "Woo", "Ee"))
    target = torch.full((1, 8), CLASSES.index("D"))
    target[0, 2:6] = oh
    logits = torch.zeros(1, 8, 12)
    logits[0, 2:5, woo] = 20.0
    likely = logits.log_softmax(2)
    assert lip_loss(likely, target, 0.0, 1.0) < 1e-6
    assert lip_loss(likely, target, 1.0, 0.0) == 0, "nothing has to meet"
    elsewhere = torch.zeros(1, 8, 12)
    elsewhere[0, [0, 7], woo] = 20.0
    elsewhere = elsewhere.log_softmax(2)
    owed = lip_loss(elsewhere, target, 0.0, 1.0)
    assert owed == pytest.approx(6 * math.log(4) / 8), "outside the sound it is no use"
    assert lip_loss(elsewhere, target, 0.0, 2.0) == pytest.approx(2 * owed.item())
    assert lip_loss(likely.roll(ee - woo, 2), target, 0.0, 1.0) > 1, "nor is another mouth"


def test_validation_measures_what_prediction_gives():
    data = corpus(9, 50)
    torch.manual_seed(0)
    net = CherryNet().eval()
    torch.nn.init.normal_(net.net[9].weight, std=1.0)
    right = count = 0
    for first, end in pairwise(data.offsets):
        guessed = frame_classes(Model.of(net).predict_features(with_deltas(data.mel[first:end])))
        right += int((guessed == data.visemes[first : end - 3]).sum())
        count += len(guessed)
    measured = Validation(data, CPU).measure(net)
    assert measured["valid_accuracy"] == pytest.approx(right / count)


# ---- whole runs


def test_it_learns_to_name_the_classes():
    rows = []
    trained = train(corpus(120, 150), corpus(6, 100, 900), LEARNING, on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == list(range(5)) and trained.history == rows
    assert rows[-1]["valid_accuracy"] > 0.8 and rows[-1]["loss"] < rows[0]["loss"] / 2


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again = (train(corpus(), corpus(3, 60, 50), TINY) for _ in range(2))
    assert weights(first.last) == weights(again.last)
    assert weights(first.best) == weights(again.best)
    other = train(corpus(), corpus(3, 60, 50), replace(TINY, seed=2))
    assert weights(first.last) != weights(other.last)


def test_training_leaves_torchs_own_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(corpus(), corpus(3, 60, 50), replace(TINY, epochs=1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(optimizer, tmp_path):
    def stop(row):
        if row["epoch"] == 1:
            raise Killed

    params = replace(TINY, optimizer=optimizer)
    valid, file = corpus(3, 60, 50), tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        train(corpus(), valid, params, checkpoint=file, on_epoch=stop)
    rows = []
    resumed = train(corpus(), valid, params, checkpoint=file, on_epoch=rows.append)
    straight = train(corpus(), valid, params)
    assert weights(resumed.last) == weights(straight.last)
    assert weights(resumed.best) == weights(straight.best)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    for ours, theirs in zip(resumed.history, straight.history):
        assert ours["loss"] == theirs["loss"] and ours["valid_loss"] == theirs["valid_loss"]


def test_a_checkpoint_of_another_run_is_refused_and_says_why(tmp_path):
    file = tmp_path / "checkpoint.pt"
    short = replace(TINY, epochs=1)
    train(corpus(), corpus(3), short, checkpoint=file)
    with pytest.raises(BadCheckpoint, match="another gain_db and seed"):
        train(corpus(), corpus(3), replace(short, seed=9, gain_db=1.0), checkpoint=file)
    rows = []
    with pytest.raises(BadCheckpoint, match="another teachers"):
        train(
            corpus(), corpus(3), replace(short, teachers=1), checkpoint=file, on_epoch=rows.append
        )
    assert not rows, "it says so before a teacher is trained"
    with pytest.raises(BadCheckpoint, match="another data"):
        train(corpus(seed=3), corpus(3), short, checkpoint=file)
    file.write_bytes(b"half a file")
    with pytest.raises(BadCheckpoint, match=r"checkpoint\.pt: cannot be read"):
        train(corpus(), corpus(3), short, checkpoint=file)


def test_the_best_epoch_is_kept_beside_the_last():
    valid = corpus(3, 60, 50)
    trained = train(corpus(), valid, replace(TINY, epochs=5, learning_rate=0.3))
    reached = [row["valid_accuracy"] for row in trained.history]
    assert Validation(valid, CPU).measure(trained.best)["valid_accuracy"] == max(reached)
    assert Validation(valid, CPU).measure(trained.last)["valid_accuracy"] == reached[-1]


def test_patience_ends_a_run_that_gets_no_better():
    valid = corpus(3, 60, 50)
    wild = replace(TINY, epochs=30, learning_rate=0.5)
    reached = [row["valid_accuracy"] for row in train(corpus(), valid, wild).history]
    short = train(corpus(), valid, replace(wild, patience=2)).history
    assert len(short) < 30 and [row["valid_accuracy"] for row in short] == reached[: len(short)]
    assert max(reached[: len(short) - 2]) >= max(reached[len(short) - 2 : len(short)])


@pytest.mark.parametrize(
    "changes",
    [
        {"carry": 1.0}, {"masked_frames": 9, "soften": 2}, {"meeting": 1.0},
        {"reverberation": 0.5, "breath": 0.03}, {"hidden": 120}, {"consonants": 6.0},
        {"optimizer": "muon", "learning_rate": 0.012},
    ],
)  # fmt: skip
def test_it_learns_too_when_the_task_is_changed(changes):
    params = replace(LEARNING, **changes)
    trained = train(corpus(120, 150), corpus(6, 100, 900), params)
    assert trained.history[-1]["valid_accuracy"] > 0.75


@pytest.mark.parametrize(("optimizer", "rounding"), [("adamw", 1e-4), ("muon", 2e-3)])
def test_two_processes_train_the_network_that_one_trains(optimizer, rounding, tmp_path):
    """On the CPU, by torchrun: with nothing left to chance, only rounding differs. (Muon makes weak
    directions of a gradient as long as strong ones, and their rounding with them; without the
    mean over processes weights differ by 0.01.)"""
    rows = [speech_like(f"c{n}", n, 80, "valid" if n < 2 else "train") for n in range(10)]
    write_feature_table(tmp_path / "t.parquet", rows)
    options = ["--features", tmp_path / "t.parquet", "--epochs", 2, "--batch", 4, "--frames", 60]
    options += ["--teachers", 1, "--offline-teachers", 1, "--optimizer", optimizer]
    still = {"gain-db": 0, "tilt-db": 0, "band-db": 0, "dropout": 0, "noise-high-db": -60}
    options += [part for name, value in still.items() for part in (f"--{name}", value)]
    team = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    for name, how in (("one", []), ("two", team)):
        command = [sys.executable, *how, "-m", "lipsync.train", *options, "--out", tmp_path / name]
        done = subprocess.run(
            [*map(str, command), "--device", "cpu", "--threads", "1"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "VISEMILL_FLOAT32": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        for who in ("teacher 1  epoch   2", "\nepoch   2"):
            assert done.stdout.count(who) == 1, "one of them reports"
    one, two = (
        torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("one", "two")
    )
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=rounding, rtol=1e-3)


def test_without_a_validation_split_the_last_epoch_is_the_best():
    trained = train(corpus(), Corpus.of([]), replace(TINY, epochs=2))
    assert weights(trained.best) == weights(trained.last)
    assert "valid_accuracy" not in trained.history[0]


def test_clips_shorter_than_the_lookahead_do_no_harm():
    short = Corpus.of([speech_like(f"s{n}", n, 1 + n % 5) for n in range(20)])
    trained = train(short, Corpus.of([]), replace(TINY, epochs=2))
    assert all(torch.isfinite(t).all() for t in trained.last.state_dict().values())


def test_no_clips_to_train_on_is_an_error():
    with pytest.raises(BadFeatures, match="no clips"):
        train(Corpus.of([]), corpus(3), TINY)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0}, {"hidden": 0}, {"hidden": 641}, {"frames": 3},
        {"dropout": 1.0}, {"learning_rate": 0.0},
        {"gain_db": -1.0}, {"noise_low_db": 20.0}, {"device": "tpu"}, {"carry": 1.5},
        {"masked_bands": -1}, {"patience": -1}, {"meeting": -0.5}, {"reverberation": 0.2},
        {"breath": 0.001}, {"teachers": -1}, {"offline_teachers": -1}, {"taught": 1.5},
        {"teacher_hidden": 0}, {"optimizer": "sgd"},
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(changes):
    with pytest.raises(BadInput, match=next(iter(changes))):
        replace(TINY, **changes)


def test_the_module_trains_from_tables_and_leaves_a_model_that_loads(tmp_path, capsys):
    rows = [speech_like(f"c{n}", n, 100, "valid" if n < 2 else "train") for n in range(10)]
    write_feature_table(tmp_path / "part-0000.parquet", rows)
    out = tmp_path / "out"
    options = ["--epochs", "2", "--batch", "4", "--frames", "60", "--device", "cpu"]
    pattern = str(tmp_path / "part-*.parquet")
    assert main(["--features", pattern, "--out", str(out), *options]) == 0
    assert "epoch   2" in capsys.readouterr().out
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 4000).astype(np.float32)
    np.testing.assert_allclose(
        Model.load(out / "visemill.onnx").predict(audio),
        Model.load(out / "best.pt").predict(audio),
        atol=1e-5,
    )
    assert len(json.loads((out / "history.json").read_text())["history"]) == 2
    assert main(["--features", str(tmp_path / "none*"), "--out", str(out)]) == 1
    assert "no file matches" in capsys.readouterr().err


def test_training_needs_nothing_that_a_bare_gpu_machine_lacks(tmp_path):
    """Runs it in a process where the audio and review libraries cannot be imported."""
    write_feature_table(tmp_path / "t.parquet", [speech_like("a", 0, 80)])
    script = tmp_path / "bare.py"
    missing = ["soundfile", "soxr", "praatio", "parselmouth", "yaml", "dvclive", "dvc"]
    script.write_text(
        "import sys\n"
        f"for name in {[*missing, 'onnxruntime', 'streamlit']!r}: sys.modules[name] = None\n"
        "from lipsync.train import main\n"
        "from lipsync.errors import BadInput\n"
        "code = main(sys.argv[1:])\n"
        "loaded = [m for m in ('clips', 'clips.errors') if m in sys.modules]\n"
        "assert not loaded and BadInput.__module__ == 'lipsync.errors', loaded\n"
        "sys.exit(code)\n"
    )
    options = ["--epochs", "1", "--batch", "2", "--frames", "40", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, script, "--features", tmp_path / "t.parquet", "--out", tmp_path, *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "visemill.onnx").exists()


def test_a_trained_network_goes_back_and_forth_with_cherrys_format(tmp_path):
    trained = train(corpus(), Corpus.of([]), replace(TINY, epochs=1))
    save_cherry(trained.last, tmp_path / "a.pt")
    net = CherryNet()
    net.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True), strict=True)
    assert weights(net) == weights(trained.last)


def test_a_tract_of_the_same_length_changes_nothing():
    mel = torch.randn(3, 20, 13, generator=torch.Generator().manual_seed(7))
    assert torch.allclose(stretch_tract(mel, torch.ones(3)), mel, atol=1e-4)


def test_a_longer_tract_moves_a_resonance_down():
    mel = torch.full((2, 1, 13), -60.0)
    mel[:, :, 6] = 0.0
    longer, shorter = stretch_tract(mel, torch.tensor([1.25, 0.8]))[:, 0]
    bands = torch.arange(13.0)

    def centre(levels: torch.Tensor) -> float:
        power = 10 ** (levels / 10)
        return float((bands * power).sum() / power.sum())

    assert centre(longer) < 6 - 0.3
    assert centre(shorter) > 6 + 0.3


def test_contrast_keeps_each_frames_mean_and_changes_its_spread():
    mel = 20 * torch.randn(4, 50, 13, generator=torch.Generator().manual_seed(7))
    params = TrainParams(
        gain_db=0, tilt_db=0, band_db=0, noise_low_db=-200, noise_high_db=-200, contrast=0.5
    )
    changed = augment(mel, params, torch.Generator().manual_seed(1))
    assert torch.allclose(changed.mean(2), mel.mean(2), atol=1e-2)
    ratio = changed.std(2) / mel.std(2)
    assert (ratio.std(1) < 1e-2).all(), "one contrast for a whole sequence"
    assert (ratio.mean(1) - 1).abs().max() > 0.05


@pytest.mark.parametrize("name", ["tract", "contrast", "band_db"])
def test_a_negative_spread_is_refused(name):
    with pytest.raises(BadInput, match=name):
        TrainParams(**{name: -0.1})
