"""`visemill audition`: a clip and what augmentation makes of it, side by side in one HTML file."""

from __future__ import annotations

import argparse
import base64
import html
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import soundfile
from PIL import Image

from augment import Chain, Choice, Pool, QualityLimits, Step, find_fault, find_transform
from augment.transform import KNOWN
from augment.voice import VoiceTransform
from clips import (
    RATE,
    BadInput,
    BadLabels,
    Clip,
    VisemillError,
    draw_stream,
    partitions_in,
    read_audio,
    read_clips,
    read_textgrid,
    replacing,
    tile,
    to_grid,
)
from clips.arpabet import ARPABET
from clips.errors import writing
from clips.segment import SILENCE, Segment
from clips.store import read_rows
from pipelines.augment import AugmentParams
from pipelines.params import FILE, load_params
from pipelines.pictures import COLOURS
from pipelines.sources import all_sources, source_folder
from pipelines.stage import seed
from pipelines.visemes import VisemesParams
from visemes.classes import CLASSES
from visemes.drawing import SCRIPT, table
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

MAX_SECONDS = 60.0
"""Longer sounds are refused: each variant lies in the page as a WAV."""

OWN_FOLDERS = ("background", "response")
"""Transforms that need a folder of the user's: only heard as part of a chain that names it."""

_PAGE = Path(__file__).with_name("audition_page.html")
_COLUMNS = 200  # of the spectrogram, a second
_ROWS = 128  # of the spectrogram, 0 to 8 kHz
_WINDOW = 512  # samples
_RANGE_DB = 70.0


@dataclass(frozen=True)
class Version:
    """The parent or a variant. made: what was done, each with its parameters. fault: why the
    stage would leave it out, or why there is no clip; "" if nothing is wrong."""

    name: str
    clip: Clip | None
    made: tuple[str, ...] = ()
    fault: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill audition`."""
    parser.add_argument(
        "clip", metavar="CLIP", help="a sound file, or the id of a clip that `make repro` made"
    )
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="FILE.html", help="what to write"
    )
    parser.add_argument(
        "--phones",
        type=Path,
        metavar="FILE.TextGrid",
        help="phones (ARPAbet) of a sound file (default: the TextGrid beside it, if there is one)",
    )
    parser.add_argument(
        "--transforms",
        nargs="+",
        choices=KNOWN,
        metavar="NAME",
        help=f"one variant of each, with its defaults (default: all of {', '.join(_alone())})",
    )
    parser.add_argument(
        "--chain", type=int, metavar="N", help="instead, N variants by the chain of params.yaml"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the page; 0. Raises VisemillError that says what cannot be read or written."""
    if args.chain is not None and args.chain < 1:
        raise BadInput(f"is {args.chain}", where="--chain", remedy="ask for 1 or more")
    if args.output.suffix.lower() not in (".html", ".htm"):
        raise BadInput("is no page", where=str(args.output), remedy="end its name in .html")
    parent, others = find_clip(args.clip, args.phones)
    versions = [Version("as it is", parent)]
    if args.chain:
        versions += chain_versions(parent, others, args.chain)
    else:
        versions += transform_versions(parent, others, args.transforms or _alone())
    with writing(args.output):
        write_page(args.output, versions)
    return 0


def _alone() -> list[str]:
    return [name for name in KNOWN if name not in OWN_FOLDERS]


# ---------------------------------------------------------------- what is shown


def find_clip(name: str, phones: Path | None = None) -> tuple[Clip, list[Clip]]:
    """The clip of a sound file, or the one with this id and the others of its partition.

    Raises BadInput if there is neither, BadAudio, and BadLabels for phones that do not fit.
    """
    if Path(name).is_file():
        return _read_file(Path(name), phones), []
    for source in all_sources():
        for path in partitions_in(source_folder(source)):
            if any(row["clip_id"] == name for row in read_rows(path, ["clip_id"])):
                clips = list(read_clips(path))
                return next(clip for clip in clips if clip.clip_id == name), clips
    raise BadInput(
        "is no file, and no clip has this id",
        where=name,
        remedy="give a sound file; ids stand in the partitions that `make repro` writes",
    )


def _read_file(path: Path, grid: Path | None) -> Clip:
    audio = to_grid(read_audio(path, max_seconds=MAX_SECONDS))
    grid = grid or path.with_suffix(".TextGrid")
    phones: tuple[Segment, ...] = ()
    if grid.is_file():
        tiers = read_textgrid(grid, len(audio))
        if "phones" not in tiers:
            raise BadLabels(
                f"has no tier `phones` but {', '.join(tiers) or 'none'}",
                where=str(grid),
                remedy="`visemill align` writes one",
            )
        phones = tile(tiers["phones"], len(audio), filler=SILENCE)
        if unknown := {p.label for p in phones} - ARPABET - {SILENCE}:
            raise BadLabels(
                f"holds labels that are not ARPAbet: {', '.join(sorted(unknown)[:5])}",
                where=str(grid),
                remedy="`visemill align` writes ARPAbet",
            )
    elif grid != path.with_suffix(".TextGrid"):
        raise BadInput("does not exist", where=str(grid), remedy="give a TextGrid with --phones")
    return Clip(
        clip_id="audition",
        audio=audio,
        text=path.name,
        language="en",
        speaker="",
        source="file",
        licence="not given",
        attribution="",
        timing="manual" if phones else "none",
        phones=phones,
    ).validate()


def transform_versions(parent: Clip, others: list[Clip], names: list[str]) -> Iterator[Version]:
    """One variant by each of these transforms, with its defaults; a spoilt voice is heard as well,
    with its fault beside it."""
    pool, anything = Pool(others), QualityLimits(*[math.inf] * len(fields(QualityLimits)))
    for name in names:
        chain = Chain([Step(1.0, (Choice(name),))], pool, anything)
        made = _version(name, chain, parent, f"audition {name}")
        if made.clip and isinstance(find_transform(name), VoiceTransform):
            made = replace(made, fault=find_fault(parent, made.clip) or "")
        yield made


def chain_versions(parent: Clip, others: list[Clip], count: int) -> Iterator[Version]:
    """Variants by the chain of params.yaml, each with numbers of its own."""
    params = load_params("augment", AugmentParams)
    chain = Chain(params.chain, Pool(others, params.pool), params.quality)
    for number in range(1, count + 1):
        yield _version(f"chain {number}", chain, parent, f"audition chain {number}")


def _version(name: str, chain: Chain, parent: Clip, stage: str) -> Version:
    rng = draw_stream(seed() if FILE.is_file() else 1, stage, parent.clip_id)
    try:
        child = chain.make(rng, parent)
    except VisemillError as error:
        return Version(name, None, fault=str(error))
    if child is None:
        return Version(name, None, fault="there is nothing to draw for this clip")
    new = child.ops[len(parent.ops) :]
    made = tuple(f"{op.name}: {_said(op.read())}" for op in new)
    return Version(name, child, made)


def _said(params: Mapping[str, Any]) -> str:
    """Parameters in words; what is only bookkeeping is left out."""
    shown = {k: v for k, v in params.items() if k not in ("carry", "samples", "seed", "digest")}
    return ", ".join(f"{key} {_number(value)}" for key, value in shown.items())


def _number(value: Any) -> str:
    if isinstance(value, list):
        return "(" + ", ".join(map(_number, value[:8])) + (", …)" if len(value) > 8 else ")")
    return f"{value:g}" if isinstance(value, float) else str(value)


# ---------------------------------------------------------------- the page


def write_page(path: Path, versions: list[Version]) -> None:
    """One HTML file with everything in it.

    Texts reach the page as data that is only ever set as text, and its content security policy
    lets nothing be fetched. Raises OSError if `path` cannot be written.
    """
    parent = versions[0].clip
    parts = {
        "title": html.escape(f"{parent.clip_id}: {parent.text}"),
        "mouth": SCRIPT.read_text("utf-8"),
        "data": _json(
            {
                "mouth": table(),
                "classes": list(CLASSES),
                "colours": [COLOURS[name] for name in CLASSES],
                "versions": [_as_data(version) for version in versions],
            }
        ),
    }
    frame = _PAGE.read_text("utf-8")
    text = re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], frame)  # one pass over the frame
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _as_data(version: Version) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": version.name, "made": list(version.made), "fault": version.fault,
    }  # fmt: skip
    if version.clip is None:
        return data
    clip = version.clip
    return data | {
        "seconds": len(clip) / RATE,
        "sound": _sound(clip.audio),
        "picture": _spectrogram(clip.audio),
        "phones": _tier(clip.phones, clip.ipa),
        "mouths": [[CLASSES.index(s.label), s.start / RATE, s.end / RATE] for s in _mouths(clip)],
    }


def _tier(phones: tuple[Segment, ...], ipa: tuple[str, ...]) -> list[list[Any]]:
    """[what to show, start, end] of each phone (seconds): its IPA, if that is known."""
    signs = ipa or [""] * len(phones)
    return [[sign or p.label, p.start / RATE, p.end / RATE] for p, sign in zip(phones, signs)]


def _mouths(clip: Clip) -> tuple[Segment, ...]:
    if not clip.phones:
        return ()
    rules = load_params("visemes", VisemesParams).rules if FILE.is_file() else Rules()
    return to_visemes(clip.phones, load_inventory("cherry12"), rules, clip.ipa)


def _sound(audio: np.ndarray) -> str:
    wave = io.BytesIO()
    soundfile.write(wave, audio, RATE, format="WAV", subtype="PCM_16")
    return f"data:audio/wav;base64,{base64.b64encode(wave.getvalue()).decode('ascii')}"


def _spectrogram(audio: np.ndarray) -> str:
    """A PNG: a column every 5 ms, 0 to 8 kHz from the bottom, 70 dB down from the loudest."""
    padded = np.pad(audio, _WINDOW // 2).astype(np.float64)
    step = RATE // _COLUMNS
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::step]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW))[:, : _WINDOW // 2]) ** 2
    power = power.reshape(len(power), _ROWS, -1).mean(axis=2).T[::-1]
    level = 10 * np.log10(power + 1e-9)
    shade = np.clip(1 + (level - level.max()) / _RANGE_DB, 0, 1)
    colours = matplotlib.colormaps["magma"](shade, bytes=True)[..., :3]
    png = io.BytesIO()
    Image.fromarray(colours).quantize(64).save(png, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode('ascii')}"


def _json(value: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
