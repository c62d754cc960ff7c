"""Settings of engines as they stand in params.yaml: what is wrong in them is named by its key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from clips import BadParams
from synth.people import SEXES


def check_plain(value: object, where: str) -> None:
    """Raises BadParams for what JSON cannot say: a date, or a key that is no text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise BadParams(
                    f"has the key {key!r}, which is no text", where=where, remedy="put it in quotes"
                )
            check_plain(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            check_plain(inner, f"{where}[{number}]")
    elif not (value is None or isinstance(value, str | int | float)):
        raise BadParams(
            f"is {value!r}, a {type(value).__name__}",
            where=where,
            remedy="write text (in quotes), a number, true, false, a list or a block",
        )


def check_voice(
    entry: Any,
    where: str,
    *,
    known: Collection[str],
    texts: Collection[str],
    needed: Mapping[str, str],
) -> None:
    """Checks one entry of a list of voices or models, whose `speakers` are a list of names.

    known: the keys that it may have. texts: those whose value is a text. needed: those that it must
    have, each with its remedy. A key without a value counts as left out.
    Raises BadParams that names the key.
    """
    if not isinstance(entry, Mapping):
        wanted = ", ".join(f"{key}: ..." for key in needed)
        raise BadParams("is not a voice", where=where, remedy=f"write {{{wanted}}}")
    for key in sorted(map(str, set(entry) - set(known))):
        raise BadParams(
            "is no setting of a voice",
            where=f"{where}.{key}",
            remedy=f"known: {', '.join(sorted(known))}",
        )
    for key, remedy in needed.items():
        value = entry.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise BadParams("is missing", where=f"{where}.{key}", remedy=remedy)
    for key in texts:
        value = entry.get(key)
        if value is not None and not isinstance(value, str):
            raise BadParams(
                f"is {value!r}, not a text",
                where=f"{where}.{key}",
                remedy="write one text, in quotes",
            )
    speakers = entry.get("speakers")
    if speakers is not None and not isinstance(speakers, list):
        raise BadParams("is not a list", where=f"{where}.speakers", remedy="write [name, name]")
    for number, speaker in enumerate(speakers or ()):
        if type(speaker) not in (str, int):  # models number their speakers too
            raise BadParams(
                f"is {speaker!r}, not a name",
                where=f"{where}.speakers[{number}]",
                remedy="put it in quotes",
            )


def check_sex(sex: object, where: str) -> None:
    """Raises BadParams for a sex that is none of those of voices; "" and None: not known."""
    if sex not in (*SEXES, "", None):
        raise BadParams(f"is {sex!r}", where=where, remedy="write f, m or child, or leave it out")
