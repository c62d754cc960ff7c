"""People that espeak-ng does not bring: drawn vocal tracts, voices and habits.

espeak-ng is a formant synthesizer, so a new person is a few lines of text: where the formants lie,
how broad they are, pitch, tilt, breath, roughness. The same name gives the same person in every
run, whatever else was asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from clips import BadParams, draw_stream

SEXES = ("f", "m", "child")
"""Kinds of people, in the order in which voices are listed."""

_FORMANTS = 7
_TONE = ((600, 170, -1.0), (1200, 135, 0.0), (2000, 110, 0.7), (3000, 110, 1.3))
"""Hz, espeak-ng's usual strength there, and octaves above 1200 Hz, along which the voice tilts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Ranges from which a person is drawn. tract: formants against a man's; pitch: Hz, median.

    Sources: Peterson and Barney 1952 (formants of women 1.15-1.2 and of children 1.3-1.4 times
    men's; pitch of men 132, women 223, children 264 Hz on average), with room on both sides for
    the small, the tall and the young.
    """

    tract: tuple[float, float]
    pitch: tuple[float, float]


KINDS = {
    "m": Kind((0.88, 1.08), (82.0, 165.0)),
    "f": Kind((1.04, 1.28), (150.0, 270.0)),
    "child": Kind((1.18, 1.58), (195.0, 330.0)),
}
"""What is drawn for each kind of person; also what they are compared with in docs/voices.md."""


@dataclass(frozen=True, slots=True)
class Person:
    """A drawn person: what espeak-ng calls the lines of a voice file.

    formants: (frequency, height, width) in per cent of the accent's own, for formants 0 to 6.
    pitch: Hz at the bottom and the top of the usual range. tone: pairs of frequency (Hz) and
    strength, which tilt the voice's spectrum. breath: strength of breath noise at each formant.
    """

    formants: tuple[tuple[int, int, int], ...]
    pitch: tuple[int, int]
    tone: tuple[int, ...]
    breath: int
    roughness: int
    flutter: int
    voicing: int
    consonants: tuple[int, int]

    def lines(self) -> str:
        """The person as lines of an espeak-ng voice file, to follow those of an accent."""
        formants = [f"formant {n} {f} {h} {w}" for n, (f, h, w) in enumerate(self.formants)]
        breath = " ".join(["0", *[str(self.breath)] * 7])
        return "\n".join(
            [
                *formants,
                f"pitch {self.pitch[0]} {self.pitch[1]}",
                f"tone {' '.join(map(str, self.tone))}",
                f"breath {breath}",
                f"roughness {self.roughness}",
                f"flutter {self.flutter}",
                f"voicing {self.voicing}",
                f"consonants {self.consonants[0]} {self.consonants[1]}",
                "",
            ]
        )


def person_name(sex: str, number: int) -> str:
    """The name of person `number` of a kind: "child-07"."""
    return f"{sex}-{number:02d}"


def person_of(name: str) -> Person | None:
    """The drawn person of a name that `person_name` gives; None for any other name.

    >>> person_of("f-03") == person_of("f-03"), person_of("f3")
    (True, None)
    """
    found = re.fullmatch(r"(f|m|child)-(\d{2,4})", name)
    return _draw(found[1], int(found[2])) if found else None


def check_counts(people: object, where: str) -> dict[str, int]:
    """How many people of each kind a setting asks for. Raises BadParams."""
    good = isinstance(people, dict) and set(people) <= set(SEXES)
    if not good or not all(type(n) is int and 0 <= n <= 9999 for n in people.values()):
        raise BadParams(
            f"is {people!r}, not numbers of people",
            where=where,
            remedy="write for example {f: 8, m: 6, child: 17}",
        )
    return {sex: people.get(sex, 0) for sex in SEXES}


def _draw(sex: str, number: int) -> Person:
    kind = KINDS[sex]
    rng = draw_stream(0, "people", person_name(sex, number))
    # Neighbours in number are spread over the range: the golden ratio leaves no gap and no pair.
    place = (0.5 + number * 0.6180339887) % 1.0
    tract = kind.tract[0] + place * (kind.tract[1] - kind.tract[0])
    # Short tracts and high pitch go together, loosely.
    pitch_place = float(np.clip(place + rng.normal(0, 0.35), 0, 1))
    pitch = kind.pitch[0] * (kind.pitch[1] / kind.pitch[0]) ** pitch_place
    spread = rng.uniform(1.25, 1.75)
    formants = []
    for n in range(_FORMANTS):
        own = tract * (1 + rng.normal(0, 0.02 if n == 0 else 0.03))
        height = rng.uniform(75, 125)
        width = rng.uniform(75, 150)
        formants.append((round(100 * own), round(height), round(width)))
    tilt = rng.uniform(-0.3, 0.3)
    tone = [(hertz, strength * (1 + tilt * octave)) for hertz, strength, octave in _TONE]
    return Person(
        formants=tuple(formants),
        pitch=(round(pitch / spread**0.5), round(pitch * spread**0.5)),
        tone=tuple(round(value) for pair in tone for value in pair),
        breath=int(rng.choice([0, 0, 1, 2, 3])),
        roughness=int(rng.choice([0, 1, 2, 2, 3])),
        flutter=int(rng.integers(0, 6)),
        voicing=round(rng.uniform(75, 110)),
        consonants=(round(rng.uniform(80, 130)), round(rng.uniform(80, 120))),
    )
