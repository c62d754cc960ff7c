"""The data file of Flight of the Amazon Queen: small ones, built here by its rules, are read."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from clips import BadInput, VisemillError
from pipelines.queen_file import ENDING, TABLE, spoken_lines, unpack_lines


def number(*values: int) -> bytes:
    return struct.pack(f">{len(values)}h", *values)


def text(said: str, at: int, padded: int = 2) -> bytes:
    """A text with its length before it, padded so that what stands at `at` ends at a multiple."""
    if not said:
        return b"\0"
    data = bytes([len(said)]) + said.encode("cp437")
    return data + bytes(-(at + len(data)) % padded)


def dialogue(key: int, joe: dict[int, str], person: dict[int, str], first: str, again: list[str]):
    """A .DOG file of one level."""
    body = bytearray(32 + 96)
    if first:
        joe = {0: first, **joe}
    starts = {}
    for who, sentences in (("joe", joe), ("person", person)):
        starts[who] = len(body)
        for at, said in sentences.items():
            body += number(0, at)
            body += text(said, len(body), 4)
    starts["again"] = len(body)
    for said in again:
        body += text(said, len(body))
    body[:10] = number(-1, 1, key, len(joe), len(person))
    body[22:28] = number(starts["person"], 0, starts["again"])
    return bytes(20) + bytes(body)


def scene(steps: list[tuple[int, str, bool]]) -> bytes:
    """A .CUT file: for each step who acts, what is said, and whether pictures move."""
    body = bytearray(12)
    for actor, _, moves in steps:
        body += number(actor, 0, 0, 0, int(moves), int(moves), *[0] * 11, 2, 5, 6)
        if moves:
            body += number(*range(10)) * 3 + number(-2)
    sentences = len(body)
    for said in ("*FL", *(said for _, said, _ in steps)):
        body += text(said, len(body))
    body[:12] = number(0, len(steps), 0, 0, sentences, 0)
    return bytes(20) + bytes(body)


def archive(entries: dict[str, bytes]) -> bytes:
    at = 15 + 21 * len(entries)
    table, data = b"", b""
    for name, content in entries.items():
        table += struct.pack(">12sBII", name.encode(), 1, at + len(data), len(content))
        data += content
    return b"QTBLCEM10\0\0\0\1" + struct.pack(">H", len(entries)) + table + data


def mp3() -> bytes:
    out = io.BytesIO()
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(11_025) / 11_025)
    soundfile.write(out, tone, 11_025, format="MP3")
    return out.getvalue()


SOUND = mp3()
SOUNDS = (
    "070006J1 070006J2 07001FP2 07SSSSJ1 07XXXXP1 07XXXXJ1 C18D_031 C18D_033 C18D_041 C18D_051"
    " JOE00021 JOE00411 JOE00422 UNTOLD1 080001J1"
)
WHOLE = archive(
    {
        **{f"{name}.SB": SOUND for name in SOUNDS.split()},
        "BOB2.DOG": dialogue(
            7,
            {6: "Hello*14there, Bob^_!*WT"},
            {0x1F: "*AOWhat (sigh) do @ you want?*03"},
            "I speak first.",
            ["You again!", "Me again."],
        ),
        "C18D.CUT": scene(
            [
                (0, "*", True),
                (12, "", True),
                (12, "Run!*XY00(237,112)*WTNow!", False),
                (0, "I run.", False),
                (-2, "A voice.", False),
                (7, "never recorded", False),
            ]
        ),
        "QUEEN2.JAS": "\r\n".join(
            ["Neat*02", "A door*14It's shut*24", *["open", *["verb"] * 11], "No.*14", "Not I*03"]
            + ["I"] * 38
        ).encode(),
        "AND1.DOG": dialogue(8, {1: "One text."}, {}, "", ["", ""]),
        "AND2.DOG": dialogue(8, {1: "Another text."}, {}, "", ["", ""]),
        "PICTURE.PCX": b"pixels",
    }
)


def write(folder, data: bytes):
    path = folder / f"queen{ENDING}"
    path.write_bytes(data)
    return path


def test_each_sound_gets_its_text_and_speaker(tmp_path):
    path = write(tmp_path, WHOLE)
    found = {line.utt: (line.speaker, line.text) for line in spoken_lines(path)}
    assert found == {
        "070006j1": ("Joe", "Hello"),
        "070006j2": ("Joe", "there, Bob!"),
        "07001fp2": ("Bob", "What do you want?"),
        "07ssssj1": ("Joe", "I speak first."),
        "07xxxxp1": ("Bob", "You again!"),
        "07xxxxj1": ("Joe", "Me again."),
        "c18d_031": ("Person12", "Run!"),
        "c18d_033": ("Person12", "Now!"),
        "c18d_041": ("Joe", "I run."),
        "c18d_051": ("Person2", "A voice."),
        "joe00021": ("Joe", "Not I"),
        "joe00411": ("Joe", "Neat"),
        "joe00422": ("Joe", "It's shut"),
    }, "and not 080001j1, for which there are two texts"


def test_they_become_sounds_and_a_table(tmp_path):
    path = write(tmp_path, WHOLE)
    assert unpack_lines(path) == 13
    rows = (tmp_path / "queen" / TABLE).read_text().splitlines()
    assert rows[0] == "utt\tspeaker\ttext" and len(rows) == 14
    assert rows[1] == "070006j1\tJoe\tHello"
    sounds = {row.split("\t")[0] for row in rows[1:]}
    assert {file.stem for file in (tmp_path / "queen").glob("*.mp3")} == sounds
    sound, rate = soundfile.read(tmp_path / "queen" / "c18d_033.mp3")
    assert rate == 11_025 and abs(len(sound) - rate) < rate / 4


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("another file", b"RIFF" * 100),
        ("cut off", WHOLE[: len(WHOLE) // 2]),
        ("no entries", WHOLE[:13] + b"\0\0" + WHOLE[15:]),
        ("a name that leads out", WHOLE.replace(b"PICTURE.PCX", b"../../etc/p", 1)),
        ("a name that is no text", WHOLE.replace(b"PICTURE.PCX", b"PICT\xffRE.PCX", 1)),
        ("sounds of another kind", WHOLE[:12] + b"\2" + WHOLE[13:]),
        ("no verbs", WHOLE.replace(b"\r\nopen\r\n", b"\r\nseal\r\n")),
    ],
)
def test_what_is_no_such_file_is_refused_by_name(tmp_path, name, data):
    with pytest.raises(BadInput, match=r"queen\.1c.*flight-of-the-amazon-queen"):
        list(spoken_lines(write(tmp_path, data)))


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, at, noise):
    path = write(tmp_path_factory.mktemp("queen"), WHOLE[:at] + noise + WHOLE[at + len(noise) :])
    try:
        for line in spoken_lines(path):
            assert "/" not in line.utt and line.text.strip()
    except VisemillError as error:
        assert "queen.1c" in str(error)
