"""Hand-made labels in the notations of their makers, as the phones of this project.

A notation is a table in visemes/phonesets/: which label stands for which phone, and which marks
(release, aspiration, prevoicing) belong to the stop beside them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clips.arpabet import STOPS
from clips.errors import BadLabels, BadParams
from clips.files import read_lines, read_yaml
from clips.segment import LONGEST_SECONDS, RATE, SILENCE, Segment

_FOLDER = Path(__file__).parent / "phonesets"

UNKNOWN = "?"
"""The phone of a label that the notation does not know; it is left out of every measurement."""


@dataclass(frozen=True)
class PhoneSet:
    """A notation: `phones` maps a label to (ARPAbet, IPA)."""

    name: str
    language: str
    phones: Mapping[str, tuple[str, str]]
    silence: frozenset[str]
    drop_prefixes: tuple[str, ...]
    drop_suffixes: tuple[str, ...]
    after_stop: frozenset[str]
    groups: Mapping[str, Any]

    def group(self, utt: str) -> str:
        """The group that a recording belongs to by its name, such as neutral or acted; else "".

        >>> load_phoneset("emodb").group("03a01Wa")
        'acted'
        """
        if not self.groups:
            return ""
        letter = utt[self.groups["letter"] - 1 :][:1]
        return self.groups["names"].get(letter, self.groups["others"])

    def phone(self, label: str) -> tuple[str, str]:
        """(ARPAbet, IPA) of a label; (UNKNOWN, "") if the notation does not have it.

        >>> load_phoneset("emodb").phone("!p")
        ('P', 'p')
        >>> load_phoneset("emodb").phone("tasp")
        ('T', 't')
        """
        if label in self.silence:
            return SILENCE, ""
        if label in self.phones:
            return self.phones[label]
        bare = label
        for prefix in self.drop_prefixes:
            bare = bare.removeprefix(prefix)
        for suffix in self.drop_suffixes:
            bare = bare.removesuffix(suffix)
        return self.phones.get(bare, (UNKNOWN, ""))


@cache
def load_phoneset(name: str) -> PhoneSet:
    """The notation `name` of visemes/phonesets/. Raises BadParams if there is none."""
    table = read_yaml(_FOLDER / f"{name}.yaml")
    return PhoneSet(
        name=table["name"],
        language=table["language"],
        phones={str(label): (str(a), str(i)) for label, (a, i) in table["phones"].items()},
        silence=frozenset(map(str, table["silence"])),
        drop_prefixes=tuple(table["drop_prefixes"]),
        drop_suffixes=tuple(table["drop_suffixes"]),
        after_stop=frozenset(table["after_stop"]),
        groups=table.get("groups") or {},
    )


def phoneset_names() -> tuple[str, ...]:
    """The notations there are."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def guess_phoneset(labels: Collection[str], where: str = "") -> PhoneSet:
    """The notation that knows most of these labels.

    Raises BadParams that lists the labels no notation knows if the best knows under 90 %.
    """
    unknown = {
        name: sorted({label for label in labels if load_phoneset(name).phone(label)[0] == UNKNOWN})
        for name in phoneset_names()
    }
    best = min(unknown, key=lambda name: (len(unknown[name]), name))
    if len(unknown[best]) > 0.1 * len(set(labels)):
        raise BadParams(
            f"no notation knows these labels: {', '.join(unknown[best][:12])} (closest: {best})",
            where=where,
            remedy="add a table to visemes/phonesets/ for the notation of these labels",
        )
    return load_phoneset(best)


def read_label_file(path: str | Path) -> list[tuple[float, float, str]]:
    """Lines of `start seconds <tab> end seconds <tab> label`, without a header.

    Raises BadLabels that names the file and the line.
    """
    entries = []
    for number, line in read_lines(path):
        if line is not None and not line.strip():
            continue
        try:
            if line is None:
                raise ValueError("no text in UTF-8")
            start, end, label = line.split("\t")
            if not 0 <= float(start) <= float(end) <= LONGEST_SECONDS:
                raise ValueError("no stretch of time")
            entries.append((float(start), float(end), label.strip()))
        except ValueError as error:
            raise BadLabels(
                f"cannot read {line!r}",
                where=f"{path}:{number}",
                remedy="write start seconds, end seconds and label, separated by tabs",
            ) from error
    return entries


def to_phones(
    entries: Sequence[tuple[float, float, str]], phoneset: PhoneSet, length: int
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Label lines as (phones, ipa) that tile a clip of `length` samples.

    Parts of one stop become one phone, gaps become SIL, times are rounded to samples.
    """
    found: list[tuple[Segment, str]] = []
    at = 0
    for start, end, label in entries:
        first, last = max(round(start * RATE), at), min(round(end * RATE), length)
        if last <= first:
            continue
        if first > at:
            _add(found, Segment(SILENCE, at, first), "")
        phone, ipa = phoneset.phone(label)
        previous = found[-1][0].label if found else SILENCE
        if label in phoneset.after_stop and previous in STOPS:
            phone, ipa = previous, found[-1][1]
        _add(found, Segment(phone, first, last), ipa)
        at = last
    if at < length:
        _add(found, Segment(SILENCE, at, length), "")
    return tuple(segment for segment, _ in found), tuple(ipa for _, ipa in found)


def _add(found: list[tuple[Segment, str]], segment: Segment, ipa: str) -> None:
    last = found[-1] if found else None
    if last and last[0].label == segment.label and last[1] == ipa:
        found[-1] = (Segment(segment.label, last[0].start, segment.end), ipa)
    else:
        found.append((segment, ipa))
