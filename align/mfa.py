"""Forced alignment by the Montreal Forced Aligner 3, a program in an environment of its own.

MFA aligns a corpus at once and adapts to each speaker, so clips go to it together (`align_all`).
It is found as VISEMILL_MFA, as `mfa` on the PATH, or in micromamba's environment `mfa`. What is
passed to it and read back is what its release 3.x takes and writes (its documentation and source);
it could not be installed where this was written, so the tests run a fake in its place.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import soundfile

from align.aligner import Aligner
from align.confidence import confidence
from align.heard import evidence
from align.text import spoken_words
from clips import (
    RATE,
    SILENCE,
    BadAudio,
    BadInput,
    BadText,
    Clip,
    EngineFailed,
    EngineMissing,
    Op,
    Segment,
    VisemillError,
    merge_equal,
    tile,
)
from clips.arpabet import ARPABET

PROGRAM = "VISEMILL_MFA"
"""The environment variable that names the program, a path."""

MODELS: Mapping[str, tuple[str, str]] = {
    "en": ("english_us_arpa", "english_us_arpa"),
    "bg": ("bulgarian_mfa", "bulgarian_mfa"),
    "cs": ("czech_mfa", "czech_mfa"),
    "de": ("german_mfa", "german_mfa"),
    "es": ("spanish_mfa", "spanish_spain_mfa"),
    "fr": ("french_mfa", "french_mfa"),
    "hr": ("croatian_mfa", "croatian_mfa"),
    "pl": ("polish_mfa", "polish_mfa"),
    "pt": ("portuguese_mfa", "portuguese_brazil_mfa"),
    "ru": ("russian_mfa", "russian_mfa"),
    "sv": ("swedish_mfa", "swedish_mfa"),
    "tr": ("turkish_mfa", "turkish_mfa"),
    "uk": ("ukrainian_mfa", "ukrainian_mfa"),
}
"""Acoustic model and dictionary of each language, by the names that `mfa model download` takes."""

BEAM, RETRY_BEAM = 10, 400
"""Beams of the first and the second try. MFA's own second is 40: what it gives up on then is often
sound with a little noise, and whether an alignment is right is judged here anyway."""

HEARD_SCORE = 0.7
"""The highest score of a phone. Measured on every 7th utterance of speechocean762, aligned by
PocketSphinx, with the limits of align.confidence: 83 % of the wrong texts that found a path and 4 %
of the right ones are rejected, 94 and 7 % where the speaker is known; with PocketSphinx's own
scores 82 and 2 %, 94 and 7 %. Whether it is as good on MFA's boundaries has not been measured."""

_SHORTEST = 1600  # samples (100 ms): MFA leaves shorter utterances alone
_SUFFIXES = (".dict", ".txt", ".yaml", ".zip")  # of models that are named by their path
_UNKNOWN = frozenset({"spn", "<unk>"})  # what MFA writes for a word without a pronunciation
_SILENT = frozenset({"", "sil", "sp", "<eps>"})
_START_SECONDS = 900.0  # to start, load models and prepare, besides the time for each second
_ALIGN_FACTOR, _TRAIN_FACTOR = 5.0, 60.0  # seconds allowed for each second of sound; 20 × usual
_ASK_SECONDS = 120.0  # to say its version: micromamba and a cold disk are slow

ToArpabet = Callable[[str, str], Sequence[tuple[str, str, float]]]
"""Gives the phones of an IPA sign in a language: (ARPAbet, its own IPA, share of the time)."""

Hear = Callable[[Clip], Sequence[Segment]]
"""Gives the phones (ARPAbet, SIL) that a recognizer hears in a clip without knowing its text."""


@dataclass(frozen=True, slots=True)
class _Models:
    """What MFA is told to use, and what the Op says of it."""

    acoustic: str
    dictionary: str
    versions: tuple[str, ...]


class Mfa(Aligner):
    """Every language for which MFA's models have been downloaded (MODELS), or that it is to learn.

    to_arpabet: the phones of IPA signs; models with ARPAbet do not need it. hear: MFA gives no
    score for a phone, so the phones that were heard are compared with the text; without it scores
    stay empty and no confidence can be told. acoustic, dictionary, g2p: names of downloaded models
    or paths, instead of those of MODELS; g2p gives pronunciations for words that the dictionary
    lacks. train: learn the acoustic model from the clips themselves (`mfa train`), which takes an
    hour of speech or more. jobs: MFA's own processes. say: is told each line of its progress.

    `align_all` of several clips and `align` of each may differ a little: MFA adapts to a speaker by
    all of the speaker's clips.
    """

    name = "mfa"
    languages = tuple(MODELS)
    together = True
    install_line = "micromamba create -n mfa -c conda-forge montreal-forced-aligner=3"

    def __init__(
        self,
        to_arpabet: ToArpabet | None = None,
        hear: Hear | None = None,
        *,
        acoustic: str = "",
        dictionary: str = "",
        g2p: str = "",
        train: bool = False,
        jobs: int = 1,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.to_arpabet = to_arpabet
        self.hear = hear
        self.acoustic, self.dictionary, self.g2p = map(_absolute, (acoustic, dictionary, g2p))
        self.train = train
        self.jobs = jobs
        self.say = say or _say
        self._version: str | None = None

    def version(self) -> str | None:
        """What `mfa version` says, or None if there is no such program."""
        if self._version is None and (command := find_program()):
            try:
                result = subprocess.run(
                    [*command, "version"],
                    capture_output=True,
                    text=True,
                    errors="replace",
                    stdin=subprocess.DEVNULL,
                    timeout=_ASK_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                return None
            found = re.findall(r"^\s*(\d+\.\d+\S*)\s*$", result.stdout, re.MULTILINE)
            self._version = found[-1] if result.returncode == 0 and found else None
        return self._version

    def speaks(self, language: str) -> bool:
        """See Aligner.speaks; with models of the user's own, every language."""
        own = self.dictionary and (self.acoustic or self.train)
        return bool(own) or super().speaks(language)

    def align(self, clip: Clip) -> Clip:
        """See Aligner.align. It costs MFA's start, most of a minute: use `align_all` for many."""
        [result] = self.align_all([clip])
        if isinstance(result, VisemillError):
            raise result
        return result

    def align_all(self, clips: Iterable[Clip]) -> Iterator[Clip | VisemillError]:
        """For each clip, in their order, what `align` gives or raises: one run for each language.

        A run that fails or takes too long fails for each of its clips.
        Raises EngineMissing if the program or a model is not there.
        """
        clips = list(clips)
        results: dict[int, Clip | VisemillError] = {}
        texts: dict[str, dict[int, str]] = defaultdict(dict)
        for number, clip in enumerate(clips):
            try:
                texts[_base(clip.language)][number] = self._transcript(clip)
            except VisemillError as error:
                results[number] = error
        for language, transcripts in texts.items():
            if transcripts:
                chosen = {number: clips[number] for number in transcripts}
                results.update(self._run(language, chosen, transcripts))
        yield from (results[number] for number in range(len(clips)))

    def _transcript(self, clip: Clip) -> str:
        """What MFA is given to read. Raises BadText, BadAudio."""
        where = f"clip {clip.clip_id}"
        if not self.speaks(clip.language):
            raise BadText(
                f"the language is {clip.language!r}; no model of mfa is known for it",
                where=where,
                remedy=f"known: {', '.join(MODELS)}; or name a dictionary and a model of your own",
            )
        if len(clip) < _SHORTEST:
            raise BadAudio(
                f"{clip.seconds:.3f} s are too short to align",
                where=where,
                remedy="leave the clip out",
            )
        if _base(clip.language) == "en":
            return " ".join(spoken_words(clip.text))
        text = " ".join(unicodedata.normalize("NFC", clip.text).split())
        if not any(character.isalpha() for character in text):
            raise BadText("holds no words", where=where, remedy="write what the speaker says")
        return text

    def _run(
        self, language: str, clips: Mapping[int, Clip], texts: Mapping[int, str]
    ) -> Iterator[tuple[int, Clip | VisemillError]]:
        command, version = find_program(), self.version()
        if not command or version is None:
            raise EngineMissing(
                "the Montreal Forced Aligner is not installed",
                remedy=f"{self.install_line}; or set {PROGRAM} to the path of its program `mfa`",
            )
        if not version.startswith("3."):
            raise EngineMissing(
                f"mfa {version} has other commands than release 3, which this program knows",
                remedy=self.install_line,
            )
        models = self._find_models(language)
        with tempfile.TemporaryDirectory(prefix="visemill-mfa-") as name:
            folder = Path(name)
            stems = _write_corpus(folder / "corpus", clips, texts)
            try:
                self._call([*command, *self._arguments(folder, models)], folder, clips.values())
            except EngineFailed as error:
                yield from ((number, error) for number in clips)
                return
            unaligned = _read_unaligned(folder / "out")
            for number, clip in clips.items():
                try:
                    found = _read_output(folder / "out", stems[number], unaligned, clip)
                    yield number, self._labelled(clip, found, version, models)
                except VisemillError as error:
                    yield number, error

    def _find_models(self, language: str) -> _Models:
        """Raises EngineMissing that says how to get a model that is not there."""
        acoustic, dictionary = MODELS.get(language, ("", ""))
        acoustic, dictionary = self.acoustic or acoustic, self.dictionary or dictionary
        wanted = [("dictionary", dictionary)]
        wanted += [] if self.train else [("acoustic", acoustic)]
        wanted += [("g2p", self.g2p)] if self.g2p else []
        versions = [_model_version(kind, model) for kind, model in wanted]
        versions += ["acoustic model trained on these clips"] if self.train else []
        return _Models(acoustic, dictionary, tuple(versions))

    def _arguments(self, folder: Path, models: _Models) -> list[str]:
        """The command line, as release 3.x takes it. Beams have no option of their own."""
        config = folder / "config.yaml"
        config.write_text(f"beam: {BEAM}\nretry_beam: {RETRY_BEAM}\n", "utf-8")
        corpus, out = str(folder / "corpus"), str(folder / "out")
        if self.train:
            places = ["train", corpus, models.dictionary, str(folder / "trained.zip")]
            places += ["--output_directory", out]
        else:
            places = ["align", corpus, models.dictionary, models.acoustic, out]
            places += ["--config_path", str(config)]
        return [
            *places,
            *(["--g2p_model_path", self.g2p] if self.g2p else []),
            "--output_format", "json",
            "--temporary_directory", str(folder / "work"),
            "--num_jobs", str(self.jobs),
            "--clean",
            "--overwrite",
        ]  # fmt: skip

    def _call(self, command: list[str], folder: Path, clips: Iterable[Clip]) -> None:
        """Runs MFA and passes its progress on; ends all its processes after the time limit."""
        factor = _TRAIN_FACTOR if self.train else _ALIGN_FACTOR
        limit = _START_SECONDS + factor * sum(clip.seconds for clip in clips)
        tail: list[str] = []
        late = threading.Event()
        # Plain lines, wide enough that no path is broken in two.
        environment = {**os.environ, "COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb"}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that its workers can be ended with it
        )

        def end_late() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(limit, end_late)
        timer.start()
        try:
            for line in process.stdout:
                line = " ".join(line.strip(" │╭╰─╮╯\r\n").split())
                if line:
                    tail = [*tail[-39:], line]
                if line.startswith(("INFO", "WARNING")):
                    self.say(line.partition(" ")[2])
            status = process.wait()
        finally:
            timer.cancel()
            _end(process)
            process.stdout.close()
        if late.is_set():
            raise EngineFailed(
                f"mfa took longer than {limit:.0f} s and was ended",
                where=" ".join(tail[-1:]),
                remedy="align fewer clips at a time, or look for recordings that are very long",
            )
        if status != 0:
            raise _failure(status, tail)

    def _labelled(
        self, clip: Clip, found: Mapping[str, list[Segment]], version: str, models: _Models
    ) -> Clip:
        words = [word for word in found["words"] if word.label not in _SILENT]
        phones, signs = self._phones(clip, found["phones"], words)
        op = Op.of("align", aligner=self.name, version=version, models=list(models.versions))
        aligned = clip.with_(
            words=tuple(words),
            phones=phones,
            ipa=signs,
            visemes=(),
            timing="aligned",
            ops=(*clip.ops, op),
        )
        if self.hear:
            aligned = score_by_hearing(aligned, self.hear(clip))
        return aligned.with_scores(**confidence(aligned)).validate()

    def _phones(
        self, clip: Clip, found: Sequence[Segment], words: Sequence[Segment]
    ) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
        """ARPAbet that tiles the clip, and IPA beside it if the model has it."""
        where = f"clip {clip.clip_id}"
        if any(phone.label in _UNKNOWN for phone in found):
            named = [
                word.label
                for word in words
                for phone in found
                if phone.label in _UNKNOWN and word.start <= phone.start < word.end
            ]
            raise BadText(
                f"mfa's dictionary does not have: {', '.join(sorted(set(named))) or 'a word'}",
                where=where,
                remedy="mend the spelling, add the word to the dictionary, or name a `g2p` model",
            )
        segments: list[Segment] = []
        signs: dict[int, str] = {}
        for phone in found:
            plain = re.sub(r"\d$", "", phone.label)
            if phone.label in _SILENT:
                continue
            if plain in ARPABET:
                segments.append(replace(phone, label=plain))
                continue
            if self.to_arpabet is None:
                raise EngineFailed(
                    f"mfa gave the phone {phone.label!r}, which is not ARPAbet",
                    where=where,
                    remedy="use a model with ARPAbet, or give the aligner a `to_arpabet` function",
                )
            for part, sign in _split(phone, self.to_arpabet(plain_ipa(plain), clip.language)):
                signs[part.start] = sign
                segments.append(part)
        if not segments:
            raise EngineFailed(
                "mfa gave an empty alignment",
                where=where,
                remedy="check that the text is what is said",
            )
        phones = merge_equal(tile(segments, len(clip), filler=SILENCE), only=SILENCE)
        ipa = tuple(signs.get(phone.start, "") for phone in phones) if signs else ()
        return phones, ipa


def find_program() -> list[str] | None:
    """The command that runs MFA, or None if it is nowhere.

    Raises BadInput if VISEMILL_MFA names no program.
    """
    if wanted := os.environ.get(PROGRAM):
        if found := shutil.which(wanted):
            return [found]
        raise BadInput(
            f"is {wanted!r}, which is not a program",
            where=PROGRAM,
            remedy="set it to the path of `mfa` in its environment, or unset it",
        )
    if found := shutil.which("mfa"):
        return [found]
    micromamba = shutil.which("micromamba")
    return [micromamba, "run", "-n", "mfa", "mfa"] if micromamba else None


def plain_ipa(sign: str) -> str:
    """A sign of MFA's IPA sets as other tables write it.

    MFA writes the ends of diphthongs as j and w, and breath after stops, which the mouth does not
    show.

    >>> plain_ipa("aj"), plain_ipa("pʰ"), plain_ipa("kʷ"), plain_ipa("j")
    ('aɪ', 'p', 'kʷ', 'j')
    """
    sign = unicodedata.normalize("NFC", sign).replace("ʰ", "")
    if len(sign) > 1 and sign[-1] in "jw":
        return sign[:-1] + {"j": "ɪ", "w": "ʊ"}[sign[-1]]
    return sign


def score_by_hearing(clip: Clip, heard: Sequence[Segment]) -> Clip:
    """The clip with a score for each phone and `align_heard`, from phones heard without the text.

    A phone's score is HEARD_SCORE times the logistic of its evidence (align.heard, nats); SIL has
    none.
    """
    phones = []
    for phone in clip.phones:
        if phone.label != SILENCE:
            nats = evidence([phone], heard)
            phone = replace(phone, score=round(HEARD_SCORE / (1 + math.exp(-nats)), 4))
        phones.append(phone)
    return clip.with_(phones=tuple(phones)).with_scores(align_heard=evidence(phones, heard))


def _base(language: str) -> str:
    return language.lower().replace("_", "-").split("-")[0]


def _write_corpus(
    folder: Path, clips: Mapping[int, Clip], texts: Mapping[int, str]
) -> dict[int, str]:
    """The clips as MFA wants them: a folder for each speaker, a .wav and a .lab for each clip.

    Gives each clip's path in the corpus without the suffix. Names are numbers, whatever the ids.
    """
    speakers: dict[str, str] = {}
    stems = {}
    for number, clip in clips.items():
        speaker = speakers.setdefault(clip.speaker, f"speaker{len(speakers):06d}")
        (folder / speaker).mkdir(parents=True, exist_ok=True)
        stems[number] = f"{speaker}/clip{number:06d}"
        soundfile.write(folder / f"{stems[number]}.wav", clip.audio, RATE, subtype="PCM_16")
        (folder / f"{stems[number]}.lab").write_text(texts[number] + "\n", "utf-8")
    return stems


def _read_output(
    out: Path, stem: str, unaligned: Mapping[str, str], clip: Clip
) -> dict[str, list[Segment]]:
    """The tiers `words` and `phones` that MFA wrote for a clip; labels that are left out are gaps.

    Raises EngineFailed if it wrote none, or something that is no alignment.
    """
    path = out / f"{stem}.json"
    where = f"clip {clip.clip_id}"
    if not path.is_file():
        reason = unaligned.get(Path(stem).name)
        raise EngineFailed(
            "mfa found no path through the sound that fits the text"
            if reason is not None
            else "mfa gave no alignment and no reason",
            where=f"{where} ({reason})" if reason else where,
            remedy="check that the text is what is said, all of it and nothing else",
        )
    try:
        tiers = json.loads(path.read_text("utf-8"))["tiers"]
        return {name: _segments(tiers[name]["entries"], len(clip)) for name in ("words", "phones")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineFailed(
            f"mfa wrote what cannot be read as an alignment ({error!r})",
            where=where,
            remedy=f"this program knows MFA 3; to get that: {Mfa.install_line}",
        ) from error


def _segments(entries: Iterable[Sequence[Any]], length: int) -> list[Segment]:
    """Intervals in seconds as segments; rounded, in order, within the clip and apart."""
    found: list[Segment] = []
    for start, end, label in sorted(entries, key=lambda entry: float(entry[0])):
        first = max(round(float(start) * RATE), found[-1].end if found else 0)
        last = min(round(float(end) * RATE), length)
        if last > first:
            found.append(Segment(str(label), first, last))
    return found


def _read_unaligned(out: Path) -> dict[str, str]:
    """Clips that MFA gave up on, with what it says of them: `unaligned.txt`, a line for each."""
    reasons: dict[str, str] = {}
    for name in ("unaligned.txt", "output_errors.txt"):
        path = out / name
        if path.is_file():
            for line in path.read_text("utf-8", "replace").splitlines():
                clip, _, rest = line.strip().partition("\t" if "\t" in line else " ")
                reasons.setdefault(clip.rstrip(":"), " ".join(rest.split()))
    return reasons


def _split(
    phone: Segment, parts: Sequence[tuple[str, str, float]]
) -> Iterator[tuple[Segment, str]]:
    """The parts of a phone by their shares of its time; a part without a sample is left out."""
    share, start = 0.0, phone.start
    for label, sign, part in parts:
        share += part
        end = phone.start + round(phone.samples * min(share, 1.0))
        if end > start:
            yield Segment(label, start, end), sign
        start = end


def _absolute(model: str) -> str:
    """A path as seen from anywhere; a name as it is."""
    return str(Path(model).resolve()) if Path(model).suffix in _SUFFIXES else model


def _model_version(kind: str, model: str) -> str:
    """`kind name version hash` of a model. Raises EngineMissing with the line that gets it."""
    path = Path(model)
    if path.suffix not in _SUFFIXES:
        root = Path(os.environ.get("MFA_ROOT_DIR") or Path.home() / "Documents" / "MFA")
        suffix = ".dict" if kind == "dictionary" else ".zip"
        path = root / "pretrained_models" / kind / f"{model}{suffix}"
    if not path.is_file():
        raise EngineMissing(
            f"mfa's {kind} model {model} is not there",
            where=str(path),
            remedy=f"mfa model download {kind} {model}   (in mfa's environment, with a network;"
            " models kept elsewhere are found through MFA_ROOT_DIR)",
        )
    digest = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    return " ".join(filter(None, (kind, path.stem, _stated_version(path), digest)))


def _stated_version(path: Path) -> str:
    """The version in a model's meta.json, or nothing: dictionaries have none."""
    with suppress(OSError, ValueError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if Path(name).name == "meta.json":
                return str(json.loads(archive.read(name)).get("version", ""))
    return ""


def _end(process: subprocess.Popen) -> None:
    """Ends the program and every process that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failure(status: int, tail: Sequence[str]) -> VisemillError:
    """The error that MFA's last lines tell of."""
    text = " ".join(tail)
    if missing := re.search(r'Could not find a model named "?(\S+?)"? for (\w+)', text):
        model, kind = missing.groups()
        return EngineMissing(
            f"mfa's {kind} model {model} is not there",
            remedy=f"mfa model download {kind} {model}   (in mfa's environment, with a network)",
        )
    said = next((line for line in reversed(tail) if re.search(r"\w*Error\b", line)), "")
    after = tail[tail.index(said) :] if said else tail[-3:]
    return EngineFailed(
        f"mfa ended with status {status}",
        where=" ".join(after)[:400],
        remedy="run `mfa validate` on these recordings, or choose another aligner",
    )


def _say(line: str) -> None:
    print(f"mfa: {line}", file=sys.stderr, flush=True)


ALIGNER = Mfa
