"""Which sentences are spoken: chosen so that pairs of sounds and of mouth shapes come evenly."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clips import SILENCE, BadParams, BadText, VisemillError
from clips.splits import plain_words, sentence_split
from synth.engine import Prompt
from synth.text import clean_text, split_sentences


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a text file, or a candidate, that was left out, and why."""

    where: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Cover:
    """How well one kind of pair is covered.

    covered, possible: different pairs among the chosen and among all candidates.
    evenness: entropy of the chosen pairs over the highest it could be with all possible pairs
    (0..1; 1 means that all come equally often). rarest: the five rarest pairs, with counts.
    """

    kind: str
    covered: int
    possible: int
    evenness: float
    rarest: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the chosen sentences hold. `baseline` is the same number of candidates by chance."""

    sentences: int
    words: int
    phones: int
    chosen: tuple[Cover, ...]
    baseline: tuple[Cover, ...]

    def table(self) -> str:
        """A table for people, one line for each kind of pair."""
        lines = [
            f"{self.sentences} sentences, {self.words} words, {self.phones} phones",
            f"{'pairs':20s} {'covered':>12s} {'evenness':>9s} {'by chance':>12s} {'evenness':>9s}"
            "  rarest",
        ]
        for cover, chance in zip(self.chosen, self.baseline):
            rarest = " ".join(f"{pair}:{count}" for pair, count in cover.rarest)
            lines.append(
                f"{cover.kind:20s} {cover.covered:5d} / {cover.possible:4d} {cover.evenness:9.3f}"
                f" {chance.covered:5d} / {chance.possible:4d} {chance.evenness:9.3f}  {rarest}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen prompts in order of choice (the first n are a good choice of n), and the rest."""

    prompts: tuple[Prompt, ...]
    coverage: Coverage
    left_out: tuple[BadLine, ...]


def make_prompt(text: str, language: str, test: float, valid: float) -> Prompt:
    """The prompt of a clean text; its id and its part depend on the text alone."""
    digest = hashlib.blake2b(f"{language}\x1f{text}".encode(), digest_size=6).hexdigest()
    return Prompt(f"{language}-{digest}", text, language, sentence_split(text, test, valid))


def read_sentences(
    path: str | Path, *, language: str = "en", min_words: int = 2, max_words: int = 20
) -> tuple[list[str], list[BadLine]]:
    """The sentences of a UTF-8 text file, cleaned, without repeats; and the lines left out.

    A paragraph may run over lines; a blank line ends it. A byte that is not UTF-8, another script,
    a sentence that is too short or too long: left out, with file, line and reason.
    Raises BadText if the file cannot be read.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadText(
            f"cannot be read ({error.strerror})", where=str(path), remedy="check the path"
        ) from error
    found: dict[str, str] = {}
    bad: list[BadLine] = []
    paragraph: list[str] = []
    start = 0

    def close() -> None:
        for sentence in split_sentences(" ".join(" ".join(paragraph).split())):
            where = f"{path}:{start}"
            try:
                cleaned = clean_text(sentence, language)
            except BadText as error:
                bad.append(BadLine(where, error.what, sentence))
                continue
            count = len(plain_words(cleaned).split())
            if not min_words <= count <= max_words:
                reason = f"has {count} words, not {min_words}-{max_words}"
                bad.append(BadLine(where, reason, sentence))
            else:
                found.setdefault(plain_words(cleaned), cleaned)
        paragraph.clear()

    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError:
            bad.append(BadLine(f"{path}:{number}", "is not UTF-8", line.decode("latin-1")))
            text = ""
        control = next((c for c in text if unicodedata.category(c) == "Cc" and c != "\t"), None)
        if control:
            reason = f"holds the control character U+{ord(control):04X}"
            bad.append(BadLine(f"{path}:{number}", reason, text))
            text = ""
        if not text:
            close()
            continue
        start = start if paragraph else number
        paragraph.append(text)
    close()
    return list(found.values()), bad


def select(
    texts: Iterable[str],
    count: int,
    *,
    phonemize: Callable[[str], Sequence[str]],
    viseme_of: Mapping[str, str | Sequence[str]],
    language: str = "en",
    test: float = 0.1,
    valid: float = 0.05,
) -> Selection:
    """At most `count` of the texts, chosen greedily for an even cover.

    phonemize: the phones of a text (ARPAbet). viseme_of: each phone's mouth shape or shapes.
    Every pair of phones (diphones, with SIL at both ends) and every change of mouth shape counts
    1 / (1 + how often it was chosen already); the next sentence is the one with the highest mean
    over its pairs. test, valid: shares of sentences that are held out, by a hash of the text.
    Texts that cannot be spoken are left out and listed. Raises BadParams for a phone without shape.
    """
    if count < 1:
        raise BadParams(f"count is {count}", where="prompts", remedy="ask for at least 1 sentence")
    prompts: list[Prompt] = []
    pairs: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]] = []
    left_out: list[BadLine] = []
    seen: set[str] = set()
    for number, raw in enumerate(texts, 1):
        try:
            text = clean_text(raw, language)
            same = plain_words(text)
            if same in seen:
                continue
            phones = [SILENCE, *phonemize(text), SILENCE]
        except VisemillError as error:
            if isinstance(error, BadParams):
                raise
            left_out.append(BadLine(f"candidate {number}", error.what, raw))
            continue
        seen.add(same)
        prompts.append(make_prompt(text, language, test, valid))
        pairs.append((list(itertools.pairwise(phones)), _changes(phones, viseme_of)))
    if not prompts:
        raise BadText("no candidate can be spoken", where="prompts", remedy="give other texts")
    order = _choose(pairs, count, [prompt.prompt_id for prompt in prompts])
    chosen = tuple(prompts[n] for n in order)
    by_chance = sorted(range(len(prompts)), key=lambda n: prompts[n].prompt_id)[: len(order)]
    coverage = Coverage(
        sentences=len(chosen),
        words=sum(len(plain_words(prompt.text).split()) for prompt in chosen),
        phones=sum(len(pairs[n][0]) - 1 for n in order),
        chosen=_covers(pairs, order),
        baseline=_covers(pairs, by_chance),
    )
    return Selection(chosen, coverage, tuple(left_out))


def _changes(
    phones: Sequence[str], viseme_of: Mapping[str, str | Sequence[str]]
) -> list[tuple[str, str]]:
    shapes: list[str] = []
    for phone in phones:
        if phone not in viseme_of:
            raise BadParams(
                f"no mouth shape for the phone {phone!r}",
                where="viseme_of",
                remedy="add it to the inventory",
            )
        shape = viseme_of[phone]
        shapes += [shape] if isinstance(shape, str) else shape
    return [(a, b) for a, b in itertools.pairwise(shapes) if a != b]


def _choose(pairs: Sequence[tuple[list, list]], count: int, ids: Sequence[str]) -> list[int]:
    """Lazy greedy: gains only fall as sentences are chosen, so an old gain is an upper bound."""
    numbers: dict[tuple, int] = {}
    units = []
    for diphones, changes in pairs:
        mine = [("d", *pair) for pair in diphones] + [("v", *pair) for pair in changes]
        units.append(np.array([numbers.setdefault(u, len(numbers)) for u in mine], dtype=np.int32))
    counts = np.zeros(len(numbers))
    weights = np.ones(len(numbers))
    heap = [(-1.0, ids[n], n, -1) for n in range(len(units))]
    heapq.heapify(heap)
    order: list[int] = []
    while heap and len(order) < count:
        _, name, n, when = heapq.heappop(heap)
        if when == len(order):
            order.append(n)
            np.add.at(counts, units[n], 1)
            weights[units[n]] = 1 / (1 + counts[units[n]])
            continue
        gain = float(weights[units[n]].mean())
        heapq.heappush(heap, (-gain, name, n, len(order)))
    return order


def _covers(pairs: Sequence[tuple[list, list]], order: Sequence[int]) -> tuple[Cover, ...]:
    covers = []
    for place, kind in enumerate(("diphones", "viseme transitions")):
        possible = {pair for units in pairs for pair in units[place]}
        counts = Counter(pair for n in order for pair in pairs[n][place])
        total = sum(counts.values())
        entropy = -sum(c / total * math.log(c / total) for c in counts.values())
        rarest = sorted((counts[pair], "-".join(pair)) for pair in possible)[:5]
        covers.append(
            Cover(
                kind,
                len(counts),
                len(possible),
                entropy / math.log(len(possible)) if len(possible) > 1 else 1.0,
                tuple((name, number) for number, name in rarest),
            )
        )
    return tuple(covers)
