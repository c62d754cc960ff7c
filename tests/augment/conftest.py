"""Clips whose boundaries can be seen in the sound: bursts of noise or voice between silences."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from clips import Clip, Segment, merge_equal, read_audio, to_grid


def buzz(samples: int, f0: float) -> np.ndarray:
    """A voice-like tone: harmonics of `f0` (Hz) up to 7 kHz, falling by 6 dB an octave."""
    time = np.arange(samples) / 16000
    tone = sum(np.sin(2 * np.pi * f0 * k * time) / k for k in range(1, int(7000 / f0)))
    return 0.2 * tone / np.abs(tone).max()


def make_bursts(seed: int = 0) -> Clip:
    """Nine bursts, noise and voice by turns, 0.1 to 0.3 s long, with words and ipa."""
    rng = np.random.default_rng(seed)
    sound, phones, words, at = [], [], [], 0
    for number in range(9):
        for label in ("SIL", "AA" if number % 2 else "S"):
            samples = int(rng.integers(1600, 4800))
            part = rng.normal(0, 1e-4, samples)
            if label == "AA":
                part += buzz(samples, float(rng.uniform(100, 250)))
            elif label == "S":
                part += rng.normal(0, 0.08, samples)
            sound.append(part)
            phones.append(Segment(label, at, at + samples))
            if label != "SIL":
                words.append(Segment(f"w{number}", at, at + samples))
            at += samples
    sound.append(rng.normal(0, 1e-4, 2000))
    phones.append(Segment("SIL", at, at + 2000))
    return Clip(
        clip_id=f"bursts{seed}",
        audio=to_grid(np.concatenate(sound)),
        text="bursts",
        language="en",
        speaker="s",
        source="made",
        licence="CC0-1.0",
        attribution="",
        timing="exact",
        words=tuple(words),
        phones=tuple(phones),
        ipa=tuple("" if p.label == "SIL" else p.label.lower() for p in phones),
        visemes=tuple(Segment("Neutral", p.start, p.end) for p in phones),
    ).validate()


@pytest.fixture(scope="session")
def bursts() -> Clip:
    return make_bursts()


@pytest.fixture(scope="session")
def speech(tmp_path_factory) -> list[Clip]:
    """Three sentences of flite with its own phone times."""
    if not shutil.which("flite"):
        pytest.skip("flite is not installed")
    folder = tmp_path_factory.mktemp("flite")
    clips = []
    for voice, text in (
        ("slt", "Please bring back a cup of black coffee, Papa."),
        ("rms", "Seven purple boxes stood behind the big wooden gate."),
        ("awb", "We should have kept to the path by the river."),
    ):
        path = folder / f"{voice}.wav"
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(path)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        audio = to_grid(read_audio(path))
        phones, at = [], 0
        for entry in printed.split():
            label, seconds = entry.split(":")
            end = min(round(float(seconds) * 16000), len(audio))
            if end > at:
                phones.append(Segment("SIL" if label == "pau" else label.upper(), at, end))
            at = end
        phones[-1] = Segment(phones[-1].label, phones[-1].start, len(audio))
        clips.append(
            Clip(
                clip_id=voice,
                audio=audio,
                text=text,
                language="en",
                speaker=voice,
                source="flite",
                licence="CC0-1.0",
                attribution="",
                timing="exact",
                phones=merge_equal(phones),
            ).validate()
        )
    return clips
