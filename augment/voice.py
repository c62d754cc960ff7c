"""What the two voice transforms share: settings, parameters, moving labels, keeping the level."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b

import numpy as np

from augment.drawn import DrawnTransform, draw_between, draw_ratio
from augment.timemap import TimeMap, phone_stretches, time_map
from augment.transform import refuse_short
from augment.values import Checked, build, number, span
from clips import BadParams, Clip, EngineFailed, Op, to_grid

PEAK = 0.999
"""The highest sample that a transform leaves (full scale is 1)."""

LOWEST_MEDIAN, HIGHEST_MEDIAN = 70.0, 400.0
"""Hz: the speakers that a pitch may be brought to."""


@dataclass(frozen=True)
class VoiceSettings(Checked):
    """Ranges (lowest, highest) that parameters are drawn from.

    tempo: speed, 1 is unchanged, 2 twice as fast (within 0.5..2). semitones: pitch shift
    (−12..12). formants: scale of the resonances, above 1 for a shorter vocal tract (0.7..1.4).
    uneven: how differently classes of phones share in the tempo (0..2): 0 all alike, 1 as people
    do it, see timemap.ELASTICITY. pitch_range: scale of the pitch movements around the median
    (0..2): 0 is flat, 1 unchanged. pitch_median: another speaker's median (70..400 Hz), or
    [0, 0] to keep the clip's own. Raises BadParams that names the key.
    """

    tempo: tuple[float, float] = span(0.5, 2.0, 0.75, 1.33)
    semitones: tuple[float, float] = span(-12.0, 12.0, -4.0, 4.0)
    formants: tuple[float, float] = span(0.7, 1.4, 0.85, 1.2)
    uneven: tuple[float, float] = span(0.0, 2.0, 0.0, 0.0)
    pitch_range: tuple[float, float] = span(0.0, 2.0, 1.0, 1.0)
    pitch_median: tuple[float, float] = span(0.0, HIGHEST_MEDIAN, 0.0, 0.0)

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.pitch_median[1] and self.pitch_median[0] < LOWEST_MEDIAN:
            raise BadParams(
                f"pitch_median starts at {self.pitch_median[0]:g}",
                remedy=f"keep it in {LOWEST_MEDIAN:g}..{HIGHEST_MEDIAN:g}, or write [0, 0]",
            )


@dataclass(frozen=True)
class VoiceParams(Checked):
    """One child's numbers, as the settings name them. pitch_median: 0 keeps the clip's own;
    semitones count from the median that the child gets."""

    tempo: float = number(0.5, 2.0, 1.0)
    semitones: float = number(-12.0, 12.0, 0.0)
    formants: float = number(0.7, 1.4, 1.0)
    uneven: float = number(0.0, 2.0, 0.0)
    pitch_range: float = number(0.0, 2.0, 1.0)
    pitch_median: float = number(0.0, HIGHEST_MEDIAN, 0.0)

    def scale_pitch(self, f0: np.ndarray, median: float) -> np.ndarray:
        """The pitches (Hz) that those of a voice with this median (Hz) become."""
        shift = 2 ** (self.semitones / 12)
        if self.pitch_range == 1 and not self.pitch_median:
            return f0 * shift
        centre = self.pitch_median or median
        return centre * shift * (f0 / median) ** self.pitch_range

    @property
    def keeps_pitch(self) -> bool:
        """Whether `scale_pitch` changes nothing."""
        return not self.semitones and self.pitch_range == 1 and not self.pitch_median


class VoiceTransform(DrawnTransform[VoiceParams]):
    """Tempo, pitch and formants at once; subclasses give the sound."""

    Settings, Params = VoiceSettings, VoiceParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> VoiceParams:
        """Tempo, formants and medians evenly on a logarithmic scale, the others evenly.

        What is drawn does not depend on the clip (its id is already in the stream of numbers).
        """
        ranges = self.settings
        drawn = {
            "tempo": draw_ratio(rng, ranges.tempo, 3),
            "semitones": draw_between(rng, ranges.semitones, 3),
            "formants": draw_ratio(rng, ranges.formants, 3),
            "uneven": draw_between(rng, ranges.uneven, 3),
            "pitch_range": draw_between(rng, ranges.pitch_range, 3),
        }
        if ranges.pitch_median[1]:
            drawn["pitch_median"] = draw_ratio(rng, ranges.pitch_median, 1)
        return self.Params(**drawn, **self.draw_more(rng))

    def draw_more(self, rng: np.random.Generator) -> dict[str, float]:
        """Parameters that this transform alone has."""
        return {}

    def apply(self, clip: Clip, params: VoiceParams) -> Clip:
        """See Transform.apply. Boundaries move as the sound does."""
        refuse_short(clip)
        moved = voice_map(clip, params)
        sound = self.render(clip, params, moved)
        if sound.shape != (moved.length,) or not np.isfinite(sound).all():
            raise EngineFailed(
                f"{self.name} gave {sound.shape} samples, not ({moved.length},), or broken ones",
                where=f"clip {clip.clip_id}",
                remedy="leave the clip out",
            )
        op = Op.of(self.name, **asdict(params), samples=moved.length, carry=moved.carry)
        suffix = blake2b(repr(asdict(params)).encode(), digest_size=4).hexdigest()
        return clip.child(
            f"{self.name}-{suffix}",
            op,
            audio=to_grid(keep_level(clip.audio, sound)),
            **moved.labels(clip),
        ).validate()

    def read(self, op: Op) -> VoiceParams:
        """See Transform.read."""
        return read_params(op, self.Params)

    @abstractmethod
    def render(self, clip: Clip, params: VoiceParams, moved: TimeMap) -> np.ndarray:
        """The new sound: float64, shape (moved.length,), in which old samples sound where `moved`
        says."""


def read_params(op: Op, kind: type[VoiceParams] = VoiceParams) -> VoiceParams:
    """The parameters in an Op that a voice transform wrote. Raises BadParams."""
    values, known = op.read(), [f.name for f in fields(kind)]
    for key in ("tempo", "semitones", "formants"):
        if key not in values:
            raise BadParams(f"the operation {op.name!r} has no parameter {key!r}")
    return build(kind, {k: v for k, v in values.items() if k in known}, f"the op {op.name!r}")


def voice_map(clip: Clip, params: VoiceParams) -> TimeMap:
    """Where the samples of `clip` go."""
    stretch = 1 / params.tempo
    if not params.uneven or not clip.phones:
        return time_map(clip, stretch)
    return time_map(clip, phone_stretches(clip, stretch, params.uneven))


def keep_level(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`after` with the RMS level of `before`, or as near to it as PEAK allows."""
    wanted, got = (float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) for x in (before, after))
    peak = float(np.abs(after).max(initial=0.0))
    if got < 1e-9 or peak < 1e-9:
        return after
    return after * min(wanted / got, PEAK / peak)
