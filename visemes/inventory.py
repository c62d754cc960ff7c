"""The mouth shapes: which there are, in which order, and which phone takes which.

The one place for a rule about mouths is a table in visemes/inventories/; this module reads it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clips.arpabet import ARPABET
from clips.errors import BadParams
from clips.files import read_yaml
from clips.segment import SILENCE
from visemes.classes import CLASSES

LIPS = ("closed", "teeth", "rounded", "spread", "open", "apart", "rest")
"""What the mouth does in a shape: lips pressed shut, lower lip on the teeth, lips rounded, spread
with the teeth close, jaw at least half open, lips apart but none of these, at rest."""

_FOLDER = Path(__file__).parent / "inventories"

Shapes = tuple[tuple[str, float], ...]
"""One viseme after another, each with its share of the phone's time; the shares sum to 1."""


@dataclass(frozen=True)
class Inventory:
    """A set of mouth shapes and the shapes that each phone takes.

    `phones` is keyed by ARPAbet, `ipa` by the IPA symbols whose lips differ from their ARPAbet
    stand-in's. `letters` are the names in cue files. `lips` says which of LIPS each shape is;
    `rounded` and `relaxed` give the shapes beside a rounded sound and after too long a hold, for
    those shapes that have one; `from_cherry12` the shape for each of the network's twelve.
    """

    name: str
    classes: tuple[str, ...]
    letters: Mapping[str, str]
    phones: Mapping[str, Shapes]
    ipa: Mapping[str, Shapes]
    file: str
    source: str
    lips: Mapping[str, str]
    rounded: Mapping[str, str]
    relaxed: Mapping[str, str]
    from_cherry12: Mapping[str, str]

    @property
    def rest(self) -> str:
        """The shape of silence."""
        return self.phones[SILENCE][0][0]

    def must_show(self, viseme: str) -> bool:
        """Whether an animation may never leave this shape out: lips shut, or lip on the teeth.

        Source: the first habits in JALI (Edwards, Landreth, Fiume and Singh, 2016): bilabials must
        close the lips, labiodentals must bring the lower lip to the upper teeth.
        """
        return self.lips[viseme] in ("closed", "teeth")

    def shapes(self, phone: str, ipa: str = "") -> Shapes:
        """The shapes of a phone. Raises BadParams that names the hole if it has none."""
        found = self.ipa.get(ipa) if ipa else None
        found = found or self.phones.get(phone)
        if found is None:
            raise BadParams(
                f"no viseme for phone {phone!r}" + (f" (IPA {ipa!r})" if ipa else ""),
                where=self.file,
                remedy=f"add a line `{phone}: <viseme>` under `phones`",
            )
        return found


@cache
def load_inventory(name: str) -> Inventory:
    """The inventory `name` of visemes/inventories/, or the YAML file at the path `name`.

    Raises BadParams that names the file and the entry at fault: an unknown viseme, shares that do
    not sum to 1, or an ARPAbet phone without an entry.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _FOLDER / f"{name}.yaml"
    table = read_yaml(path)
    for section in ("visemes", "phones"):
        if not isinstance(table.get(section), dict) or not table[section]:
            raise BadParams(
                f"has no `{section}`", where=str(path), remedy=f"write a block `{section}:`"
            )
    for section in ("ipa", "from_cherry12"):
        if not isinstance(table.get(section) or {}, dict):
            raise BadParams(
                f"`{section}` is no block", where=str(path), remedy="write `key: value` lines"
            )
    entries = {str(viseme): entry for viseme, entry in table["visemes"].items()}
    classes = tuple(entries)
    for viseme, entry in entries.items():
        _check_viseme(entry, classes, f"{path}: visemes.{viseme}")
    letters = {viseme: str(entry["letter"]) for viseme, entry in entries.items()}
    if len(set(letters.values())) < len(letters):
        raise BadParams("two shapes share a letter", where=f"{path}: visemes", remedy="mend one")
    read = {
        section: {
            unicodedata.normalize("NFC", str(symbol)): _shapes(
                value, classes, f"{path}: {section}.{symbol}"
            )
            for symbol, value in (table.get(section) or {}).items()
        }
        for section in ("phones", "ipa")
    }
    identity = {viseme: viseme for viseme in CLASSES if viseme in classes}
    from_cherry12 = table.get("from_cherry12") or identity
    for section, have, needed in (
        ("phones", read["phones"], {*ARPABET, SILENCE}),
        ("from_cherry12", from_cherry12, CLASSES),
    ):
        if holes := sorted(set(needed) - set(have)):
            raise BadParams(
                f"has no viseme for {', '.join(holes)}",
                where=f"{path}: {section}",
                remedy="every ARPAbet phone and SIL needs a line in `phones`, each of the twelve"
                " mouths of the network one in `from_cherry12`",
            )
    for viseme, value in from_cherry12.items():
        _shapes(str(value), classes, f"{path}: from_cherry12.{viseme}")
    return Inventory(
        str(table.get("name", name)),
        classes,
        letters,
        **read,
        file=str(path),
        source=str(table.get("source", "")),
        lips={viseme: entry["lips"] for viseme, entry in entries.items()},
        rounded={v: entry["rounded"] for v, entry in entries.items() if "rounded" in entry},
        relaxed={v: entry["relaxed"] for v, entry in entries.items() if "relaxed" in entry},
        from_cherry12={viseme: str(from_cherry12[viseme]) for viseme in CLASSES},
    )


def inventory_names() -> list[str]:
    """The inventories of visemes/inventories/, by name."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def _check_viseme(entry: Any, classes: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, dict) or "letter" not in entry:
        raise BadParams("has no letter", where=where, remedy="write {letter: A, lips: open, …}")
    if entry.get("lips") not in LIPS:
        raise BadParams(
            f"lips: {entry.get('lips')!r} is unknown",
            where=where,
            remedy=f"choose from {', '.join(LIPS)}",
        )
    for key in ("rounded", "relaxed"):
        if key in entry and entry[key] not in classes:
            raise BadParams(
                f"{key}: unknown viseme {entry[key]!r}",
                where=where,
                remedy=f"choose from {', '.join(classes)}",
            )


def _shapes(value: Any, classes: tuple[str, ...], where: str) -> Shapes:
    shapes = [[value, 1.0]] if isinstance(value, str) else value
    try:
        shapes = tuple((str(viseme), float(share)) for viseme, share in shapes)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadParams(
            f"cannot read {value!r}",
            where=where,
            remedy="write a viseme, or a list like [[Ah, 0.6], [Ee, 0.4]]",
        ) from error
    for viseme, _ in shapes:
        if viseme not in classes:
            raise BadParams(
                f"unknown viseme {viseme!r}",
                where=where,
                remedy=f"choose from {', '.join(classes)}",
            )
    if abs(sum(share for _, share in shapes) - 1) > 1e-6 or any(share <= 0 for _, share in shapes):
        raise BadParams("the shares do not sum to 1", where=where, remedy="mend them")
    return shapes
