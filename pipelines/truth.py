"""Hand-labelled recordings to measure against: a folder with manifest.tsv and labels/*.tsv."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clips import SILENCE, BadManifest, Clip, Segment, VisemillError, read_audio, to_grid
from clips.segment import RATE
from pipelines.recordings import Recording, read_folder, read_speakers
from pipelines.stage import DATA
from visemes.inventory import Inventory
from visemes.phonesets import UNKNOWN, guess_phoneset, read_label_file, to_phones
from visemes.rules import Rules, to_visemes

ADULT = 16
"""Years from which a speaker counts as an adult: the vocal tract has nearly its full length."""


@dataclass(frozen=True)
class TruthClip:
    """A recording with hand-made phones and the mouths that follow from them.

    unknown: stretches whose label nobody knows; they are not measured (see `known_at`).
    group: what the recording's name says of it, such as neutral or acted; "" if nothing.
    sex: "f" or "m", age: "child" (under 16) or "adult", from the folder's speakers.tsv; else "".
    """

    clip: Clip
    unknown: tuple[Segment, ...]
    group: str = ""
    sex: str = ""
    age: str = ""

    def known_at(self, times: np.ndarray) -> np.ndarray:
        """Whether the label at each of `times` (samples) is known, bool, shaped like `times`."""
        known = np.ones(len(times), bool)
        for segment in self.unknown:
            known &= (times < segment.start) | (times >= segment.end)
        return known

    @property
    def speech_seconds(self) -> float:
        """Seconds whose label is known and no silence."""
        spoken = [phone for phone in self.clip.phones if phone.label != SILENCE]
        return sum(phone.samples for phone in spoken) / RATE


def read_truth(folder: Path, inventory: Inventory, rules: Rules | None = None) -> list[TruthClip]:
    """Every labelled recording of a folder, in the notation that fits its labels.

    A recording that cannot be used is named on standard error and left out. Raises BadManifest if
    none is labelled or an id comes twice, BadLabels for a label file that cannot be read.
    """
    recordings = [r for r in read_folder(folder, DATA / "corpora") if r.labels]
    if not recordings:
        raise BadManifest(
            "has no labelled recordings",
            where=str(folder),
            remedy="manifest.tsv needs a column `label` with the paths of label files",
        )
    twice = [utt for utt, number in Counter(r.utt for r in recordings).items() if number > 1]
    if twice:
        raise BadManifest(
            f"has {len(twice)} ids more than once, such as {twice[0]!r}",
            where=str(folder),
            remedy="give each recording an `utt` of its own",
        )
    lines = {r.utt: read_label_file(r.labels) for r in recordings if r.labels}
    labels = {label for entries in lines.values() for _, _, label in entries}
    phoneset = guess_phoneset(labels, str(folder))
    speakers = read_speakers(folder)
    clips = []
    for recording in recordings:
        try:
            clip = _read_one(recording, lines[recording.utt], phoneset, inventory, rules)
            sex, years = speakers.get(recording.speaker, ("", None))
            age = "" if years is None else "child" if years < ADULT else "adult"
            clips.append(replace(clip, sex=sex, age=age))
        except VisemillError as error:
            print(f"left out of the measurement: {recording.where}: {error}", file=sys.stderr)
    return clips


def _read_one(recording: Recording, entries, phoneset, inventory, rules) -> TruthClip:
    audio = to_grid(read_audio(recording.audio))
    # A recording may run on after its labels; what nobody labelled is not measured.
    end = min(len(audio), round(max((last for _, last, _ in entries), default=0.0) * RATE))
    phones, ipa = to_phones(entries, phoneset, len(audio))
    unknown = [phone for phone in phones if phone.label == UNKNOWN]
    if end < len(audio):
        unknown.append(Segment(UNKNOWN, end, len(audio)))
    plain = tuple(p if p.label != UNKNOWN else Segment("SIL", p.start, p.end) for p in phones)
    clip = Clip(
        clip_id=f"{recording.corpus}-{recording.utt}",
        audio=audio,
        text=recording.text,
        language=phoneset.language,
        speaker=f"{recording.corpus}:{recording.speaker}",
        source=recording.corpus,
        licence=recording.licence or "not given",
        attribution=recording.attribution,
        timing="manual",
        phones=plain,
        ipa=ipa,
        visemes=to_visemes(plain, inventory, rules, ipa),
    )
    return TruthClip(clip, tuple(unknown), phoneset.group(recording.utt))
