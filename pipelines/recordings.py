"""Folders of recordings: what a user may hand us, and how its rows are read.

A folder holds either `manifest.tsv` (columns utt, speaker, audio, text; optional language,
licence, attribution, split, label), or LibriSpeech-style `*.trans.txt` files beside the audio, or
another corpus in its own layout (see pipelines.corpora). The licence comes from the manifest, else
from `corpus.yaml` in the folder, else from `datasets/corpora/<folder name>.yaml`. A corpus's own
splits are not used: ours come from speakers and sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clips import BadManifest
from pipelines.corpora import Corpus, find_corpus, find_layout, inside, read_layout

REQUIRED = ("utt", "speaker", "audio", "text")


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
        yield from _read_manifest(manifest, corpus)
        return
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
