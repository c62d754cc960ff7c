"""Folders of recordings: what a user may hand us, and how its rows are read.

A folder holds either `manifest.tsv` (columns utt, speaker, audio, text; optional language,
licence, attribution, split, label) or LibriSpeech-style `*.trans.txt` files beside the audio.
The licence comes from the manifest, else from `corpus.yaml` in the folder, else from
`datasets/corpora/<folder name>.yaml`.
"""

from __future__ import annotations

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
    """One row of a folder: an utterance and where it lies. `where` names the row for messages.

    fault: what is wrong with the row; its other fields then mean nothing.
    """

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
    fault: str = ""


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

    A row with a fault comes with its `fault`, and the others go on. Raises BadManifest that names
    the file and the remedy if the folder as a whole cannot be read.
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
    # Only line feeds end a line: splitlines() would cut texts at rarer separators too.
    rows = iter([line.rstrip("\r").split("\t") for line in text.split("\n")])
    header = next(rows)
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise BadManifest(
            f"has no column {', '.join(missing)}",
            where=f"{manifest}:1",
            remedy="the first line names the columns, separated by tabs: " + ", ".join(REQUIRED),
        )
    for number, cells in enumerate(rows, 2):
        if cells == [""]:
            continue
        where = f"{manifest}:{number}"
        row = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))]))
        label = row.get("label", "")
        try:
            if len(cells) > len(header):
                raise BadManifest(
                    "a row has more cells than the header",
                    where=where,
                    remedy="a text must not hold a tab",
                )
            audio = _inside(folder, row["audio"], where)
            labels = _inside(folder, label, where) if label else None
        except BadManifest as error:
            name = f"{folder.name}-line-{number}"
            yield Recording(
                row["utt"] or name, "?", folder, row["text"], terms.language, "", "", folder.name,
                where=str(error), fault=error.what,
            )  # fmt: skip
            continue
        yield Recording(
            utt=row["utt"],
            speaker=row["speaker"],
            audio=audio,
            text=row["text"],
            language=row.get("language") or terms.language,
            licence=row.get("licence") or terms.licence,
            attribution=row.get("attribution") or terms.attribution,
            corpus=folder.name,
            split=row.get("split", ""),
            labels=labels,
            where=where,
        )


def _read_transcript(transcript: Path, corpus: str, terms: Terms) -> Iterator[Recording]:
    try:
        lines = transcript.read_text("utf-8").replace("\r\n", "\n").split("\n")
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
            "a path leads out of its folder" if name else "a path is empty",
            where=where,
            remedy=f"write paths relative to the manifest, without `..`: {name!r}",
        )
    return path
