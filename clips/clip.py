"""The value that every stage passes on: a clip of speech with its labels and its history."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from clips.audio import STEP
from clips.errors import BadLabels
from clips.segment import RATE, Segment, cut, find_faults

TIMINGS = ("none", "exact", "aligned", "transferred", "manual")
"""Where phone times come from: not known, a synthesizer, an aligner, another speaker, a person."""

SPLITS = ("", "train", "valid", "test", "unused")
"""Not decided yet; the three parts; and clips that would carry test material into training."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+=@-]{0,199}")  # no dot: tar readers cut names there


@dataclass(frozen=True, slots=True)
class Op:
    """One thing that was done to a clip: its name and the parameters that do it again.

    >>> Op.of("trim", start=80, end=16000)
    Op(name='trim', params='{"end":16000,"start":80}')
    """

    name: str
    params: str

    @classmethod
    def of(cls, name: str, **params: Any) -> Op:
        """An operation with its parameters (anything JSON can say; keys are sorted)."""
        return cls(name, json.dumps(params, sort_keys=True, separators=(",", ":"), allow_nan=False))

    def read(self) -> dict[str, Any]:
        """The parameters as a dictionary."""
        return json.loads(self.params)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip of speech. Frozen; a transform returns a new one (`with_` for small changes).

    audio: float32, shape (samples,), mono, 16 kHz, on the 16-bit grid (see clips.audio.to_grid).
    phones: ARPAbet without stress, "SIL" for silence; they tile the clip. Empty before alignment.
    ipa: for other languages, one IPA symbol beside each phone; else empty.
    words: in order, gaps allowed. visemes: empty until the visemes stage; then they tile the clip.
    parent_id, root_id: what it was made from, and the recording or utterance all began with.
    ops: what was done, in order. timing: one of TIMINGS. split: one of SPLITS.
    scores: measured numbers (dB, shares, confidences), sorted by name.
    """

    clip_id: str
    audio: np.ndarray = field(repr=False)
    text: str
    language: str
    speaker: str
    source: str
    licence: str
    attribution: str
    parent_id: str = ""
    root_id: str = ""
    timing: str = "none"
    split: str = ""
    words: tuple[Segment, ...] = ()
    phones: tuple[Segment, ...] = ()
    ipa: tuple[str, ...] = ()
    visemes: tuple[Segment, ...] = ()
    ops: tuple[Op, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        audio = np.ascontiguousarray(self.audio, dtype=np.float32)
        if audio.flags.writeable:
            audio = audio.copy()
            audio.flags.writeable = False
        object.__setattr__(self, "audio", audio)
        if not self.root_id:
            object.__setattr__(self, "root_id", self.clip_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Clip):
            return NotImplemented
        rest = (f.name for f in fields(Clip) if f.name != "audio")
        return np.array_equal(self.audio, other.audio) and all(
            getattr(self, name) == getattr(other, name) for name in rest
        )

    def __hash__(self) -> int:
        return hash((self.clip_id, len(self.audio)))

    def __len__(self) -> int:
        """Length in samples."""
        return len(self.audio)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.audio) / RATE

    @property
    def score(self) -> Mapping[str, float]:
        """The scores as a dictionary of its own."""
        return dict(self.scores)

    def with_(self, **changes: Any) -> Clip:
        """The same clip with some fields changed."""
        return replace(self, **changes)

    def with_scores(self, **scores: float) -> Clip:
        """The same clip with these scores added or replaced."""
        merged = {**dict(self.scores), **{name: float(value) for name, value in scores.items()}}
        return replace(self, scores=tuple(sorted(merged.items())))

    def child(self, suffix: str, op: Op, **changes: Any) -> Clip:
        """A clip made from this one: its id gains `+suffix`, its ops gain `op`."""
        return replace(
            self,
            clip_id=f"{self.clip_id}+{suffix}",
            parent_id=self.clip_id,
            ops=(*self.ops, op),
            **changes,
        )

    def between(self, start: int, end: int) -> Clip:
        """The same clip cut to samples `start`..`end`; audio and all labels are cut together."""
        kept = [n for n, phone in enumerate(self.phones) if phone.start < end and phone.end > start]
        return replace(
            self,
            audio=self.audio[start:end],
            words=cut(self.words, start, end),
            phones=cut(self.phones, start, end),
            ipa=tuple(self.ipa[n] for n in kept) if self.ipa else (),
            visemes=cut(self.visemes, start, end),
        )

    def labels_digest(self) -> str:
        """A short hash of audio and labels; a person's decision holds while it stays the same."""
        state = hashlib.blake2b(self.audio.tobytes(), digest_size=8)
        for segment in (*self.phones, *self.visemes):
            state.update(f"{segment.label}:{segment.start}:{segment.end};".encode())
        return state.hexdigest()

    def faults(self) -> list[str]:
        """Everything that is wrong with this clip, each saying where; empty if nothing is."""
        found = []
        if not _ID.fullmatch(self.clip_id):
            found.append(f"clip_id {self.clip_id!r} may hold letters, digits and _+=@- only")
        if self.audio.ndim != 1 or not len(self.audio):
            found.append(f"audio has shape {self.audio.shape}, not (samples,)")
            return found
        if not np.isfinite(self.audio).all():
            found.append("audio holds samples that are not finite")
        elif not np.array_equal(np.rint(self.audio / STEP) * STEP, self.audio):
            found.append("audio is off the 16-bit grid; pass it through clips.to_grid")
        elif self.audio.max() >= 1.0 or self.audio.min() < -1.0:
            found.append("audio leaves −1..1; pass it through clips.to_grid")
        if self.timing not in TIMINGS:
            found.append(f"timing {self.timing!r} is none of {', '.join(TIMINGS)}")
        if self.split not in SPLITS:
            found.append(f"split {self.split!r} is none of {SPLITS}")
        if not self.licence:
            found.append("licence is empty: every clip carries the licence of its sound")
        if not self.language:
            found.append("language is empty")
        if self.timing != "none" and not self.phones:
            found.append(f"timing is {self.timing!r} but there are no phones")
        if self.ipa and len(self.ipa) != len(self.phones):
            found.append(f"{len(self.ipa)} IPA symbols stand beside {len(self.phones)} phones")
        length = len(self.audio)
        found += find_faults(self.words, length, tiled=False, name="words")
        found += find_faults(self.phones, length, tiled=True, name="phones")
        found += find_faults(self.visemes, length, tiled=True, name="visemes")
        if any(not np.isfinite(value) for _, value in self.scores):
            found.append("a score is not a finite number")
        return found

    def validate(self) -> Clip:
        """This clip, if nothing is wrong with it; else BadLabels that lists every fault."""
        if found := self.faults():
            raise BadLabels(
                "; ".join(found),
                where=f"clip {self.clip_id}",
                remedy="phones must tile 0..len(audio); clips.tile fills gaps with SIL",
            )
        return self


@dataclass(frozen=True, slots=True)
class Reject:
    """A clip that was left out: which one, in which stage, and why, in words for a person.

    `reason` is a short fixed phrase that reports count; `detail` says what was seen.
    """

    clip_id: str
    stage: str
    reason: str
    detail: str = ""
    text: str = ""
    source: str = ""
