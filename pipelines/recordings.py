"""Folders of recordings: what a user may hand us, and how its rows are read.

A folder holds either `manifest.tsv` (columns utt, speaker, audio, text; optional language,
licence, attribution, split, label), or LibriSpeech-style `*.trans.txt` files beside the audio, or
another corpus in its own layout (see pipelines.corpora). The licence comes from the manifest, else
from `corpus.yaml` in the folder, else from `datasets/corpora/<folder name>.yaml`. A corpus's own
splits are not used: ours come from speakers and sentences.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from clips import BadManifest
from clips.files import read_lines
from pipelines.corpora import Corpus, find_corpus, find_layout, inside, read_layout

REQUIRED = ("utt", "speaker", "audio", "text")

LONGEST_TEXT = 20_000
"""Characters: four times what anybody says in the five minutes of the longest recording."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,12}){0,4}")
_HIDDEN = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class Recording:
    """One row of a folder: an utterance and where it lies. `where` names the row for messages.

    labels: a file of hand-made phones. words: a file of the corpus's own word times, see
    pipelines.corpora.read_word_times.
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
    words: Path | None = None
    where: str = ""
    fault: str = ""


def read_folder(folder: Path, corpora: Path) -> Iterator[Recording]:
    """The recordings of a folder, in the order of their manifest.

    A row with a fault comes with its `fault`, and the others go on. Raises BadManifest that names
    the file and the remedy if the folder as a whole cannot be read, BadParams for a descriptor
    with a fault.
    """
    if not folder.is_dir():
        raise BadManifest("is not a folder", where=str(folder), remedy="check the path")
    corpus = find_corpus(folder, corpora)
    manifest = folder / "manifest.tsv"
    if manifest.is_file():
        rows = _read_manifest(manifest, corpus)
    else:
        rows = _read_layout(folder, corpus, corpora)
    yield from map(_checked, rows)


def read_speakers(folder: Path) -> dict[str, tuple[str, float | None]]:
    """Sex as written and age (years, None if not said) of each speaker of a folder.

    They stand in speakers.tsv, with the columns speaker, sex, age; without it nothing is known.
    Raises BadManifest that names the file.
    """
    path = folder / "speakers.tsv"
    if not path.is_file():
        return {}
    found: dict[str, tuple[str, float | None]] = {}
    try:
        for row in csv.DictReader(_text_lines(path), delimiter="\t", strict=True):
            age = float(row["age"]) if row.get("age") else None
            if age is not None and not 0 <= age <= 150:
                raise ValueError(f"an age of {age:g} years")
            found[row["speaker"] or ""] = (row.get("sex") or "").strip().lower()[:1], age
    except (csv.Error, KeyError, ValueError) as error:
        raise BadManifest(
            f"cannot be read ({error})",
            where=str(path),
            remedy="give the columns speaker, sex and age (years), separated by tabs",
        ) from error
    return found


def _text_lines(path: Path) -> Iterator[str]:
    for number, line in read_lines(path):
        if line is None:
            raise ValueError(f"line {number} is not UTF-8 text")
        yield line


def _checked(recording: Recording) -> Recording:
    """The recording; with a fault if its language is no code, or if what engines read and others
    will see holds what steers a screen. Aligners look at the text more closely."""
    if recording.fault:
        return recording
    fault = ""
    if not _LANGUAGE.fullmatch(recording.language):
        fault = "the language is no code such as en or pt-br"
    for name in ("utt", "speaker", "licence", "attribution"):
        if any(unicodedata.category(letter) in _HIDDEN for letter in getattr(recording, name)):
            fault = f"the {name} holds a control character"
    if any(unicodedata.category(c) in _HIDDEN and not c.isspace() for c in recording.text):
        fault = "the text holds a control character"
    if len(recording.text) > LONGEST_TEXT:
        fault = f"the text has more than {LONGEST_TEXT} characters"
    if not fault:
        return recording
    return replace(recording, fault=fault, where=f"{recording.where}: {fault}")


def _read_layout(folder: Path, corpus: Corpus, corpora: Path) -> Iterator[Recording]:
    layout = find_layout(folder, corpus, corpora)
    found = list(read_layout(folder, layout)) if layout else []
    if not found:
        raise BadManifest(
            "has neither manifest.tsv nor *.trans.txt, nor another layout that is known",
            where=str(folder),
            remedy=f"write manifest.tsv with the columns {', '.join(REQUIRED)}, or a corpus.yaml"
            " with a `layout:` (docs/corpora.md)",
        )
    for entry in found:
        yield Recording(
            utt=entry.utt,
            speaker=entry.speaker,
            audio=entry.audio,
            text=entry.text,
            language=entry.language or corpus.language,
            licence=corpus.licence,
            attribution=corpus.attribution,
            corpus=folder.name,
            words=entry.words,
            where=entry.where,
            fault=entry.fault,
        )


def _read_manifest(manifest: Path, corpus: Corpus) -> Iterator[Recording]:
    folder = manifest.parent
    lines = read_lines(manifest)
    header = (next(lines)[1] or "").split("\t")
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise BadManifest(
            f"has no column {', '.join(missing)}",
            where=f"{manifest}:1",
            remedy="the first line names the columns, separated by tabs: " + ", ".join(REQUIRED),
        )
    for number, line in lines:
        where = f"{manifest}:{number}"
        if line is None:
            raise BadManifest("is not UTF-8 text", where=where, remedy="save it as UTF-8 text")
        if not line:
            continue
        cells = line.split("\t")
        row = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))]))
        label = row.get("label", "")
        try:
            if len(cells) > len(header):
                raise BadManifest(
                    "a row has more cells than the header",
                    where=where,
                    remedy="a text must not hold a tab",
                )
            audio = inside(folder, row["audio"], where)
            labels = inside(folder, label, where) if label else None
        except BadManifest as error:
            name = f"{folder.name}-line-{number}"
            yield Recording(
                row["utt"] or name, "?", folder, row["text"], corpus.language, "", "", folder.name,
                where=str(error), fault=error.what,
            )  # fmt: skip
            continue
        yield Recording(
            utt=row["utt"],
            speaker=row["speaker"],
            audio=audio,
            text=row["text"],
            language=row.get("language") or corpus.language,
            licence=row.get("licence") or corpus.licence,
            attribution=row.get("attribution") or corpus.attribution,
            corpus=folder.name,
            split=row.get("split", ""),
            labels=labels,
            where=where,
        )
