"""`visemill voices`: how the synthetic speakers compare with people, as a picture and a table.

A model hears only what it was shown. Each speaker is three numbers: the pitch, the length of the
vocal tract, and the tempo. Where people are and no synthetic speaker is, something is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import parselmouth
from tqdm import tqdm

from align import find_aligner
from clips import RATE, SILENCE, Clip, VisemillError, read_audio, to_grid
from clips.arpabet import VOWELS
from pipelines.engines import configured_engine, listed_engines
from pipelines.recordings import read_folder, read_speakers
from pipelines.stage import DATA
from pipelines.timing import speak_all

SPEED_OF_SOUND = 35_000
"""cm/s, in the warm air of a vocal tract."""

_PER_SPEAKER = 2
_MINIMUM_VOWELS = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """A speaker. group: an engine or "people". sex: f, m, child or "".

    pitch: median, Hz. tract: cm, from the formants of vowels. tempo: phones/s, pauses left out.
    """

    speaker: str
    group: str
    sex: str
    pitch: float
    tract: float
    tempo: float


MEASURES = {
    "pitch": ("pitch (Hz, median)", 0.12),
    "tract": ("vocal tract (cm, from formants)", 0.05),
    "tempo": ("tempo (phones/s)", 0.15),
}
"""What is measured, with its name and how far (as a share) a neighbour may be."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill voices`."""
    parser.add_argument("--recordings", nargs="*", default=[], help="folders of people's speech")
    parser.add_argument("--engine", nargs="*", help="engines to measure (default: params.yaml's)")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/voices.md"))


def run(args: argparse.Namespace) -> int:
    """Writes the table, and pictures/voices.png beside it."""
    from pipelines.pictures import draw_voices

    found: list[Measured] = []
    for name in args.engine or listed_engines():
        engine = configured_engine(name)
        if engine.version() is None:
            print(f"voices: {name} is not installed: {engine.install_line}", file=sys.stderr)
            continue
        if not engine.voices("en"):
            print(f"voices: {name} has no English voice", file=sys.stderr)
            continue
        speakers = {voice.speaker: voice.sex for voice in engine.voices("en")}
        count = _PER_SPEAKER * len(speakers)
        spoken = ((v.speaker, v.sex, clip) for v, clip in speak_all(engine, "en", count))
        found += _measure(name, tqdm(spoken, total=count, desc=f"voices {name}", mininterval=1.0))
    for folder in args.recordings:
        found += _measure("people", _aligned(Path(folder)))
    if not found:
        print("voices: nobody spoke", file=sys.stderr)
        return 1
    picture = args.output.parent / "pictures" / "voices.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw_voices(picture, found, {name: label for name, (label, _) in MEASURES.items()})
    args.output.write_text(describe(found, args), "utf-8")
    print(f"voices: wrote {args.output} and {picture}", file=sys.stderr)
    return 0


def measure_speaker(clips: Sequence[Clip]) -> tuple[float, float, float] | None:
    """(pitch, tract, tempo) of one speaker's labelled clips; None if there are too few vowels.

    Pitch: Praat's autocorrelation, 60-700 Hz. Tract: each vowel's middle gives four formants (Burg;
    highest formant by pitch: 5,000 Hz below 150 Hz, 5,500 below 230, else 7,000); a tube closed at
    one end and of length L resonates at (2n - 1) c / 4L, so F_n / (2n - 1) estimates c / 4L; the
    third and fourth formants depend least on the vowel, and their mean is used.
    """
    pitches, spacings, phones, seconds = [], [], 0, 0.0
    sounds = [parselmouth.Sound(clip.audio.astype(np.float64), RATE) for clip in clips]
    for sound in sounds:
        track = sound.to_pitch(0.01, 60, 700).selected_array["frequency"]
        pitches.append(track[track > 0])
    voiced = np.concatenate(pitches)
    if len(voiced) < 30:
        return None
    pitch = float(np.median(voiced))
    ceiling = 5000 if pitch < 150 else 5500 if pitch < 230 else 7000
    for clip, sound in zip(clips, sounds):
        formants = sound.to_formant_burg(0.01, 5, ceiling)
        for phone in clip.phones:
            if phone.label == SILENCE:
                continue
            phones += 1
            seconds += phone.samples / RATE
            if phone.label in VOWELS:
                middle = (phone.start + phone.end) / 2 / RATE
                third, fourth = (formants.get_value_at_time(n, middle) for n in (3, 4))
                spacings += [third / 5, fourth / 7]
    spacing = np.array(spacings)
    spacing = spacing[np.isfinite(spacing)]
    if len(spacing) < 2 * _MINIMUM_VOWELS:
        return None
    return pitch, SPEED_OF_SOUND / (4 * float(np.median(spacing))), phones / seconds


def missing(found: Sequence[Measured]) -> list[Measured]:
    """The people who have no synthetic speaker near them in pitch and vocal tract.

    Tempo is drawn for each clip, so it says nothing about a speaker.
    """
    synthetic = [m for m in found if m.group != "people"]
    lonely = []
    for person in (m for m in found if m.group == "people"):
        near = any(
            all(
                abs(np.log(getattr(other, name) / getattr(person, name))) <= MEASURES[name][1]
                for name in ("pitch", "tract")
            )
            for other in synthetic
        )
        if not near:
            lonely.append(person)
    return lonely


def describe(found: Sequence[Measured], args: argparse.Namespace) -> str:
    """The page: a table of ranges, and what is missing."""
    given = f" --engine {' '.join(args.engine)}" if args.engine else ""
    if args.recordings:
        given += f" --recordings {' '.join(Path(folder).name for folder in args.recordings)}"
    lines = [
        "# The synthetic speakers beside people",
        "",
        f"Made by `visemill voices{given}`: every speaker says"
        f" {_PER_SPEAKER} sentences; of people, {_PER_SPEAKER} recordings each.",
        "",
        "![pitch, vocal tract and tempo of synthetic speakers and of people](pictures/voices.png)",
        "",
        "Median, and from the 5th to the 95th percentile:",
        "",
        "| who | speakers | pitch, Hz | vocal tract, cm | tempo, phones/s |",
        "|---|--:|--:|--:|--:|",
    ]
    groups: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for one in found:
        groups[one.group, one.sex].append(one)
    for (group, sex), members in groups.items():
        cells = []
        for name, digits in (("pitch", 0), ("tract", 1), ("tempo", 1)):
            low, middle, high = np.percentile([getattr(m, name) for m in members], [5, 50, 95])
            cells.append(f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})")
        who = f"{group}, {_SEX[sex]}" if sex else group
        lines.append(f"| {who} | {len(members)} | {' | '.join(cells)} |")
    people = [m for m in found if m.group == "people"]
    if people and len(people) < len(found):
        lonely = missing(found)
        lines += ["", "## What is missing", ""]
        lines.append(
            f"{len(lonely)} of {len(people)} people have no synthetic speaker near them (pitch"
            f" within {MEASURES['pitch'][1]:.0%}, vocal tract within {MEASURES['tract'][1]:.0%})."
        )
        for sex in dict.fromkeys(m.sex for m in lonely):
            some = [m for m in lonely if m.sex == sex]
            pitch = [m.pitch for m in some]
            tract = [m.tract for m in some]
            lines.append(
                f"- {_SEX[sex]}: {len(some)}, pitch {min(pitch):.0f}-{max(pitch):.0f} Hz,"
                f" vocal tract {min(tract):.1f}-{max(tract):.1f} cm"
            )
        tempo = [np.percentile([m.tempo for m in found if (m.group == "people") == real], [5, 95])
                 for real in (True, False)]  # fmt: skip
        lines.append(
            f"- tempo: people speak {tempo[0][0]:.1f}-{tempo[0][1]:.1f} phones/s, synthetic"
            f" speakers {tempo[1][0]:.1f}-{tempo[1][1]:.1f}"
        )
    return "\n".join(lines) + "\n"


_SEX = {"f": "women", "m": "men", "child": "children", "": "not known"}


def _measure(group: str, spoken: Iterator[tuple[str, str, Clip]]) -> Iterator[Measured]:
    clips: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for speaker, sex, clip in spoken:
        clips[speaker, sex].append(clip)
    for (speaker, sex), own in clips.items():
        if measured := measure_speaker(own):
            yield Measured(speaker, group, sex, *measured)


def _aligned(folder: Path) -> Iterator[tuple[str, str, Clip]]:
    """Some recordings of each speaker, aligned: (speaker, sex, clip)."""
    aligner = find_aligner("pocketsphinx")
    sexes = {name: _kind(*told) for name, told in read_speakers(folder).items()}
    counts: dict[str, int] = defaultdict(int)
    for recording in tqdm(
        list(read_folder(folder, DATA / "corpora")), desc=f"voices {folder.name}"
    ):
        if recording.fault or counts[recording.speaker] == _PER_SPEAKER:
            continue
        try:
            clip = aligner.align(
                Clip(
                    clip_id="voices",
                    audio=to_grid(read_audio(recording.audio)),
                    text=recording.text,
                    language="en",
                    speaker=recording.speaker,
                    source=folder.name,
                    licence="not kept",
                    attribution="",
                )
            )
        except VisemillError:
            continue
        counts[recording.speaker] += 1
        yield f"{folder.name}:{recording.speaker}", sexes.get(recording.speaker, ""), clip


def _kind(sex: str, age: float | None) -> str:
    if age is not None and age < 13:  # before most voices change
        return "child"
    return sex if sex in ("f", "m") else ""
