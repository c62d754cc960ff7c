"""Soft labels and blend shape curves: shares that sum to one, closures that are whole."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadLabels, BadParams
from tests.visemes.tracks import RATES, TRACKS, laid_out
from visemes.blendshapes import (
    Curves,
    blendshape_curves,
    curves_to_csv,
    curves_to_json,
    load_poses,
    read_curves,
)
from visemes.frames import resample
from visemes.inventory import inventory_names, load_inventory
from visemes.soft import CROSSFADES, crossfade_seconds, soft_labels

INVENTORY = load_inventory("cherry12")
CLASSES = INVENTORY.classes
POSES = load_poses()


def weight(row: np.ndarray, name: str) -> float:
    """The weight of a blend shape in a row of 52."""
    return float(row[POSES.blendshapes.index(name)])


@given(TRACKS, st.sampled_from(RATES), st.integers(1, 3))
def test_shares_sum_to_one_and_follow_the_hard_track(track, rate, hold):
    hard = resample(track, rate, INVENTORY, hold=hold)
    soft = soft_labels(hard, rate, INVENTORY)
    assert soft.shape == (len(hard), len(CLASSES)) and soft.min() >= 0
    assert np.allclose(soft.sum(1), 1, atol=1e-6)
    assert ((soft > 0).sum(1) <= 2).all(), "a frame lies between two shapes at most"
    reach = float(max(CROSSFADES.values()) * rate)
    whole = np.array([INVENTORY.must_show(viseme) for viseme in CLASSES])
    for frame in np.flatnonzero(soft.argmax(1) != hard):
        shown = soft[frame].argmax()
        near = hard[max(0, int(frame - reach)) : int(frame + reach) + 2]
        assert whole[shown] and shown in near, "only a closure nearby may be ahead of the sound"
    for frame in np.flatnonzero(whole[hard]):
        one_hot = soft[frame, hard[frame]] == 1
        beside = {int(h) for h in hard[max(0, frame - 3) : frame + 4]} - {int(hard[frame])}
        assert one_hot or any(whole[h] for h in beside), "a closure is whole in its own time"


def test_outside_the_crossfades_one_shape_has_it_all():
    track = laid_out([("Neutral", 16_000), ("Ah", 16_000), ("M", 3200), ("Ee", 16_000)])
    soft = soft_labels(resample(track, Fraction(100), INVENTORY), Fraction(100), INVENTORY)
    mixed = np.flatnonzero(soft.max(1) < 1)
    # around 1 s half of 120 ms on each side; before 2.0 s and after 2.2 s 40 ms of the vowel alone
    expected = [*range(94, 106), *range(196, 200), *range(220, 224)]
    assert mixed.tolist() == expected
    # frames' middles at 1/8, 3/8, 5/8 and 7/8 of a raised cosine
    cosine = [0.0381, 0.3087, 0.6913, 0.9619]
    assert np.allclose(soft[196:200, CLASSES.index("M")], cosine, atol=1e-4)
    assert np.allclose(soft[220:224, CLASSES.index("Ee")], cosine, atol=1e-4)
    assert np.allclose(
        soft[[94, 99, 100, 105], CLASSES.index("Ah")], [0.0043, 0.4347, 0.5653, 0.9957], atol=1e-4
    )


def test_closures_snap_and_vowels_glide():
    seconds = dict(zip(CLASSES, crossfade_seconds(INVENTORY), strict=True))
    assert seconds["M"] == seconds["F"] < seconds["S"] < seconds["Ah"] < seconds["Neutral"]


def test_a_crossfade_rises_steadily():
    track = laid_out([("Ah", 8000), ("Ee", 8000)])
    rising = soft_labels(resample(track, Fraction(100), INVENTORY), Fraction(100), INVENTORY)[:, 2]
    assert (np.diff(rising) >= 0).all() and rising[0] == 0 and rising[-1] == 1
    assert np.allclose(rising + rising[::-1], 1, atol=1e-6)


def test_no_frames_and_classes_of_another_set():
    assert soft_labels(np.zeros(0, int), Fraction(24), INVENTORY).shape == (0, 12)
    with pytest.raises(BadLabels, match="class 12 is not one of cherry12's 12"):
        soft_labels(np.array([0, 12]), Fraction(24), INVENTORY)


def test_there_are_arkits_52_blend_shapes():
    assert len(POSES.blendshapes) == len(set(POSES.blendshapes)) == 52
    paired = [n for n in POSES.blendshapes if n.endswith("Left")]
    other_side = {n.removesuffix("Left") + "Right" for n in paired}
    assert other_side <= set(POSES.blendshapes)
    assert POSES.weights.shape == (len(POSES.inventory.classes), 52)


def test_each_pose_does_what_its_lips_say():
    for viseme, row in zip(POSES.inventory.classes, POSES.weights, strict=True):
        lips, jaw = POSES.inventory.lips[viseme], weight(row, "jawOpen")
        rounding = weight(row, "mouthFunnel") + weight(row, "mouthPucker")
        pressed = min(weight(row, "mouthClose"), weight(row, "mouthPressLeft"))
        assert (lips == "closed") == (jaw == 0 and pressed > 0), viseme
        assert (lips == "rounded") == (rounding >= 0.5), viseme
        assert (lips == "teeth") == (
            jaw < 0.1
            and weight(row, "mouthRollLower") > 0.5
            and weight(row, "mouthUpperUpLeft") > 0
        ), viseme
        assert (lips == "rest") == (not row.any()), viseme
        assert weight(row, "mouthPressLeft") == weight(row, "mouthPressRight")
    jaws = {v: weight(r, "jawOpen") for v, r in zip(POSES.inventory.classes, POSES.weights)}
    assert jaws["Ah"] == max(jaws.values())
    assert jaws["Ah"] > jaws["Uh"] > jaws["Ee"] > jaws["S"]


@given(TRACKS, st.sampled_from(RATES))
def test_the_lips_are_shut_on_every_frame_of_a_closure(track, rate):
    hard = resample(track, rate, INVENTORY)
    curves = blendshape_curves(soft_labels(hard, rate, INVENTORY), INVENTORY, POSES)
    assert curves.shape == (len(hard), 52) and curves.dtype == np.float32
    assert curves.min() >= 0 and curves.max() <= 1
    jaw = curves[:, POSES.blendshapes.index("jawOpen")]
    assert (jaw[hard == CLASSES.index("M")] <= 0.05 + 1e-6).all(), "F beside M opens it 0.05"


@pytest.mark.parametrize("name", inventory_names())
def test_poses_fit_their_own_set_and_the_networks(name):
    inventory = load_inventory(name)
    soft = np.eye(len(inventory.classes), dtype=np.float32)
    if name in ("arkit52", "cherry12"):
        rows = [POSES.inventory.classes.index(viseme) for viseme in inventory.classes]
        assert np.allclose(blendshape_curves(soft, inventory, POSES), POSES.weights[rows])
    else:
        with pytest.raises(BadParams, match=f"no poses for the shapes of {name}"):
            blendshape_curves(soft, inventory, POSES)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("suffix", "write"), [("csv", curves_to_csv), ("json", curves_to_json)])
def test_curves_come_back_from_their_files(tmp_path, rate, suffix, write):
    track = laid_out([("Neutral", 4000), ("M", 2000), ("Ah", 6000), ("Woo", 6000)])
    hard = resample(track, rate, INVENTORY)
    curves = Curves(
        rate,
        tuple(INVENTORY.letters[CLASSES[n]] for n in hard),
        POSES.blendshapes,
        blendshape_curves(soft_labels(hard, rate, INVENTORY), INVENTORY, POSES),
    )
    path = tmp_path / f"curves.{suffix}"
    path.write_text(write(curves), encoding="utf-8")
    again = read_curves(path)
    assert (again.rate, again.letters, again.blendshapes) == (
        rate,
        curves.letters,
        POSES.blendshapes,
    )
    assert np.abs(again.weights - curves.weights).max() <= 0.5e-4 + 1e-7


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "time,letter,jawOpen\n", "a.csv:1: is no table of curves"),
        ("a.csv", "seconds,letter,jawOpen\n0,X,0\n0.04,X\n", "a.csv:3: is no frame"),
        ("a.csv", "seconds,letter,jawOpen\n0,X,0\n0.04,X,1.5\n", "a.csv:3: is no frame"),
        ("a.json", '{"fps": "24",\n oops}', "a.json:2: cannot be read as JSON"),
        ("a.json", '{"fps": "24"}', "a.json: is no file of curves"),
    ],
)
def test_a_broken_file_of_curves_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadLabels, match=message) as caught:
        read_curves(path)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("jawOpen: 0.7,", "jawOpen: 1.7,"), "visemes.Ah.weights: cannot read jawOpen: 1.7"),
        (("jawOpen: 0.7,", "jawOpne: 0.7,"), "cannot read jawOpne"),
        (('at rest", weights: {}', 'at rest"'), "visemes.Neutral.weights: is missing"),
    ],
)
def test_a_faulty_pose_is_named(tmp_path, change, message):
    with open(POSES.inventory.file, encoding="utf-8") as file:
        text = file.read()
    assert change[0] in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(BadParams, match=message):
        load_poses(str(path))
