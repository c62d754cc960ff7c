"""Tempo, pitch and formants by Praat (PSOLA): keeps the fine detail of the voice as it was.

Overlap-add moves whole pitch periods, so consonants and breath stay as recorded; large pitch shifts
sound better from WORLD.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from augment.voice import VoiceParams, VoiceTransform
from clips import RATE, Clip, EngineFailed, EngineMissing

F0_FLOOR, F0_CEIL = 60.0, 600.0
"""Range of pitches that Praat looks for (Hz): low men to children."""

STEP = 0.01
"""Seconds between two pitch frames of the manipulation."""

_SEED = "random_initializeWithSeedUnsafelyButPredictably (1)"
"""Praat shuffles the periods of voiceless stretches at random; started anew for each sound, it
gives the same bytes whatever was made before."""


class Praat(VoiceTransform):
    """Changes tempo and pitch by PSOLA, formants by "Change gender"."""

    name = "praat"

    def render(self, clip: Clip, params: VoiceParams, length: int) -> np.ndarray:
        """See VoiceTransform.render."""
        try:
            import parselmouth
            from parselmouth.praat import call, run
        except ImportError as error:
            raise EngineMissing(
                "parselmouth is not installed", remedy='pip install "praat-parselmouth>=0.4.5"'
            ) from error
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that nothing is voiced
                run(_SEED)
                samples = _change(call, parselmouth.Sound(clip.audio.astype(float), RATE), params)
        except parselmouth.PraatError as error:
            raise EngineFailed(
                f"Praat failed ({(str(error).splitlines() or ['?'])[0]})",
                where=f"clip {clip.clip_id}",
                remedy="leave the clip out",
            ) from error
        return np.pad(samples[:length], (0, max(length - len(samples), 0)))


def _change(call: Callable[..., Any], sound: Any, params: VoiceParams) -> np.ndarray:
    """The samples of a Praat sound after formants, tempo and pitch were changed."""
    if params.formants != 1:
        # Pitch median 0 and range 1 keep the pitch; duration factor 1 keeps the time.
        sound = call(sound, "Change gender", F0_FLOOR, F0_CEIL, params.formants, 0.0, 1.0, 1.0)
    if params.tempo != 1 or params.semitones:
        end = sound.xmax
        manipulation = call(sound, "To Manipulation", STEP, F0_FLOOR, F0_CEIL)
        duration = call("Create DurationTier", "tempo", 0.0, end)
        call(duration, "Add point", end / 2, 1 / params.tempo)
        call([duration, manipulation], "Replace duration tier")
        if params.semitones:
            pitch = call(manipulation, "Extract pitch tier")
            call(pitch, "Multiply frequencies", 0.0, end, 2 ** (params.semitones / 12))
            call([pitch, manipulation], "Replace pitch tier")
        sound = call(manipulation, "Get resynthesis (overlap-add)")
    return np.array(sound.values[0], dtype=np.float64)


TRANSFORM = Praat
