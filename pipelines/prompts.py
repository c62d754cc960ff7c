"""Stage `prompts`: the sentences that engines will speak, chosen to cover sounds evenly.

English sentences come from the built-in generator and from text files in datasets/prompts/texts;
those of other languages from datasets/prompts/sentences/<language>.txt, all of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from clips import BadManifest, BadText, files, replacing
from pipelines.engines import is_code
from pipelines.params import load_params
from pipelines.splits import Splits
from pipelines.stage import DATA, exit_with, seed
from pipelines.visemes import VisemesParams
from synth import Prompt, clean_text, find_engine
from synth.grammar import generate
from synth.prompts import BadLine, make_prompt, read_sentences, select
from visemes.inventory import load_inventory

FOLDER = DATA / "prompts"
CHOSEN = FOLDER / "chosen" / "prompts.tsv"
_COLUMNS = ["prompt_id", "language", "split", "text"]


@dataclass(frozen=True)
class PromptsParams:
    """The `prompts` block of params.yaml.

    count: English sentences to choose. candidates: sentences of the generator to choose from.
    max_words: longer sentences of text files are left out. languages: further languages whose
    sentence files are spoken.
    """

    count: int
    candidates: int
    max_words: int
    languages: tuple[str, ...]

    def __post_init__(self) -> None:
        for language in self.languages:
            if not is_code(language) or language == "en" or self.languages.count(language) > 1:
                raise ValueError(
                    f"languages: {language!r} is no code such as de, stands twice, or is English,"
                    " which is always spoken"
                )


def write_prompts(path: Path, prompts: list[Prompt]) -> None:
    """Prompts as a tab-separated table."""
    rows = [_COLUMNS, *([getattr(prompt, column) for column in _COLUMNS] for prompt in prompts)]
    with replacing(path) as temporary:
        temporary.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")


def read_prompts(path: Path) -> Iterator[Prompt]:
    """The prompts of a table. Raises BadManifest that names the file and the line."""
    for number, line in files.read_lines(path):
        where, row = f"{path}:{number}", (line or "").split("\t")
        if number == 1:
            if row != _COLUMNS:
                raise BadManifest("is no table of prompts", where=where, remedy="run `prompts`")
        elif line != "":
            if len(row) != len(_COLUMNS):
                what = "is not UTF-8 text" if line is None else f"has {len(row)} cells"
                raise BadManifest(what, where=where, remedy="run `prompts`")
            yield Prompt(**dict(zip(_COLUMNS, row)))


def run() -> None:
    """Writes datasets/prompts/chosen: the sentences, their coverage, and the lines left out."""
    params = load_params("prompts", PromptsParams)
    splits = load_params("splits", Splits)
    mouths = load_params("visemes", VisemesParams)
    inventory = load_inventory(mouths.inventory)
    shares = {"test": splits.test_sentences, "valid": splits.valid_sentences}
    texts = list(generate(params.candidates, seed()))
    left_out: list[BadLine] = []
    for path in sorted((FOLDER / "texts").glob("*.txt")):
        sentences, bad = read_sentences(path, max_words=params.max_words)
        texts += sentences
        left_out += bad
    selection = select(
        texts,
        params.count,
        phonemize=find_engine("espeak").phones_of,
        viseme_of={p: [v for v, _ in shapes] for p, shapes in inventory.phones.items()},
        **shares,
    )
    print(selection.coverage.table())
    prompts = list(selection.prompts)
    for language in params.languages:
        sentences, bad = read_lines(FOLDER / "sentences" / f"{language}.txt", language)
        left_out += bad
        prompts += [make_prompt(text, language, **shares) for text in sentences]
        print(f"{language}: {len(sentences)} sentences")
    left_out += selection.left_out
    for bad_line in left_out[:10]:
        print(f"left out: {bad_line.where}: {bad_line.reason}: {bad_line.text[:60]!r}")
    write_prompts(CHOSEN, prompts)
    summary = {"coverage": asdict(selection.coverage), "left_out": [asdict(b) for b in left_out]}
    with replacing(CHOSEN.with_name("coverage.json")) as temporary:
        temporary.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_lines(path: Path, language: str) -> tuple[list[str], list[BadLine]]:
    """The sentences of a file with one on each line, and the lines left out.

    Raises BadText if the file does not exist.
    """
    if not path.is_file():
        raise BadText(
            "does not exist",
            where=str(path),
            remedy="write it, one sentence a line, or take the language out of `prompts.languages`",
        )
    found: dict[str, None] = {}
    bad: list[BadLine] = []
    for number, raw in enumerate(path.read_bytes().split(b"\n"), 1):
        line = raw.decode("utf-8", "replace")
        try:
            if line.strip():
                found[clean_text(line, language)] = None
        except BadText as error:
            bad.append(BadLine(f"{path}:{number}", error.what, line))
    return list(found), bad


def main() -> None:
    """Command line: `python -m pipelines.prompts`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
