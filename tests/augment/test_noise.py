from __future__ import annotations

import numpy as np
import pytest

from augment import find_transform
from augment.loudness import active_power
from augment.noise import NoiseParams, make_noise
from clips import BadParams, Segment


@pytest.mark.parametrize("colour", ["white", "pink", "brown"])
@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 30.0])
def test_the_ratio_is_that_of_speech_to_noise(colour, snr_db, bursts):
    quiet = bursts.with_(audio=bursts.audio / 4)
    child = find_transform("noise").apply(quiet, NoiseParams(colour, snr_db, 7))
    added = child.audio.astype(np.float64) - quiet.audio
    found = 10 * np.log10(active_power(quiet) / np.mean(added**2))
    assert found == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -3.01), ("brown", -6.02)])
def test_colours_fall_as_they_should(colour, slope):
    power = np.abs(np.fft.rfft(make_noise(colour, 160_000, 3))) ** 2
    hertz = np.fft.rfftfreq(160_000, 1 / 16000)
    octaves = [(100 * 2**n, 200 * 2**n) for n in range(6)]
    levels = [10 * np.log10(power[(hertz >= a) & (hertz < b)].mean()) for a, b in octaves]
    assert np.polyfit(range(6), levels, 1)[0] == pytest.approx(slope, abs=0.3)


def test_seeds_make_different_noise_and_the_same_seed_the_same():
    assert np.array_equal(make_noise("pink", 999, 1), make_noise("pink", 999, 1))
    assert abs(np.corrcoef(make_noise("pink", 9999, 1), make_noise("pink", 9999, 2))[0, 1]) < 0.2


def test_full_scale_speech_comes_down_with_its_noise(bursts):
    loud = bursts.with_(audio=bursts.audio / np.abs(bursts.audio).max() * np.float32(0.99))
    child = find_transform("noise").apply(loud, NoiseParams("white", 0.0, 1))
    assert 0.99 < np.abs(child.audio).max() < 1


def test_settings_bound_what_is_drawn(bursts):
    transform = find_transform("noise", {"colours": ["brown"], "snr_db": [3, 4]})
    rng = np.random.default_rng(0)
    drawn = [transform.draw(rng, bursts) for _ in range(50)]
    assert {params.colour for params in drawn} == {"brown"}
    assert all(3 <= params.snr_db <= 4 for params in drawn)
    with pytest.raises(BadParams, match="colours has 'red'"):
        find_transform("noise", {"colours": ["red"]})


def test_active_power_is_of_speech_alone(bursts):
    half = np.zeros(20000, np.float32)
    half[:8000] = np.float32(0.5)
    labelled = bursts.with_(
        audio=half, phones=(Segment("AA", 0, 8000), Segment("SIL", 8000, 20000)),
        words=(), ipa=(), visemes=(),
    )  # fmt: skip
    assert active_power(labelled) == pytest.approx(0.25)
    assert active_power(labelled.with_(phones=())) == pytest.approx(0.25)
    assert active_power(labelled.with_(phones=(Segment("SIL", 0, 20000),))) == 0
