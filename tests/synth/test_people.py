"""Drawn people: as many as asked for, each the same always, each another than the rest."""

from __future__ import annotations

from collections import Counter

import numpy as np
import parselmouth
import pytest

from clips import RATE, SILENCE, BadParams, draw_stream
from synth import Prompt, find_engine
from synth.people import KINDS, SEXES, person_name, person_of

VOWELS = {"AA", "AE", "AH", "AO", "EH", "EY", "IH", "IY", "OW", "UW"}
TEXTS = (
    "Happy people keep a big copper kettle open.", "We saw Ann's yellow boat on the river.",
    "Bob took the apple pie to a party.", "You may choose the fresh fish, she thought.",
)  # fmt: skip


def speak(voice, text):
    engine = find_engine("espeak")
    params = engine.draw(draw_stream(1, "people", voice.name + text), Prompt("p", text), voice)
    return engine.speak(Prompt("p", text), voice, params, "c")


def voices(language="en-us", **people):
    return find_engine("espeak", {"people": people} if people else None).voices(language)


def test_forty_speakers_and_more_by_default_in_even_shares():
    speakers = {voice.speaker: voice.sex for voice in voices("en")}
    shares = Counter(speakers.values())
    assert len(speakers) >= 40 and set(shares) == set(SEXES)
    assert len(set(shares.values())) == 1


def test_a_setting_asks_for_more_people_and_changes_none():
    more = {v.speaker for v in voices(f=100, m=0, child=1)}
    assert {"espeak:f-99", "espeak:child-00"} <= more
    assert "espeak:f-100" not in more and "espeak:m-00" not in more


def test_a_name_is_the_same_person_in_every_run():
    assert person_of("f-03").lines().splitlines() == [
        "formant 0 110 116 129",
        "formant 1 113 124 113",
        "formant 2 118 110 84",
        "formant 3 115 113 122",
        "formant 4 113 100 130",
        "formant 5 109 91 123",
        "formant 6 111 123 109",
        "pitch 122 185",
        "tone 600 157 1200 135 2000 116 3000 121",
        "breath 0 3 3 3 3 3 3 3",
        "roughness 1",
        "flutter 2",
        "voicing 91",
        "consonants 93 82",
    ]
    assert person_of("f-04") != person_of("f-03")


@pytest.mark.parametrize("people", [{"women": 3}, {"f": -1}, {"f": 1.5}, {"f": True}, None, 7])
def test_wrong_settings_are_named(people):
    with pytest.raises(BadParams, match=r"synthesize\.settings\.espeak\.people"):
        find_engine("espeak", {"people": people})


def test_only_names_of_people_are_people():
    assert all(person_of(name) is None for name in ("f2", "m8", "zac", "f-", "f-1", "x-01", ""))


def test_a_new_person_speaks_every_accent_with_phones_that_tile():
    for voice in voices("en", f=1, m=1, child=1):
        if "-00" in voice.name:
            clip = speak(voice, TEXTS[0]).validate()
            assert np.abs(clip.audio).max() < 0.9
            assert "P" in {p.label for p in clip.phones}


def test_closures_of_people_are_silent():
    """Breath and roughness must not fill the closures, which labels rely on."""
    for voice in voices()[::2]:
        if person_of(voice.name.partition("+")[2]) is None:
            continue
        clip = speak(voice, TEXTS[0])
        loudest = np.abs(clip.audio).max()
        stops = [p for p in clip.phones if p.label in ("P", "K") and p.samples > 640]
        assert stops
        quiet = [np.median(np.abs(clip.audio[p.start + 80 : p.start + 400])) for p in stops]
        assert np.median(quiet) < loudest * 10 ** (-35 / 20)


def test_kinds_of_people_sound_like_their_kind():
    """Median pitch and vocal tract (third formant of vowels) by kind, measured by Praat."""
    pitches = {sex: [] for sex in SEXES}
    thirds = {sex: [] for sex in SEXES}
    for voice in voices():
        if person_of(voice.name.partition("+")[2]) is None:
            continue
        clip = speak(voice, TEXTS[0])
        sound = parselmouth.Sound(clip.audio.astype(np.float64), RATE)
        pitch = sound.to_pitch(0.01, 60, 700).selected_array["frequency"]
        pitches[voice.sex].append(np.median(pitch[pitch > 0]))
        formants = sound.to_formant_burg(0.01, 5, 7000 if voice.sex == "child" else 5500)
        middles = [(p.start + p.end) / 2 / RATE for p in clip.phones if p.label in VOWELS]
        thirds[voice.sex].append(np.nanmedian([formants.get_value_at_time(3, m) for m in middles]))
    assert np.median(pitches["m"]) * 1.3 < np.median(pitches["f"]) < np.median(pitches["child"])
    assert np.median(thirds["m"]) * 1.05 < np.median(thirds["f"])
    assert np.median(thirds["f"]) * 1.05 < np.median(thirds["child"])
    for sex in SEXES:
        low, high = KINDS[sex].pitch
        assert low * 0.8 < min(pitches[sex]) and max(pitches[sex]) < high * 1.35


def test_people_can_be_told_apart():
    """Of all speakers' mean spectra, the nearest is the speaker's own, saying something else."""

    def colour(voice, texts):
        clips = [speak(voice, text) for text in texts]
        speech = [c.audio[p.start : p.end] for c in clips for p in c.phones if p.label != SILENCE]
        sound = np.concatenate(speech)
        frames = np.lib.stride_tricks.sliding_window_view(sound, 400)[::160] * np.hanning(400)
        power = np.log(np.abs(np.fft.rfft(frames)) ** 2 + 1e-9)
        bands = np.stack([b.mean(axis=1) for b in np.array_split(power, 40, axis=1)])
        return np.concatenate([bands.mean(axis=1), bands.std(axis=1)])

    speakers = voices()
    first, second = (np.stack([colour(v, t) for v in speakers]) for t in (TEXTS[:2], TEXTS[2:]))
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    distance = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    right = np.mean(distance.argmin(axis=1) == np.arange(len(speakers)))
    assert len(speakers) >= 40
    assert right >= 0.9


def test_names_have_numbers():
    assert person_name("child", 7) == "child-07" and person_of("child-07") is not None
