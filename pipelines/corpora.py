"""Corpora as configuration: what a descriptor says, and how its rules read a folder.

A descriptor is a file datasets/corpora/<name>.yaml, or a `corpus.yaml` inside a folder. It holds
licence and attribution; where the archives lie and what they must hash to; and the layout, which
is one of six readers with its rules. A new corpus of a known shape needs a YAML file and no code.
The keys and readers are described in docs/corpora.md.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath

import regex

from clips import RATE, BadLabels, BadManifest, BadParams, Segment
from clips.files import LONGEST_LINE, read_lines, read_text, read_yaml
from pipelines.params import build

UNKNOWN = "unknown"
"""The checksum of an archive that nobody vouches for: recorded at the first download."""

_SUM = re.compile(r"unknown|sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")
_PLACE = re.compile(r"\{(\w+)\}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What the names of archives and their folders look like: nothing that a path could hide in."""

_MATCH_SECONDS = 1.0  # a descriptor's expression that takes longer on one line would never end
_STORED = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$|/\.git/annex/objects/")


@dataclass(frozen=True, slots=True)
class Archive:
    """One file to fetch. size: bytes, 0 if not known. sum: `sha256:…`, `md5:…` or UNKNOWN."""

    file: str
    size: int = 0
    sum: str = UNKNOWN

    def __post_init__(self) -> None:
        if not FILE_NAME.fullmatch(self.file):
            raise ValueError(f"file is {self.file!r}, not a plain file name")
        if not _SUM.fullmatch(self.sum):
            raise ValueError(f"sum is {self.sum!r}, not sha256:…, md5:… or unknown")
        if self.size < 0:
            raise ValueError(f"size is {self.size}, below 0")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a corpus lies in its folder.

    reader: one of READERS. files: a glob of the files that hold the text (grid: the sound).
    name: a regular expression for the path of such a file, relative to the folder; line: one for a
    line of it, or with `matches` for a piece of it. Their named groups (utt, speaker, text) and
    {folder} (of the file) and {before} (the path before the match of `name`) fill the templates
    `utt`, `speaker` and `audio`; of several `audio` the first that exists counts. columns: for a
    table with a header, which column holds speaker, text, language and file; {stem} is the file's
    name without its ending.
    """

    reader: str
    files: str
    name: str = ""
    line: str = ""
    audio: tuple[str, ...] = ()
    utt: str = "{utt}"
    speaker: str = "{speaker}"
    columns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reader not in READERS:
            raise ValueError(f"reader is {self.reader!r}, none of {', '.join(READERS)}")
        if PurePosixPath(self.files).is_absolute() or ".." in PurePosixPath(self.files).parts:
            raise ValueError(f"files is {self.files!r}, which leads out of the folder")
        known = {"folder", "before", "stem", *self.columns}
        if self.files.count("**") > 2 or not self.files.strip("/."):
            raise ValueError(f"files is {self.files!r}: no pattern, or more than two `**`")
        for key in ("name", "line"):
            try:
                known |= set(regex.compile(getattr(self, key)).groupindex)
            except (regex.error, RecursionError, OverflowError) as error:
                raise ValueError(f"{key} is no regular expression ({error})") from error
        if self.reader in ("kaldi", "grid"):
            return
        if not self.audio:
            raise ValueError("audio is missing: where the sound of an utterance lies")
        if self.reader != "sidecars" and "text" not in known:
            raise ValueError("nothing fills the text: name a group of `line` or a column `text`")
        for template in (*self.audio, self.utt, self.speaker):
            if holes := set(_PLACE.findall(template)) - known:
                raise ValueError(f"{template!r} uses {{{holes.pop()}}}, which nothing fills")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A descriptor. Everything but the licence, attribution and language concerns known corpora.

    addresses: where the archives are fetched, each a base to which `/<file>` is added. mirror: the
    folder inside a mirror in which they lie. folders: other names under which the unpacked folder
    is known (`*` stands for anything). packages: Debian's packages that hold it, in place of
    archives.
    """

    name: str = ""
    licence: str = ""
    attribution: str = ""
    language: str = "en"
    version: str = ""
    home: str = ""
    addresses: tuple[str, ...] = ()
    mirror: str = ""
    archives: dict[str, Archive] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    layout: Layout | None = None
    archive: dict = field(default_factory=dict)  # in a corpus.yaml: what the folder came from

    def __post_init__(self) -> None:
        for name in (*self.archives, *self.packages, *([self.mirror] if self.mirror else [])):
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a plain name")


@dataclass(frozen=True, slots=True)
class Found:
    """An utterance that a layout found; `fault` says what is wrong with it, then only `utt`,
    `text` and `where` mean something. language: "" if the layout does not say.
    words: a file of word times that belongs to it, see `read_word_times`.
    """

    utt: str
    speaker: str
    audio: Path
    text: str
    where: str
    language: str = ""
    words: Path | None = None
    fault: str = ""


def read_corpus(path: Path) -> Corpus:
    """A descriptor. Raises BadParams that names the file and the key."""
    return build(Corpus, read_yaml(path), f"{path}: corpus")


def read_corpora(directory: Path) -> dict[str, Corpus]:
    """Every descriptor of a directory by its file's stem, in the order of the names."""
    return {path.stem: read_corpus(path) for path in sorted(directory.glob("*.yaml"))}


def find_corpus(folder: Path, directory: Path) -> Corpus:
    """The descriptor of a folder: its own corpus.yaml, else the one of its name; else an empty one.

    A name is a file's stem in `directory` or one of a descriptor's `folders`.
    """
    for path in (folder / "corpus.yaml", directory / f"{folder.name}.yaml"):
        if path.is_file():
            return read_corpus(path)
    corpora = read_corpora(directory).values()
    return next(
        (one for one in corpora if any(fnmatchcase(folder.name, name) for name in one.folders)),
        Corpus(),
    )


def find_layout(folder: Path, corpus: Corpus, directory: Path) -> Layout | None:
    """The layout of a folder: the one that its descriptor names, else the one its files have."""
    if corpus.layout:
        return corpus.layout
    known = (other.layout for other in read_corpora(directory).values() if other.layout)
    return next((layout for layout in (TRANSCRIPTS, *known) if _fits(folder, layout)), None)


def read_layout(folder: Path, layout: Layout) -> Iterator[Found]:
    """The utterances of a folder, in the order of the files' names.

    One with a fault comes with its `fault`, and the others go on.
    """
    return READERS[layout.reader](folder, layout)


def describe_folder(corpus: Corpus, **archive: object) -> dict:
    """The contents of the corpus.yaml of an unpacked folder, which then needs nothing else.

    archive: what the folder came from (file, sum, size, address).
    """
    said = {
        key: getattr(corpus, key)
        for key in ("name", "version", "language", "licence", "attribution", "home")
    }
    layout = {}
    if corpus.layout:
        for key in Layout.__slots__:
            value = getattr(corpus.layout, key)
            if value:
                layout[key] = list(value) if isinstance(value, tuple) else value
    return {**said, **({"layout": layout} if layout else {}), "archive": archive}


def inside(folder: Path, name: str, where: str) -> Path:
    """`folder`/`name`. Raises BadManifest if it leads out of the folder, by itself or by a link.

    Links into the stores of DVC and git-annex may: there a file's name is the hash of its content.
    """
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise BadManifest(
            "a path leads out of its folder" if name else "a path is empty",
            where=where,
            remedy=f"write paths relative to the manifest, without `..`: {name!r}",
        )
    hidden = any(ord(letter) < 32 or ord(letter) == 127 for letter in name)
    if hidden or len(name) > 1000 or any(len(part.encode()) > 255 for part in Path(name).parts):
        raise BadManifest(
            "a path is too long or holds a control character",
            where=where,
            remedy=f"rename the file: {name[:80]!r}",
        )
    path = folder / name
    real = os.path.realpath(path) if path.exists() else ""
    if real and not real.startswith(_root(os.path.abspath(folder))) and not _STORED.search(real):
        raise BadManifest(
            "a link leads out of its folder",
            where=where,
            remedy=f"copy the file into the folder, or leave it out: {name!r}",
        )
    return path


@lru_cache(64)
def _root(folder: str) -> str:
    return os.path.join(os.path.realpath(folder), "")


def read_word_times(path: Path, samples: int) -> tuple[Segment, ...]:
    """The words of one of GRID's .align files, in samples at 16 kHz; silences are left out.

    Each line is `start end word` in units of 1/25000 s, and the last line ends where the sound
    does. samples: the length of the sound (16 kHz). Raises BadLabels that names the line; or the
    file, if its times are of another sound: they are those of the video's sound track, while the
    files of audio_25k are cut to the speech.
    """
    words, end = [], 0
    for number, line in read_lines(path):
        if line == "":
            continue
        where, cells = f"{path}:{number}", (line or "").split()
        if len(cells) != 3 or not all(re.fullmatch(r"[0-9]{1,10}", cell) for cell in cells[:2]):
            raise BadLabels("is not `start end word`", where=where, remedy="mend that line")
        start, last = (round(int(cell) * RATE / 25_000) for cell in cells[:2])
        if not end <= start < last:
            raise BadLabels("its times go backwards", where=where, remedy="mend that line")
        end = last
        if cells[2] not in ("sil", "sp"):
            words.append(Segment(cells[2], start, min(last, samples)))
    if abs(end - samples) > RATE // 10:
        raise BadLabels(
            f"its times end at {end / RATE:.2f} s, the sound at {samples / RATE:.2f} s",
            where=str(path),
            remedy="take the sound track of the video: docs/corpora.md says how",
        )
    return tuple(words)


def _read_lines(folder: Path, layout: Layout) -> Iterator[Found]:
    """Files of which each line is an utterance: LibriSpeech, LJ Speech, CMU ARCTIC."""
    pattern = regex.compile(layout.line)
    for path, values in _files(folder, layout):
        for number, line in read_lines(path):
            if line is not None and not line.strip():
                continue
            where = f"{path}:{number}"
            match = _match(pattern.fullmatch, line.strip(), where) if line else None
            if match:
                groups = {key: value or "" for key, value in match.groupdict().items()}
                yield _found(folder, layout, {**values, **groups}, where)
            else:
                yield _faulty(folder, where, "a line is not as its layout says", line)


def _read_sidecars(folder: Path, layout: Layout) -> Iterator[Found]:
    """A text file for each utterance: LibriTTS, VCTK."""
    for path, values in _files(folder, layout):
        try:
            text = read_text(path, BadManifest, most=LONGEST_LINE)
        except BadManifest:
            yield _faulty(folder, str(path), "a transcript is not UTF-8 text")
        else:
            yield _found(folder, layout, {**values, "text": " ".join(text.split())}, str(path))


def _read_columns(folder: Path, layout: Layout) -> Iterator[Found]:
    """Tab-separated tables whose first line names the columns: Common Voice."""
    for path, values in _files(folder, layout):
        lines = read_lines(path)
        header = (next(lines, (1, ""))[1] or "").split("\t")
        if missing := [column for column in layout.columns.values() if column not in header]:
            yield _faulty(folder, f"{path}:1", f"has no column {', '.join(missing)}")
            continue
        for number, line in lines:
            where, cells = f"{path}:{number}", (line or "").split("\t")
            if line == "":
                continue
            if len(cells) != len(header):
                yield _faulty(folder, where, "a row has more or fewer cells than the header", line)
                continue
            row = dict(zip(header, cells))
            named = {key: row[column] for key, column in layout.columns.items()}
            named["stem"] = PurePosixPath(named.get("file", "")).stem
            yield _found(folder, layout, {**values, **named}, where)


def _read_kaldi(folder: Path, layout: Layout) -> Iterator[Found]:
    """Kaldi's tables side by side: wav.scp, text, utt2spk. Paths count from their folder or the
    one above it. speechocean762."""
    for path, _ in _files(folder, layout):
        texts, speakers = (_pairs(path.with_name(name)) for name in ("text", "utt2spk"))
        for utt, (number, name) in _pairs(path).items():
            where = f"{path}:{number}"
            try:
                roots = [path.parent] + [path.parent.parent] * (path.parent != folder)
                audio = [inside(root, name, where) for root in roots]
            except BadManifest as error:
                yield _faulty(folder, where, error.what)
                continue
            if utt not in texts:
                yield _faulty(folder, where, "an utterance has no line in `text`")
                continue
            found = next((sound for sound in audio if sound.is_file()), audio[-1])
            speaker = speakers.get(utt, (0, "?"))[1]
            yield Found(utt, speaker, found, texts[utt][1], where)


_GRID = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(zip("z123456789", "zero one two three four five six seven eight nine".split())),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""The six letters of a GRID file's name and the words that they stand for (Cooke et al., 2006)."""


def _read_grid(folder: Path, layout: Layout) -> Iterator[Found]:
    """GRID: the name of the sound is the sentence; its .align file has the times of the words.

    In the published archive some speakers' .align folders bear another speaker's name. A speaker
    takes the folder that shares most of his file names, and none if that is fewer than half: two
    speakers share one in 64 by chance, the sentences being drawn from the same words.
    """
    times: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in sorted(folder.glob("**/*.align")):
        times[path.parent][path.stem] = path
    spoken: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path, values in _files(folder, layout):
        spoken[values["speaker"]].append((path, values["utt"]))
    for speaker, sounds in spoken.items():
        codes = {code for _, code in sounds}
        best = max(times.values(), key=lambda names: len(codes & names.keys()), default={})
        if 2 * len(codes & best.keys()) < min(len(codes), len(best)):
            best = {}
        for path, code in sounds:
            try:
                text = " ".join(words[letter] for words, letter in zip(_GRID, code, strict=True))
            except (KeyError, ValueError):
                yield _faulty(folder, str(path), "the name is not a sentence of GRID")
                continue
            yield Found(f"{speaker}_{code}", speaker, path, text, str(path), words=best.get(code))


def _read_matches(folder: Path, layout: Layout) -> Iterator[Found]:
    """Files in which every match of `line` is an utterance, if its sound is there: texts of which
    only some were recorded, in whatever the file says besides."""
    pattern = regex.compile(layout.line, regex.MULTILINE)
    for path, values in _files(folder, layout):
        try:
            text = read_text(path, BadManifest)
        except BadManifest as error:
            yield _faulty(folder, str(path), error.what)
            continue
        found = _match(lambda text, **most: [*pattern.finditer(text, **most)], text, str(path))
        number, counted = 1, 0
        for match in found:
            number += text.count("\n", counted, match.start())
            counted = match.start()
            groups = {
                key: " ".join((said or "").split()) for key, said in match.groupdict().items()
            }
            one = _found(folder, layout, {**values, **groups}, f"{path}:{number}")
            if one.fault or one.audio.is_file():
                yield one


READERS: Mapping[str, Callable[[Path, Layout], Iterator[Found]]] = {
    "lines": _read_lines,
    "sidecars": _read_sidecars,
    "columns": _read_columns,
    "kaldi": _read_kaldi,
    "grid": _read_grid,
    "matches": _read_matches,
}

TRANSCRIPTS = Layout(
    reader="lines",
    files="**/*.trans.txt",
    line=r"(?P<utt>(?P<speaker>[^-_\s]*)\S*)\s*(?P<text>.*)",
    audio=tuple(f"{{folder}}/{{utt}}.{kind}" for kind in "flac wav ogg mp3 opus aiff".split()),
)
"""LibriSpeech's layout, which any folder may have: `*.trans.txt` beside the sound."""


def _match(find: Callable, text: str, where: str) -> regex.Match | None:
    """What the layout's expression finds. Raises BadParams if it takes too long over it."""
    try:
        return find(text, timeout=_MATCH_SECONDS)
    except TimeoutError as error:
        raise BadParams(
            f"an expression of its layout takes more than {_MATCH_SECONDS:g} s",
            where=where,
            remedy="write `name` and `line` without a repetition within a repetition",
        ) from error


def _fits(folder: Path, layout: Layout) -> bool:
    return any(True for _ in _files(folder, layout))


def _files(folder: Path, layout: Layout) -> Iterator[tuple[Path, dict[str, str]]]:
    """The layout's files with what their paths say."""
    pattern = regex.compile(layout.name)
    for path in sorted(folder.glob(layout.files)):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and (match := _match(pattern.search, relative, str(path))):
            inside(folder, relative, str(path))
            yield (
                path,
                {
                    "folder": str(PurePosixPath(relative).parent),
                    "before": relative[: match.start()],
                    **match.groupdict(),
                },
            )


def _found(folder: Path, layout: Layout, values: dict[str, str], where: str) -> Found:
    try:
        paths = [inside(folder, _fill(template, values), where) for template in layout.audio]
    except BadManifest as error:
        return _faulty(folder, where, error.what, values.get("text"))
    return Found(
        _fill(layout.utt, values),
        _fill(layout.speaker, values),
        next((path for path in paths if path.is_file()), paths[0]),
        values["text"],
        where,
        values.get("language", ""),
    )


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], template)


def _faulty(folder: Path, where: str, fault: str, text: str | None = None) -> Found:
    name = where.removeprefix(f"{folder}/").replace(":", "-line-")
    return Found(name, "?", folder, text or "", f"{where}: {fault}", fault=fault)


def _pairs(path: Path) -> dict[str, tuple[int, str]]:
    """Lines of a name and what belongs to it, with their numbers; lines that are not UTF-8 are
    left out, so that the utterance is missed where it is looked up."""
    pairs = {}
    for number, line in read_lines(path):
        if cells := (line or "").split(maxsplit=1):
            pairs[cells[0]] = (number, cells[1].strip() if len(cells) > 1 else "")
    return pairs
