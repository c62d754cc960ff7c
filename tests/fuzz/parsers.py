"""Every parser, good inputs that our own writers made, and how hostile ones are made of them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from random import Random
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from align.text import spoken_words
from clips import (
    BadInput,
    Reject,
    Segment,
    from_flac,
    read_audio,
    read_clips,
    read_rejects,
    read_textgrid,
    to_flac,
    write_clips,
    write_rejects,
    write_textgrid,
)
from clips.files import read_yaml
from lipsync.dataset import FeatureRow, load_feature_tables, write_feature_table
from pipelines import ingest, truth
from pipelines.compare_command import read_side
from pipelines.corpora import read_word_times
from pipelines.download import unpack, verify
from pipelines.ingest import IngestParams, Work
from pipelines.params import build, load_params
from pipelines.preview.tracks import cue_format, read_track
from pipelines.prompts import read_prompts, write_prompts
from pipelines.splits import Splits
from review_ui.clip_queue import COLUMNS, Queue
from review_ui.journal import Decision, Journal, read_decisions
from synth.prompts import make_prompt, read_sentences
from synth.text import clean_text
from tests.conftest import make_clip
from tests.fuzz.mutate import STRINGS, as_json, as_yaml, hostile, mutated
from visemes.blendshapes import Curves, curves_to_csv, curves_to_json, read_curves
from visemes.formats import FORMATS, CueTrack, read_cues, write_cues
from visemes.inventory import load_inventory

ROOT = Path(__file__).parents[2]
CORPORA = ROOT / "datasets" / "corpora"
RATE = Fraction(24)


@dataclass(frozen=True)
class Parser:
    """file: the name under which an input lies in its folder. good: inputs that are read without
    complaint. use: reads the folder. beside: what else lies there. how: makes a hostile input."""

    name: str
    file: str
    good: Callable[[], Sequence[bytes]]
    use: Callable[[Path], object]
    beside: Callable[[], Mapping[str, bytes]] = dict
    how: Callable[[Random, Sequence[bytes]], bytes] = field(default=lambda rng, good: b"")

    def seeds(self) -> Sequence[bytes]:
        return _kept(self.good)

    def make(self, rng: Random) -> bytes:
        return self.how(rng, self.seeds())

    def lay(self, folder: Path, data: bytes) -> None:
        for name, content in {**_kept(self.beside), self.file: data}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def read(self, folder: Path) -> None:
        self.use(folder)


@cache
def _kept(make):
    return make()


def _bytes(rng: Random, good: Sequence[bytes]) -> bytes:
    return mutated(rng, rng.choice(good), good, text=False)


def _text(rng: Random, good: Sequence[bytes]) -> bytes:
    return mutated(rng, rng.choice(good), good, text=True)


def _trees(change: Callable[[Random, bytes], bytes]):
    """Half of the inputs have another tree, half other characters."""
    return lambda rng, good: (change if rng.random() < 0.5 else _plain)(rng, rng.choice(good))


def _plain(rng: Random, data: bytes) -> bytes:
    return mutated(rng, data, [data], text=True)


def _written(write: Callable[[Path], object], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path)
        return path.read_bytes()


# ---------------------------------------------------------------- sound


def _sound(kind: str, subtype: str | None = None, rate: int = 22050, channels: int = 1) -> bytes:
    time = np.arange(rate // 4) / rate
    tone = 0.3 * np.sin(2 * np.pi * 300 * time)
    buffer = io.BytesIO()
    sound = tone[:, None].repeat(channels, 1)
    soundfile.write(buffer, sound, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def _wavs() -> list[bytes]:
    kinds = ("PCM_16", "FLOAT", "PCM_U8", "PCM_24", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")
    many = [_sound("WAV", kind, 16000, 1) for kind in kinds]
    return [*many, _sound("WAVEX", "PCM_16", 48000, 2), _sound("RF64"), _sound("W64"),
            _sound("AIFF"), _sound("AU"), _sound("CAF"), _sound("NIST"), _sound("VOC")]  # fmt: skip


def _ogg(rng: Random, good: Sequence[bytes]) -> bytes:
    """Ogg with pages whose checksums are right again, so that the decoders see what changed."""
    data = bytearray(_bytes(rng, good))
    if rng.random() < 0.3:
        return bytes(data)
    at = data.find(b"OggS")
    while 0 <= at <= len(data) - 27:
        after = data.find(b"OggS", at + 4)
        page = data[at : after if after > 0 else len(data)]
        page[22:26] = bytes(4)
        data[at + 22 : at + 26] = _ogg_sum(bytes(page)).to_bytes(4, "little")
        at = after
    return bytes(data)


def _ogg_sum(page: bytes) -> int:
    """The checksum of RFC 3533: polynomial 0x04c11db7, not reflected."""
    value, table = 0, _ogg_table()
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value


@cache
def _ogg_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


def _use_sound(name: str):
    return lambda folder: read_audio(folder / name)


# ---------------------------------------------------------------- labels and cues


def _textgrids() -> list[bytes]:
    phones = make_clip().phones
    tiers = {"words": (Segment("pa", 4000, 12000),), "phones": phones}
    mouths = {"mouths": (Segment("X", 0, 8000), Segment("D", 8000, 16000))}
    made = [_written(lambda p, t=t: write_textgrid(p, t, 16000), "a") for t in (tiers, mouths)]

    def other(path: Path, kind: str) -> None:
        from praatio import textgrid

        write_textgrid(path, tiers, 16000)
        textgrid.openTextgrid(str(path), False).save(str(path), kind, includeBlankSpaces=True)

    kinds = ("short_textgrid", "json", "textgrid_json")
    made += [_written(partial(other, kind=kind), "a.TextGrid") for kind in kinds]
    return [*made, made[0].decode().encode("utf-16")]


def _use_textgrid(folder: Path) -> None:
    path = folder / "a.TextGrid"
    read_textgrid(path, 16000)
    if "mouths" in read_textgrid(path):
        read_track(path, "a", 16000, RATE)
    else:
        read_side(path, "phones", RATE, load_inventory("cherry12"), "en")


def _cues(form: str) -> list[bytes]:
    inventory = load_inventory(FORMATS[form].inventory or "cherry12")
    tracks = (
        CueTrack(((0.0, "X"), (0.5, "A"), (0.75, "D"), (1.5, "X")), 2.0),
        CueTrack(((0.0, "A"), (0.25, "X")), 1.0, sound="a <b>.wav"),
    )
    return [write_cues(track.into(inventory), form, RATE).encode() for track in tracks]


def _use_cues(folder: Path, form: str, file: str) -> None:
    path = folder / file
    track = read_cues(path, form, RATE)
    for name, other in FORMATS.items():
        if other.inventory in ("", track.inventory.name):
            write_cues(track, name, RATE)
    if cue_format(path) == form:
        read_track(path, "a", 32000, RATE)
        read_side(path, None, RATE, load_inventory("cherry12"), "en")


def _cue_parser(form: str) -> Parser:
    file = f"a.{FORMATS[form].suffix}"
    how = _trees(as_json) if FORMATS[form].suffix == "json" else _text
    use = partial(_use_cues, form=form, file=file)
    return Parser(f"cues-{form}", file, partial(_cues, form), use, how=how)


def _curves() -> Curves:
    names = ("jawOpen", "mouthClose", "mouthPucker")
    return Curves(RATE, ("X", "A", "D"), names, np.full((3, 3), 0.25, np.float32))


# ---------------------------------------------------------------- folders of recordings

_WAV = partial(_sound, "WAV", "PCM_16", 16000)


def _manifest() -> list[bytes]:
    columns = "utt\tspeaker\taudio\ttext\tlanguage\tlicence\tattribution\tsplit\tlabel"
    rows = [f"u{n}\ts{n % 2}\ta.wav\tPa pa.\ten\tCC0-1.0\tme\t\tlabels/a.tsv" for n in range(4)]
    return [
        "\n".join([columns, *rows, ""]).encode(),
        b"utt\tspeaker\taudio\ttext\na\ts\ta.wav\tx\n",
    ]


def _labels() -> list[bytes]:
    names = "a b d f g I E 6 m a b d".split()
    lines = [f"{n / 50:.3f}\t{(n + 1) / 50:.3f}\t{name}" for n, name in enumerate(names)]
    return ["\n".join([*lines, ""]).encode()]


def _truth_beside() -> dict[str, bytes]:
    return {
        "manifest.tsv": _manifest()[0],
        "a.wav": _WAV(),
        "labels/a.tsv": _labels()[0],
        "speakers.tsv": b"speaker\tsex\tage\ns0\tf\t30\ns1\tm\t12\n",
    }


@cache
def _work() -> Work:
    params = load_params("ingest", IngestParams, ROOT / "params.yaml")
    return Work(params, load_params("splits", Splits, ROOT / "params.yaml"))


def _use_recordings(folder: Path) -> None:
    # One descriptor beside the folder's own: reading them all takes a tenth of a second.
    with patch.object(ingest, "CORPORA", folder):
        for task in ingest.plan([folder], 1):
            list(ingest.ingest_partition(task, _work()))


def _use_truth(folder: Path) -> None:
    with patch.object(truth, "DATA", folder):
        truth.read_truth(folder, load_inventory("cherry12"))


def _layout_beside(name: str) -> dict[str, bytes]:
    from tests.pipelines.test_corpora import SAMPLES

    descriptor = CORPORA / f"{name}.yaml"
    return {**SAMPLES[name], "corpus.yaml": descriptor.read_bytes()}


def _layout_parser(name: str, file: str) -> Parser:
    return Parser(
        f"layout-{name}-{Path(file).name.split('.')[-1]}",
        file,
        lambda: [_layout_beside(name)[file]],
        _use_recordings,
        partial(_layout_beside, name),
        _text,
    )


_CHAPTER = "LibriSpeech/dev-clean/84/121123"


def _descriptors() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPORA.glob("*.yaml"))]


# ---------------------------------------------------------------- configuration and text


def _use_params(folder: Path) -> None:
    from pipelines.augment import AugmentParams
    from pipelines.engines import SynthesizeParams
    from pipelines.triage import TriageParams

    kinds = {
        "augment": AugmentParams,
        "synthesize": SynthesizeParams,
        "ingest": IngestParams,
        "splits": Splits,
        "triage": TriageParams,
    }
    table = read_yaml(folder / "params.yaml")
    for block, kind in kinds.items():
        build(kind, table.get(block), block)


def _use_inventory(folder: Path) -> None:
    load_inventory.__wrapped__(str(folder / "mine.yaml"))


def _texts() -> list[bytes]:
    return [
        text.encode()
        for text in (
            "en\tWell, it's 7 o'clock; Mr. Smith paid $3.50 (twice)!",
            "de\tDie Straße ist 3,5 km lang, sagt Dr. Müller.",
            "fr\tL'été dernier, 21 amis ont mangé ici.",
            "ru\tПривет, как дела?",
            "ja\tこんにちは。",
        )
    ]


def _use_text(folder: Path) -> None:
    """Clean texts reach command lines: they hold nothing that is no letter, mark or space."""
    language, _, text = (folder / "a.txt").read_text("utf-8").partition("\t")
    clean = clean_text(text, language)
    assert not any(unicodedata.category(letter).startswith("C") for letter in clean), clean
    assert not set(clean) & set("\\<>`$|;&") - {";"}, clean


def _use_transcript(folder: Path) -> None:
    words = spoken_words((folder / "a.txt").read_text("utf-8").partition("\t")[2])
    assert all(word.replace("'", "").isascii() and word.islower() for word in words), words


def _some_text(rng: Random, good: Sequence[bytes]) -> bytes:
    data = _text(rng, good)[:400]
    return data.decode("utf-8", "ignore").encode()


def _prompts() -> list[bytes]:
    made = [make_prompt(t, "en", 0.1, 0.1) for t in ("Go home now.", "Pa sees the sea.")]
    return [_written(lambda path: write_prompts(path, made), "a.tsv")]


# ---------------------------------------------------------------- decisions and tables


def _journals() -> list[bytes]:
    labels = (("SIL", 0, 4000), ("P", 4000, 16000))
    decisions = [
        Decision("a", "0123", "approve", "me", "2026-01-01T00:00:00", key="1", seconds=1.5),
        Decision("b", "0123", "reject", "me", "2026-01-01T00:00:00", "noise", key="2"),
        Decision("c", "01", "fix", "me", key="3", phones=labels, visemes=labels, settles=True),
    ]

    def write(path: Path) -> None:
        journal = Journal(path.parent, "me")
        journal.add(*decisions)
        journal.undo("2")

    return [_written(write, "me.jsonl")]


def _use_journal(folder: Path) -> None:
    from pipelines.reviews import read_reviews, reviewed

    read_decisions(folder / "me.jsonl")
    Journal(folder, "me").decisions()
    reviews = read_reviews([folder / "me.jsonl"])
    for clip_id in list(reviews)[:3]:
        clip = make_clip("c")
        reviewed(clip, {"c": reviews[clip_id]})


def _json_lines(rng: Random, good: Sequence[bytes]) -> bytes:
    lines = rng.choice(good).split(b"\n")
    at = rng.randrange(len(lines) - 1)
    lines[at] = _trees(as_json)(rng, [lines[at]])
    return b"\n".join(lines)


def _table(rng: Random, good: Sequence[bytes]) -> bytes:
    """Half of the inputs are damaged files, half whole ones with hostile cells or columns."""
    if rng.random() < 0.5:
        return _bytes(rng, good)
    table = pq.read_table(io.BytesIO(rng.choice(good)))
    for _ in range(rng.choice((1, 2))):
        at = rng.randrange(table.num_columns)
        name, column = table.column_names[at], table.column(at)
        what = rng.randrange(5)
        if what == 0:
            table = table.remove_column(at)
        elif what == 1:
            table = table.set_column(at, name, pa.nulls(len(table), column.type))
        elif what == 2:
            values = [hostile(rng)] * len(table)
            table = table.set_column(at, name, _array(values))
        elif what == 3:
            cells = _cells(rng, column)[: len(table)]
            table = table.set_column(at, pa.field(name, column.type), cells)
        else:
            more = rng.choice((table, table.append_column(name, column)))
            table = pa.concat_tables([more, more]) if rng.random() < 0.5 else more.slice(0, 0)
        if not table.num_columns:
            break
    buffer = io.BytesIO()
    try:
        pq.write_table(table, buffer, compression=rng.choice(("zstd", "none", "gzip")))
    except pa.ArrowException:  # a value that Parquet has no type for
        return _bytes(rng, good)
    return buffer.getvalue()


def _array(values: list) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
        return pa.nulls(len(values))


def _cells(rng: Random, column: pa.ChunkedArray) -> pa.Array:
    """The column with one value of its own type that nobody expects."""
    values = column.to_pylist() or [None]
    values[rng.randrange(len(values))] = _cell(rng, column.type)
    try:
        return pa.array(values, column.type)
    except pa.ArrowException:  # larger than its type
        return column


def _cell(rng: Random, kind: pa.DataType):
    if pa.types.is_struct(kind):
        return {f.name: _cell(rng, f.type) for f in kind} if rng.random() < 0.9 else None
    if pa.types.is_list(kind):
        return [_cell(rng, kind.value_type) for _ in range(rng.choice((0, 1, 3)))]
    if pa.types.is_integer(kind):
        return rng.choice((None, -1, 0, 255, 2**31) if kind.bit_width > 31 else (None, 0, 127))
    if pa.types.is_floating(kind):
        return rng.choice(
            (None, float("nan"), float("inf"), -1.0, 1e300 if kind == "double" else 9)
        )
    if pa.types.is_binary(kind):
        return rng.choice((None, b"", b"fLaC", _bytes(rng, _flacs())))
    if pa.types.is_boolean(kind):
        return None
    return rng.choice((None, *STRINGS[: STRINGS.index("\ud800")]))


def _flacs() -> list[bytes]:
    return [to_flac(make_clip().audio)]


def _partitions() -> list[bytes]:
    clips = [make_clip(name, ops=()).with_scores(level=-20.0) for name in ("a", "b", "c")]
    return [_written(lambda path: write_clips(path, clips), "a.parquet")]


def _rejects() -> list[bytes]:
    rejects = [Reject("a", "ingest", "too short", "x"), Reject("b", "align", "no path")]
    return [_written(lambda path: write_rejects(path, rejects), "rejects.parquet")]


def _triage() -> list[bytes]:
    row = dict.fromkeys(COLUMNS.names, "")
    row |= {"clip_id": "a", "status": "waiting", "doubt": 0.4, "seconds": 1.0, "row": 0}
    row |= {"worst_start": 0, "worst_end": 100, "lot_sample": 2, "folder": "align/x"}
    rows = [row, {**row, "clip_id": "b", "lot": "x-1"}]
    return [_written(lambda path: pq.write_table(pa.Table.from_pylist(rows), path), "a.parquet")]


def _features() -> list[bytes]:
    rows = [
        FeatureRow(name, "s", "x", split, np.zeros((9, 13), np.float32), np.zeros(9, np.uint8))
        for name, split in (("a", "train"), ("b", "train"), ("c", "valid"))
    ]
    return [_written(lambda path: write_feature_table(path, rows), "a.parquet")]


def _use_partition(folder: Path) -> None:
    for clip in read_clips(folder / "part-0000.parquet"):
        clip.validate()


def _use_queue(folder: Path) -> None:
    queue = Queue.from_folder(folder)
    for item in queue.items:
        queue.clip(item)


# ---------------------------------------------------------------- archives and models


def _members() -> list[tuple[str, bytes]]:
    return [("c/a.txt", b"one"), ("c/d/b.txt", b"two" * 300), ("c/a.wav", _WAV())]


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as box:
        for name, content in _members():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name.endswith(".wav"):
                info.pax_headers = {"comment": "x" * 200}
            box.addfile(info, io.BytesIO(content))
        long = tarfile.TarInfo("c/" + "n" * 150)
        box.addfile(long)
    return buffer.getvalue()


def _zip(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as box:
        for name, content in _members():
            box.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def _archives() -> list[bytes]:
    tar = _tar()
    packed = [gzip.compress(tar, mtime=0), bz2.compress(tar), lzma.compress(tar)]
    kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    return [tar, *packed, *map(_zip, kinds)]


_NAMES = ("../x", "/tmp/x", "a/../../x", "c", "c/a.txt", "C:x", "a\\b", "\u202ex", ".", "..", "",
          "con", "a" * 300, "corpus.yaml", "c/e\u0301", "c/é", "a/" * 400 + "b", "~",
          "-rf")  # fmt: skip


def _archive(rng: Random, good: Sequence[bytes]) -> bytes:
    """Damaged archives, tars packed again after the damage, and whole ones of hostile members."""
    what = rng.random()
    if what < 0.3:
        return _bytes(rng, good)
    if what < 0.65:
        tar = _bytes(rng, good[:1])
        if rng.random() < 0.7:
            tar = _tar_sums(tar)
        pack = rng.choice((bytes, gzip.compress, partial(lzma.compress, preset=0)))
        return pack(tar)
    return _hostile_tar(rng) if rng.random() < 0.5 else _hostile_zip(rng)


def _tar_sums(tar: bytes) -> bytes:
    """The tar with right checksums in every block that looks like a header."""
    data = bytearray(tar)
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


def _hostile_tar(rng: Random) -> bytes:
    buffer = io.BytesIO()
    form = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
    with tarfile.open(fileobj=buffer, mode="w", format=form) as box:
        for _ in range(rng.choice((1, 2, 3))):
            info = tarfile.TarInfo(rng.choice(_NAMES))
            info.type = rng.choice(
                (tarfile.REGTYPE,) * 6
                + (
                    tarfile.SYMTYPE,
                    tarfile.LNKTYPE,
                    tarfile.DIRTYPE,
                    tarfile.FIFOTYPE,
                    tarfile.CHRTYPE,
                    tarfile.CONTTYPE,
                    tarfile.GNUTYPE_SPARSE,
                    b"x",
                    b"g",
                    b"L",
                    b"Q",
                )
            )
            info.linkname = rng.choice(_NAMES)
            info.mode = rng.choice((0o644, 0o4777, 0))
            content = rng.choice((b"", b"x", bytes(3000), b"30 GNU.sparse.size=1000000000\n" * 9))
            info.size = len(content) if info.isreg() else rng.choice((0, 0, 512, 1 << 33))
            if rng.random() < 0.2:
                info.pax_headers = {
                    rng.choice(("size", "path", "linkpath", "GNU.sparse.map", "GNU.sparse.major",
                                "GNU.sparse.realsize", "hdrcharset", "mtime", "uid")):
                    rng.choice(("-1", "99999999999999", "../x", "0,1", "nan", "x" * 5000))
                }  # fmt: skip
            try:
                box.addfile(info, io.BytesIO(content) if info.isreg() else None)
            except (ValueError, OSError):
                continue
    data = buffer.getvalue()
    return data * rng.choice((1, 1, 400)) if len(data) < 4096 else data


def _hostile_zip(rng: Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as box:
        for _ in range(rng.choice((1, 2, 3))):
            info = zipfile.ZipInfo(rng.choice(_NAMES) or "x")
            info.external_attr = rng.choice((0, 0, 0o120777 << 16, 0o100644 << 16, 0o20644 << 16))
            content = rng.choice((b"", b"x", bytes(100_000)))
            box.writestr(info, content, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    return _bytes(rng, [buffer.getvalue()]) if rng.random() < 0.3 else buffer.getvalue()


def _use_archive(folder: Path) -> None:
    target = folder / "out"
    try:
        unpack(folder / "a.archive", target)
    finally:
        left = {path.name for path in folder.iterdir()} - {"out", "a.archive"}
        assert not left, left
        assert not any(path.is_symlink() for path in target.rglob("*"))


def _use_notes(folder: Path) -> None:
    from pipelines.download import _read_note
    from pipelines.inputs import folders_in

    _read_note(folder / "a.folder.json")
    folders_in(folder)
    verify(folder / "a.wav", size=0, sum="unknown", seen=folder / "a.folder.json", key="folder")


@cache
def _net():
    import torch

    from lipsync.model import CherryNet

    torch.manual_seed(0)
    return CherryNet()


def _weights() -> list[bytes]:
    from lipsync.export import save_cherry

    return [_written(partial(save_cherry, _net()), "a.pt")]


def _zipped(rng: Random, good: Sequence[bytes]) -> bytes:
    """A zip of which one member changed, with right checksums: what reads the member sees it."""
    if rng.random() < 0.3:
        return _bytes(rng, good)
    with zipfile.ZipFile(io.BytesIO(rng.choice(good))) as box:
        members = {info.filename: box.read(info) for info in box.infolist()}
    small = [name for name in members if name.endswith(("pkl", "version", "byteorder"))]
    name = rng.choice(small if small and rng.random() < 0.7 else list(members))
    what = rng.randrange(6)
    if what == 0:
        del members[name]
    elif what == 1:
        members[rng.choice(("../x", name + "x", "data/0"))] = members.pop(name)
    else:
        members[name] = _bytes(rng, [members[name]])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as box:
        for name, content in members.items():
            method = rng.choice((zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED,))
            box.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def _onnx() -> list[bytes]:
    from lipsync.export import save_onnx

    return [_written(partial(save_onnx, _net()), "a.onnx")]


def _graph(rng: Random, good: Sequence[bytes]) -> bytes:
    """Half of the inputs are damaged bytes, half whole graphs with other nodes, shapes or names."""
    import onnx
    from onnx import TensorProto, helper

    if rng.random() < 0.5:
        return _bytes(rng, good)
    model = onnx.ModelProto.FromString(rng.choice(good))
    graph = model.graph
    for _ in range(rng.choice((1, 2))):
        what = rng.randrange(7)
        node, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
        if what == 0:
            node.op_type = rng.choice(("Loop", "If", "Identity", "Tile", "Expand", "GRU", "x"))
        elif what == 1:
            node.domain = rng.choice(("com.microsoft", "x.y"))
        elif what == 2:
            tensor.dims[:] = [rng.choice((0, -1, 1, 1 << 31, 1 << 40))]
        elif what == 3:
            tensor.data_location = TensorProto.EXTERNAL
            place = rng.choice(("../../../etc/passwd", "/etc/passwd", "a.onnx", "../x"))
            tensor.external_data.add(key="location", value=place)
            tensor.external_data.add(key="length", value=rng.choice(("9", str(1 << 40))))
        elif what == 4:
            huge = helper.make_tensor("huge", TensorProto.INT64, [1], [1 << rng.choice((20, 33))])
            graph.initializer.append(huge)
            graph.node.insert(0, helper.make_node("ConstantOfShape", ["huge"], ["filled"]))
            graph.node.append(helper.make_node("ReduceSum", ["filled"], ["total"]))
        elif what == 5:
            rng.choice([*graph.input, *graph.output]).name = rng.choice(("x", "features", ""))
        elif node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(("", "x", "features", "h1"))
    return model.SerializeToString()


def _use_model(folder: Path, file: str) -> None:
    from lipsync.infer import Model

    model = Model.load(folder / file)
    model.predict(np.zeros(16000, np.float32))
    stream = model.stream()
    for _ in range(8):  # in pieces of 10 ms the network runs one frame at a time
        stream.push(np.zeros(160, np.float32))


def _acoustic() -> list[bytes]:
    import torch

    from align.sounds import SOUNDS
    from align.training import AcousticNet, model_of

    torch.manual_seed(0)
    prior = np.full(len(SOUNDS), 1 / len(SOUNDS))
    return [model_of(AcousticNet(channels=8).eval(), prior).to_bytes()]


def _use_acoustic(folder: Path) -> None:
    from align.acoustic import load_model

    load_model(folder / "a.npz").digest  # noqa: B018


_ALL = [
    Parser("wav", "a.wav", _wavs, _use_sound("a.wav"), how=_bytes),
    Parser("flac", "a.flac", lambda: [_sound("FLAC"), _sound("FLAC", "PCM_24", 48000, 2)],
           _use_sound("a.flac"), how=_bytes),
    Parser("mp3", "a.mp3", lambda: [_sound("MP3"), _sound("MP3", None, 48000, 2)],
           _use_sound("a.mp3"), how=_bytes),
    Parser("ogg", "a.ogg", lambda: [_sound("OGG"), _sound("OGG", "OPUS", 48000)],
           _use_sound("a.ogg"), how=_ogg),
    Parser("stored-flac", "a.flac", _flacs,
           lambda folder: from_flac((folder / "a.flac").read_bytes()), how=_bytes),
    Parser("textgrid", "a.TextGrid", _textgrids, _use_textgrid, how=_text),
    *map(_cue_parser, FORMATS),
    Parser("curves-csv", "a.csv", lambda: [curves_to_csv(_curves()).encode()],
           lambda folder: read_curves(folder / "a.csv"), how=_text),
    Parser("curves-json", "a.json", lambda: [curves_to_json(_curves()).encode()],
           lambda folder: read_curves(folder / "a.json"), how=_trees(as_json)),
    Parser("manifest", "manifest.tsv", _manifest, _use_recordings, _truth_beside, _text),
    Parser("corpus", "corpus.yaml", _descriptors, _use_recordings,
           partial(_layout_beside, "librispeech"), _trees(as_yaml)),
    _layout_parser("librispeech", f"{_CHAPTER}/84-121123.trans.txt"),
    _layout_parser("libritts", "LibriTTS/dev-clean/84/121/84_121_000_001.normalized.txt"),
    _layout_parser("ljspeech", "LJSpeech-1.1/metadata.csv"),
    _layout_parser("commonvoice", "cv-corpus-17.0/de/validated.tsv"),
    _layout_parser("speechocean762", "speechocean762/train/wav.scp"),
    _layout_parser("speechocean762", "speechocean762/train/text"),
    Parser("word-times", "a.align", lambda: [b"0 10000 sil\n10000 20000 lay\n20000 74500 sil\n"],
           lambda folder: read_word_times(folder / "a.align", 47680), how=_text),
    Parser("truth-manifest", "manifest.tsv", lambda: _manifest()[:1], _use_truth, _truth_beside,
           _text),
    Parser("truth-labels", "labels/a.tsv", _labels, _use_truth, _truth_beside, _text),
    Parser("truth-speakers", "speakers.tsv", lambda: [_truth_beside()["speakers.tsv"]], _use_truth,
           _truth_beside, _text),
    Parser("params", "params.yaml", lambda: [(ROOT / "params.yaml").read_bytes()], _use_params,
           how=_trees(as_yaml)),
    Parser("inventory", "mine.yaml",
           lambda: [p.read_bytes() for p in sorted((ROOT / "visemes/inventories").glob("*.yaml"))],
           _use_inventory, how=_trees(as_yaml)),
    Parser("text", "a.txt", _texts, _use_text, how=_some_text),
    Parser("transcript", "a.txt", _texts, _use_transcript, how=_some_text),
    Parser("sentences", "a.txt", lambda: [b"Go home now.\n\nPa sees the sea, twice.\n"],
           lambda folder: read_sentences(folder / "a.txt"), how=_text),
    Parser("prompts", "a.tsv", _prompts, lambda folder: list(read_prompts(folder / "a.tsv")),
           how=_text),
    Parser("journal", "me.jsonl", _journals, _use_journal, how=_json_lines),
    Parser("notes", "a.folder.json",
           lambda: [json.dumps({"folder": "", "address": "a", "tag": "t", "total": 9}).encode()],
           _use_notes, lambda: {"a.wav": _WAV()}, _trees(as_json)),
    Parser("partition", "part-0000.parquet", _partitions, _use_partition, how=_table),
    Parser("rejects", "rejects.parquet", _rejects, read_rejects, how=_table),
    Parser("queue", "triage/x/part-0000.parquet", _triage, _use_queue, how=_table),
    Parser("features", "a.parquet", _features,
           lambda folder: load_feature_tables([folder / "a.parquet"], "train"), how=_table),
    Parser("archive", "a.archive", _archives, _use_archive, how=_archive),
    Parser("weights", "a.pt", _weights, partial(_use_model, file="a.pt"), how=_zipped),
    Parser("onnx", "a.onnx", _onnx, partial(_use_model, file="a.onnx"), how=_graph),
    Parser("acoustic", "a.npz", _acoustic, _use_acoustic, how=_zipped),
]  # fmt: skip
PARSERS = {parser.name: parser for parser in _ALL}

FAULTS = {
    "raise KeyError('x')": "KeyError: 'x'",
    "raise BadInput('x' * 2000, where='y' * 2000, remedy='z' * 2000)": "the message has 60",
    "while True: pass": "took longer than",
    "bytearray(3 << 30)": "MemoryError: ",
    "os.kill(os.getpid(), 11)": "died of SIGSEGV",
    "os.system('true')": "os.system",
    "open('/etc/passwd')": "opened /etc/passwd",
    "open('/dev/null', 'w')": "outside its folder",
}
"""What the harness must see, and what it says of it: the parser `faults` runs its inputs."""


def _run_fault(folder: Path) -> None:
    exec((folder / "a.py").read_text("utf-8"), {"os": os, "BadInput": BadInput})


BROKEN = Parser("faults", "a.py", lambda: [b"pass"], _run_fault,
                how=lambda rng, good: rng.choice(list(FAULTS)).encode())  # fmt: skip
