"""Folders of recordings: what a user may hand us, and how its rows are read.

A folder holds either `manifest.tsv` (columns utt, speaker, audio, text; optional language,
licence, attribution, split, label) or LibriSpeech-style `*.trans.txt` files beside the audio.
The licence comes from the manifest, else from `corpus.yaml` in the folder, else from
`datasets/corpora/<folder name>.yaml`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clips import BadManifest
from visemes.inventory import read_yaml

REQUIRED = ("utt", "speaker", "audio", "text")
_AUDIO_SUFFIXES = (".flac", ".wav", ".ogg", ".mp3", ".opus", ".aiff")


@dataclass(frozen=True)
class Recording:
    """One row of a folder: an utterance and where it lies. `where` names the row for messages."""

    utt: str
    speaker: str
    audio: Path
    text: str
    language: str
    licence: str
    attribution: str
    corpus: str
    split: str = ""
    labels: Path | None = None
    where: str = ""


@dataclass(frozen=True)
class Terms:
    """Whose the recordings of a folder are: from corpus.yaml or datasets/corpora/."""

    licence: str = ""
    attribution: str = ""
    language: str = "en"


def read_terms(folder: Path, corpora: Path) -> Terms:
    """The licence, attribution and language of a folder; empty where nobody said."""
    for path in (folder / "corpus.yaml", corpora / f"{folder.name}.yaml"):
        if path.is_file():
            table = read_yaml(path)
            return Terms(
                str(table.get("licence", "")),
                str(table.get("attribution", "")),
                str(table.get("language", "en")),
            )
    return Terms()


def read_folder(folder: Path, corpora: Path) -> Iterator[Recording]:
    """The recordings of a folder, in the order of their manifest.

    Raises BadManifest that names the file, the line and the remedy.
    """
    if not folder.is_dir():
        raise BadManifest("is not a folder", where=str(folder), remedy="check the path")
    terms = read_terms(folder, corpora)
    manifest = folder / "manifest.tsv"
    if manifest.is_file():
        yield from _read_manifest(manifest, terms)
        return
    transcripts = sorted(folder.rglob("*.trans.txt"))
    if not transcripts:
        raise BadManifest(
            "has neither manifest.tsv nor *.trans.txt",
            where=str(folder),
            remedy=f"write manifest.tsv with the columns {', '.join(REQUIRED)}",
        )
    for transcript in transcripts:
        yield from _read_transcript(transcript, folder.name, terms)


def _read_manifest(manifest: Path, terms: Terms) -> Iterator[Recording]:
    folder = manifest.parent
    try:
        text = manifest.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadManifest(
            f"cannot be read ({error})", where=str(manifest), remedy="save it as UTF-8 text"
        ) from error
    rows = csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise BadManifest(
            f"has no column {', '.join(missing)}",
            where=f"{manifest}:1",
            remedy="the first line names the columns, separated by tabs: " + ", ".join(REQUIRED),
        )
    for number, cells in enumerate(rows, 2):
        if not cells:
            continue
        if len(cells) > len(header):
            raise BadManifest(
                f"has {len(cells)} cells, the header {len(header)}",
                where=f"{manifest}:{number}",
                remedy="a text must not hold a tab",
            )
        row = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))]))
        label = row.get("label", "")
        yield Recording(
            utt=row["utt"],
            speaker=row["speaker"],
            audio=_inside(folder, row["audio"], f"{manifest}:{number}"),
            text=row["text"],
            language=row.get("language") or terms.language,
            licence=row.get("licence") or terms.licence,
            attribution=row.get("attribution") or terms.attribution,
            corpus=folder.name,
            split=row.get("split", ""),
            labels=_inside(folder, label, f"{manifest}:{number}") if label else None,
            where=f"{manifest}:{number}",
        )


def _read_transcript(transcript: Path, corpus: str, terms: Terms) -> Iterator[Recording]:
    try:
        lines = transcript.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadManifest(
            f"cannot be read ({error})", where=str(transcript), remedy="save it as UTF-8 text"
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        utt, _, text = line.strip().partition(" ")
        named = (transcript.parent / f"{utt}{suffix}" for suffix in _AUDIO_SUFFIXES)
        audio = next((path for path in named if path.is_file()), transcript.parent / f"{utt}.flac")
        where = f"{transcript}:{number}"
        _inside(transcript.parent, audio.name if "/" not in utt else utt, where)
        speaker = re.split(r"[-_]", utt)[0]
        yield Recording(
            utt, speaker, audio, text, terms.language, terms.licence, terms.attribution, corpus,
            where=where,
        )  # fmt: skip


def _inside(folder: Path, name: str, where: str) -> Path:
    """`folder`/`name`, refused if it leads out of the folder."""
    path = folder / name
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise BadManifest(
            f"the path {name!r} leads out of its folder" if name else "a path is empty",
            where=where,
            remedy="write paths relative to the manifest, without `..`",
        )
    return path
