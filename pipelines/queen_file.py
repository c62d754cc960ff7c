"""The spoken lines of Flight of the Amazon Queen: its one data file becomes sounds and a table.

The game's authors gave it away with its speech: 4.5 hours of English by actors, each line an MP3.
The texts stand in the same file, in the scripts of its dialogues and scenes. How the file is built
was found in the free interpreter of the game (ScummVM, engines/queen) and tried on the file itself:
its 374 scripts are read without a fault, and 6,570 of its 6,745 sounds get a text (`visemill
corpora get amazon_queen`). All numbers are big-endian.

table       at 12: how sounds are packed, 1 for MP3; at 13: the number of entries; from 15, for
            each: name (12), bundle (1), offset, size (4 each)
NAME.SB     a sound, MP3
NAME.DOG    a dialogue of the player's figure, Joe, with a person (`_dialogue`)
NAME.CUT    a scene, whose sentences follow each other (`_scene`)
QUEEN2.JAS  lines of text: what Joe says about things, and his answers (`_remarks`)

A sentence is spoken in parts, a sound for each; a part ends at `*` and the two letters of a
gesture. The sound is named after the script, the sentence, and the part (hexadecimal, from 1).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clips import BadInput

ENDING = ".1c"
"""The file's ending: queen.1c."""

TABLE = "lines.tsv"
"""What `unpack_lines` writes beside the sounds: columns utt, speaker, text."""

_ENTRY = struct.Struct(">12sBII")
_MOST_ENTRIES = 20_000
_MP3 = 1
_HEADER = 20  # bytes before a script
_JOE = "Joe"
_GESTURE = re.compile(r"\*(?:XY.{11}|..?|$)", re.DOTALL)
_TRADE_MARK = "^_"
_UNSPOKEN = re.compile(r"@|<[^>]*>|\([^)]*\)")  # notes, <sneeze>, (sigh)
_FIRST_VERB = "open"  # in QUEEN2.JAS; Joe's answers follow the verbs' names
_VERBS = 12
_ANSWERS = 40


@dataclass(frozen=True, slots=True)
class Line:
    """A part of a sentence as one sound holds it. utt: the sound's name; sound: MP3."""

    utt: str
    speaker: str
    text: str
    sound: bytes


def unpack_lines(path: Path) -> int:
    """Unpacks the spoken lines of `path` into the folder of its name without the ending: a sound
    <utt>.mp3 for each and the table TABLE. Returns how many they are.

    Raises BadInput that names the file if it is another or is damaged.
    """
    folder = path.with_suffix("")
    folder.mkdir()
    rows = ["utt\tspeaker\ttext\n"]
    for line in spoken_lines(path):
        (folder / f"{line.utt}.mp3").write_bytes(line.sound)
        rows.append(f"{line.utt}\t{line.speaker}\t{line.text}\n")
    (folder / TABLE).write_text("".join(rows), encoding="utf-8")
    return len(rows) - 1


def spoken_lines(path: Path) -> Iterator[Line]:
    """The spoken lines that have a text, in the order of their names. What is only a sigh or a
    sneeze is left out, and so is a sound that two scripts name. Raises BadInput as `unpack_lines`
    does."""
    data = path.read_bytes()
    try:
        entries = dict(_entries(data))
        sounds = {name[:-3].lower() for name in entries if name.endswith(".SB")}
        said: dict[str, set[tuple[str, str]]] = {}
        for name, script in sorted(entries.items()):
            if name.endswith(".DOG"):
                found = _dialogue(name, script[_HEADER:])
            elif name.endswith(".CUT"):
                found = _scene(name, script[_HEADER:], sounds)
            elif name == "QUEEN2.JAS":
                found = _remarks(script)
            else:
                continue
            for prefix, speaker, sentence in found:
                for number, part in enumerate(_GESTURE.split(sentence), 1):
                    text = " ".join(_UNSPOKEN.sub(" ", part.replace(_TRADE_MARK, "")).split())
                    if any(map(str.isalpha, text)):
                        utt = f"{prefix}{number:x}".replace(" ", "0").lower()
                        said.setdefault(utt, set()).add((speaker, text))
    except (struct.error, IndexError, ValueError) as error:
        raise BadInput(
            f"is damaged, or no data file of the talking game ({error})",
            where=str(path),
            remedy="take queen.1c of Debian's package flight-of-the-amazon-queen",
        ) from error
    for utt in sorted(sounds & said.keys()):
        if len(said[utt]) == 1:
            yield Line(utt, *said[utt].pop(), entries[f"{utt.upper()}.SB"])


def _entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The entries of the table, each with its bytes. Raises ValueError for what is no table."""
    count = struct.unpack_from(">H", data, 13)[0] if data[:4] == b"QTBL" else 0
    if not 0 < count < _MOST_ENTRIES:
        raise ValueError("there is no table of its contents")
    if data[12] != _MP3:
        raise ValueError("its sounds are not MP3")
    for at in range(count):
        name, _, start, size = _ENTRY.unpack_from(data, 15 + at * _ENTRY.size)
        if start + size > len(data):
            raise ValueError(f"entry {at} ends after the file does")
        name = name.split(b"\0")[0].decode("ascii")
        if not re.fullmatch(r"[A-Za-z0-9_$!~#-]{1,8}(\.\w{0,3})?", name):
            raise ValueError(f"entry {at} has the name {name!r}")
        yield name.upper(), data[start : start + size]


def _dialogue(name: str, script: bytes) -> Iterator[tuple[str, str, str]]:
    """Sentences of a dialogue: what their sounds' names begin with, who speaks, the text.

    Numbers of two bytes: levels of the tree (below 0: it cannot be left), a key, the key of the
    sounds, how many sentences Joe and the person have; at 22 where the person's begin and at 26
    what is said to one met before. Joe's begin after the tree, 96 bytes for each level. A sentence:
    2 bytes, its number, the text, padded to 4.
    """
    levels, _, key, of_joe, of_person = struct.unpack_from(">5h", script)
    person_at, _, again_at = struct.unpack_from(">3H", script, 22)
    person = re.sub(r"\d+$", "", name.removesuffix(".DOG")).capitalize()
    joe_at = 32 + abs(levels) * 96
    for at, count, letter, speaker in (
        (joe_at, of_joe, "J", _JOE),
        (person_at, of_person, "P", person),
    ):
        for _ in range(count):
            _, number = struct.unpack_from(">hH", script, at)
            text, at = _string(script, at + 4, 4)
            yield f"{key:2d}{number:4x}{letter}", speaker, text
    if not struct.unpack_from(">h", script, joe_at + 2)[0]:  # Joe speaks first
        yield f"{key:2d}SSSSJ", _JOE, _string(script, joe_at + 4)[0]
    text, at = _string(script, again_at)
    yield f"{key:2d}XXXXP", person, text
    yield f"{key:2d}XXXXJ", _JOE, _string(script, at)[0]


def _scene(name: str, script: bytes, sounds: set[str]) -> Iterator[tuple[str, str, str]]:
    """Sentences of a scene, as `_dialogue` gives them.

    At 2 how many steps it has (below 0: it cannot be left), at 8 where the sentences begin: one for
    the whole, then one for each step. Steps begin at 12: 17 numbers (the first who or what acts, 0
    being Joe), how many people there are and who, and for what moves its pictures, 20 bytes each,
    up to a number -2. Whether a thing is a person who speaks stands in another file; here, if there
    is a sound of it.
    """
    steps = abs(struct.unpack_from(">h", script, 2)[0])
    (at,) = struct.unpack_from(">H", script, 8)
    _, at = _string(script, at)
    step_at = 12
    for number in range(1, steps + 1):
        text, at = _string(script, at)
        prefix = f"{name.removesuffix('.CUT'):_<5}{number:02d}"
        actor, _, _, _, pictures, moves, *_, copied, _, _, _, _, people = struct.unpack_from(
            ">18h", script, step_at
        )
        step_at += 36 + 2 * people
        spoken = any(f"{prefix}{part:x}".lower() in sounds for part in range(1, 16))
        speaks = pictures == 0 and (actor == 0 or (actor > 0 and spoken))
        if moves and not speaks and copied <= 0 and actor not in (-2, -3, -4):
            while struct.unpack_from(">h", script, step_at)[0] != -2:
                step_at += 20
            step_at += 2
        yield prefix, _JOE if actor == 0 else f"Person{abs(actor)}", text


def _remarks(data: bytes) -> Iterator[tuple[str, str, str]]:
    """Joe's answers (his sounds 1 to 40) and what he says about things (from 41)."""
    lines = data.decode("cp437").split("\r\n")
    answers_at = lines.index(_FIRST_VERB) + _VERBS
    answers = lines[answers_at : answers_at + _ANSWERS]
    for number, text in enumerate([*answers, *lines], 1):
        yield f"JOE{number:04d}", _JOE, text


def _string(data: bytes, at: int, padded: int = 2) -> tuple[str, int]:
    """A text with its length before it, and where the next begins."""
    length = data[at]
    if not length:
        return "", at + 1
    end = at + 1 + length
    if end > len(data):
        raise ValueError("a text ends after its script does")
    return data[at + 1 : end].decode("cp437"), (end + padded - 1) // padded * padded
