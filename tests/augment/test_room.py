from __future__ import annotations

import numpy as np
import pytest

from augment import find_transform
from augment.codec import measure_delay
from augment.room import RoomParams, make_response
from clips import BadParams, to_grid

pytest.importorskip("pyroomacoustics", reason="pyroomacoustics is not installed")
SIZE = (5.0, 4.0, 3.0)


def params(absorption: float, mouth=(1.0, 1.5, 1.6), microphone=(3.1, 2.2, 1.2)) -> RoomParams:
    return RoomParams(SIZE, mouth, microphone, absorption)


@pytest.mark.parametrize("microphone", [(1.2, 1.5, 1.6), (3.1, 2.2, 1.2), (4.5, 3.5, 2.5)])
def test_the_direct_sound_lies_where_the_delay_says(microphone):
    response, delay = make_response(params(0.9, microphone=microphone))
    assert abs(int(np.abs(response[: delay + 20]).argmax()) - delay) <= 1
    assert np.abs(response[: delay - 41]).max(initial=0) == 0


def test_speech_in_a_damped_room_is_not_late(speech):
    room = find_transform("room")
    for clip in speech:
        child = room.apply(clip, params(0.95))
        assert measure_delay(clip.audio, child.audio) <= 1
        assert measure_delay(child.audio, clip.audio) <= 1


def test_hard_walls_leave_a_longer_tail(bursts):
    burst = bursts.with_(audio=np.where(np.arange(len(bursts)) < 6000, bursts.audio, 0))
    tails = []
    for absorption in (0.8, 0.4, 0.15):
        sound = find_transform("room").apply(burst, params(absorption)).audio.astype(np.float64)
        tails.append(np.sum(sound[8000:12000] ** 2) / np.sum(sound[:6000] ** 2))
    assert tails[0] < tails[1] < tails[2]
    assert tails[2] > 10 * tails[0]


def test_the_level_is_kept(speech):
    quiet = speech[0].with_(audio=to_grid(speech[0].audio / 4))
    child = find_transform("room").apply(quiet, params(0.3))
    powers = [np.mean(np.square(c.audio, dtype=np.float64)) for c in (child, quiet)]
    assert 10 * np.log10(powers[0] / powers[1]) == pytest.approx(0, abs=0.05)


def test_the_same_room_is_the_same_whatever_else_uses_the_library():
    import pyroomacoustics

    before = make_response(params(0.3))[0]
    pyroomacoustics.constants.set("num_threads", 2)
    pyroomacoustics.constants.set("rir_hpf_enable", True)
    assert np.array_equal(make_response(params(0.3))[0], before)


def test_drawn_places_lie_in_the_room(bursts):
    room = find_transform("room", {"distance": [0.3, 1.0]})
    for n in range(200):
        drawn = room.draw(np.random.default_rng(n), bursts)
        for place in (drawn.mouth, drawn.microphone):
            assert all(0.3 < x < side - 0.3 for x, side in zip(place, drawn.size))
        assert 0.08 < drawn.distance < 1.03


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mouth": (6, 1, 1)}, "mouth is outside"),
        ({"microphone": (1, 1, 0)}, "microphone is outside"),
        ({"mouth": (1, 1, 1), "microphone": (1, 1, 1)}, "touch"),
        ({"mouth": (1, 1)}, "mouth"),
        ({"absorption": 1.0}, "absorption"),
    ],
)
def test_impossible_rooms_are_refused(change, said):
    values = {"size": SIZE, "mouth": (1, 1, 1), "microphone": (2, 2, 2), "absorption": 0.5}
    with pytest.raises(BadParams, match=said):
        RoomParams(**{**values, **change})
