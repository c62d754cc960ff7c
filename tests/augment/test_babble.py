from __future__ import annotations

import numpy as np
import pytest

from augment import find_transform
from augment.babble import BabbleParams
from augment.loudness import active_power
from augment.pool import Pool
from clips import BadInput, BadParams
from tests.augment.conftest import make_bursts


def babble(pool, **settings):
    transform = find_transform("babble", settings)
    transform.pool = pool
    return transform


def test_licences_and_attributions_of_all_voices_come_along(bursts):
    others = [
        make_bursts(n).with_(licence=licence, attribution=f"voice {n}")
        for n, licence in enumerate(("CC-BY-4.0", "CC0-1.0", "CC-BY-4.0"), 1)
    ]
    params = BabbleParams([(other.clip_id, 5) for other in others], 10.0)
    child = babble(Pool(others)).apply(bursts, params)
    assert child.licence == "CC-BY-4.0 AND CC0-1.0"
    assert child.attribution == "voice 1; voice 2; voice 3"
    assert child.speaker == bursts.speaker


def test_voices_go_round_and_keep_the_ratio(bursts):
    quiet = bursts.with_(audio=bursts.audio / 4)
    short = [make_bursts(n).between(0, 9000).with_(clip_id=f"o{n}", root_id="") for n in (1, 2, 3)]
    params = BabbleParams([(other.clip_id, 8000) for other in short], 12.0)
    added = babble(Pool(short)).apply(quiet, params).audio.astype(np.float64) - quiet.audio
    assert 10 * np.log10(active_power(quiet) / np.mean(added**2)) == pytest.approx(12, abs=0.1)
    assert np.allclose(added[:9000], added[9000:18000], atol=1e-4)
    sum_of = sum(o.audio / np.sqrt(active_power(o)) for o in short)
    assert np.corrcoef(added[1000:10000], sum_of)[0, 1] > 0.99


def test_voices_are_of_the_same_split_and_of_other_recordings(bursts):
    train = [make_bursts(n).with_(split="train") for n in range(1, 6)]
    test = [make_bursts(n).with_(split="test") for n in range(6, 12)]
    clip = train[0].with_(clip_id="child", root_id=train[0].root_id)
    transform = babble(Pool([*train, *test]), voices=12)
    drawn = [transform.draw(np.random.default_rng(n), clip) for n in range(40)]
    used = {clip_id for params in drawn for clip_id, _ in params.voices}
    assert used == {other.clip_id for other in train[1:]}
    assert {len(params.voices) for params in drawn} == {3, 4}


def test_too_few_others_do_not_fit(bursts):
    transform = babble(Pool(make_bursts(n) for n in (1, 2)))
    assert not transform.fits(bursts)
    with pytest.raises(BadInput, match="3 other clips"):
        transform.draw(np.random.default_rng(0), bursts)


@pytest.mark.parametrize("voices", [[], ["a"], [["a", -1]], [["a", "b"]], 3])
def test_wrong_voices_are_named(voices):
    with pytest.raises(BadParams, match="voices"):
        BabbleParams(voices, 3.0)
