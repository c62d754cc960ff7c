from __future__ import annotations

import numpy as np
import pytest

from augment import find_transform
from augment.codec import CODECS, EMBEDDED, CodecParams, find_delay, maker_of, measure_delay
from augment.voice import VoiceParams, voice_map
from clips import BadParams, EngineMissing
from tests.augment.measure import delays, local_lags

EVERY = [(name, rate) for name, codec in CODECS.items() for rate in codec.bitrates]


def coded(clip, name, bitrate):
    try:
        return find_transform("codec").apply(clip, CodecParams(name, bitrate, maker_of(name)))
    except EngineMissing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("name", "bitrate"), [x for x in EVERY if x[0] in EMBEDDED])
def test_no_delay_is_left(name, bitrate, speech):
    for clip in speech:
        child = coded(clip, name, bitrate)
        assert abs(measure_delay(clip.audio, child.audio)) <= 1
        assert abs(measure_delay(child.audio, clip.audio)) <= 1
        lags = local_lags(clip, child)
        assert np.median(np.abs(lags)) <= 1
        assert np.mean(np.abs(lags) <= 16) >= 0.95
        assert child.phones == clip.phones


FFMPEG = [name for name in CODECS if name not in EMBEDDED]


@pytest.mark.parametrize("name", FFMPEG)
def test_no_delay_of_a_codec_of_ffmpeg_is_left(name, speech):
    for bitrate in (CODECS[name].bitrates[0], CODECS[name].bitrates[-1]):
        child = coded(speech[0], name, bitrate)
        # Loudness, since the waveform of a statistical voice fits a pitch period off as well.
        assert (
            abs(np.median(delays(speech[0], child, voice_map(speech[0], VoiceParams())))) <= 2
        )  # ms
        assert 70 <= find_delay(name, bitrate) <= 1100
        assert child == coded(speech[0], name, bitrate)


@pytest.mark.parametrize("name", FFMPEG)
def test_people_are_not_late_after_a_codec_of_ffmpeg(name, shared):
    from pipelines.truth import read_truth
    from visemes.inventory import load_inventory

    for truth in read_truth(shared / "speech" / "emu_ae", load_inventory("cherry12"))[:2]:
        child = coded(truth.clip, name, CODECS[name].bitrates[0])
        assert measure_delay(truth.clip.audio, child.audio) <= 2
        assert measure_delay(child.audio, truth.clip.audio) <= 2


def test_the_probe_finds_a_delay(speech):
    for late in (0, 1, 79, 1105):
        sound = np.pad(speech[0].audio, (late, 100))
        assert measure_delay(speech[0].audio, sound) == late


def test_mp3_frames_that_the_decoder_keeps_are_taken_off():
    # Below 32 kbit/s LAME has no room for the header that tells a decoder what to skip.
    assert find_delay("mp3", 16000) > 1000


def test_telephones_lose_the_treble_and_low_bitrates_lose_more(speech):
    clip = speech[1]

    def error(name, bitrate):
        return np.mean((coded(clip, name, bitrate).audio - clip.audio) ** 2)

    assert error("opus", 8000) > 2 * error("opus", 32000)
    assert error("mp3", 16000) > 2 * error("mp3", 64000)
    assert error("gsm", 13000) > error("alaw", 64000)
    power = np.abs(np.fft.rfft(coded(clip, "gsm", 13000).audio)) ** 2
    half = len(power) // 2
    assert power[half + half // 10 :].sum() < 1e-3 * power.sum()


def test_another_version_cannot_pass_for_the_old_one(bursts):
    with pytest.raises(EngineMissing, match="not of libsndfile 0"):
        find_transform("codec").apply(bursts, CodecParams("gsm", 13000, "libsndfile 0"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("mp4", 13000, "x"), "codec is 'mp4'"),
        (("gsm", 12000, "x"), "bitrate is 12000"),
        (("gsm", 13000, ""), "made_by"),
    ],
)
def test_wrong_parameters_are_named(values, said):
    with pytest.raises(BadParams, match=said):
        CodecParams(*values)


def test_the_settings_choose_the_codecs(bursts):
    codec = find_transform("codec", {"codecs": ["mulaw", "opus"]})
    drawn = {codec.draw(np.random.default_rng(n), bursts).codec for n in range(30)}
    assert drawn == {"mulaw", "opus"}
    assert codec.versions() == [maker_of("mulaw"), maker_of("opus")]
