"""Tempo, pitch and formants by Praat (PSOLA): keeps the fine detail of the voice as it was.

Overlap-add moves whole pitch periods, so consonants and breath stay as recorded; large pitch shifts
sound better from WORLD. Formants are moved by resampling, which changes tempo and pitch as well;
the same overlap-add that makes the wanted tempo and pitch puts those right.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import soxr

from augment.timemap import TimeMap
from augment.voice import VoiceParams, VoiceTransform
from clips import RATE, Clip, EngineFailed, EngineMissing

F0_FLOOR, F0_CEIL = 60.0, 600.0
"""Range of pitches that Praat looks for (Hz): low men to children."""

STEP = 0.01
"""Seconds between two pitch frames of the manipulation."""

_SEED = "random_initializeWithSeedUnsafelyButPredictably (1)"
"""Praat shuffles the periods of voiceless stretches at random; started anew for each sound, it
gives the same bytes whatever was made before."""

_CORNER = 1e-6  # seconds: within this the tempo goes from one phone's to the next one's


class Praat(VoiceTransform):
    """Changes tempo, pitch and formants by resampling and PSOLA."""

    name = "praat"

    def render(self, clip: Clip, params: VoiceParams, moved: TimeMap) -> np.ndarray:
        """See VoiceTransform.render."""
        parselmouth = _library()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that nothing is voiced
                parselmouth.praat.run(_SEED)
                samples = _change(parselmouth, clip.audio.astype(np.float64), params, moved)
        except parselmouth.PraatError as error:
            raise EngineFailed(
                f"Praat failed ({(str(error).splitlines() or ['?'])[0]})",
                where=f"clip {clip.clip_id}",
                remedy="leave the clip out",
            ) from error
        return np.pad(samples[: moved.length], (0, max(moved.length - len(samples), 0)))

    def versions(self) -> list[str]:
        """See DrawnTransform.versions."""
        library = _library()
        return [f"parselmouth {library.VERSION}", f"Praat {library.PRAAT_VERSION}"]


def _change(parselmouth: Any, audio: np.ndarray, params: VoiceParams, moved: TimeMap) -> np.ndarray:
    """The samples (float64) of a sound after resampling and overlap-add."""
    scale = params.formants
    if scale != 1:  # played faster: higher, and shorter
        audio = soxr.resample(audio, RATE * scale, RATE)
    stretches = np.diff(moved.new) / np.diff(moved.old) * scale
    if (stretches == 1).all() and params.keeps_pitch:
        return audio
    call = parselmouth.praat.call
    sound = parselmouth.Sound(audio, RATE)
    manipulation = call(sound, "To Manipulation", STEP, F0_FLOOR * scale, F0_CEIL * scale)
    duration = call("Create DurationTier", "tempo", 0.0, sound.xmax)
    ends = moved.old / RATE / scale
    for start, end, stretch in zip(ends[:-1], ends[1:], stretches, strict=True):
        call(duration, "Add point", start + _CORNER, stretch)
        call(duration, "Add point", end - _CORNER, stretch)
    call([duration, manipulation], "Replace duration tier")
    if scale != 1 or not params.keeps_pitch:
        pitch = call(manipulation, "Extract pitch tier")
        _change_pitch(call, pitch, params)
        call([pitch, manipulation], "Replace pitch tier")
    return np.array(call(manipulation, "Get resynthesis (overlap-add)").values[0])


def _change_pitch(call: Any, pitch: Any, params: VoiceParams) -> None:
    """Gives a PitchTier of the resampled voice the wanted pitches."""
    if params.pitch_range == 1 and not params.pitch_median:  # the same for all: much faster
        factor = 2 ** (params.semitones / 12) / params.formants
        call(pitch, "Multiply frequencies", 0.0, call(pitch, "Get end time"), factor)
    elif call(pitch, "Get number of points"):
        points = call(call(pitch, "Down to TableOfReal", "Hertz"), "To Matrix").values
        times, before = points[:, 0], points[:, 1] / params.formants
        after = params.scale_pitch(before, float(np.median(before)))
        call(pitch, "Remove points between", 0.0, times[-1] + 1)
        for time, hertz in zip(times, np.clip(after, F0_FLOOR, F0_CEIL), strict=True):
            call(pitch, "Add point", time, hertz)


def _library() -> Any:
    try:
        import parselmouth.praat
    except ImportError as error:
        raise EngineMissing(
            "parselmouth is not installed", remedy='pip install "praat-parselmouth>=0.4.5"'
        ) from error
    return parselmouth


TRANSFORM = Praat
