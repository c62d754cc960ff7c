"""A FAKE of the Montreal Forced Aligner 3, which pip cannot install: it aligns nothing.

It takes the command lines `version`, `align` and `train` with the options that 3.x has and no
others, reads the corpus, the dictionary and the configuration as MFA does, spreads the phones of
each text evenly over the sound, and writes the files that MFA writes. FAKE_MFA holds words that
make it misbehave (hang, crash, nothing, garbage); a text with `zzz` is one that it cannot align.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import soundfile
import yaml

MISBEHAVIOUR = os.environ.get("FAKE_MFA", "").split()


def main() -> int:
    """Status 2 for a command line that click would refuse, 1 for MFA's own errors."""
    parser = argparse.ArgumentParser(prog="mfa", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("version")
    for verb, places in (
        ("align", ("corpus_directory", "dictionary_path", "acoustic_model_path", "out")),
        ("train", ("corpus_directory", "dictionary_path", "output_model_path")),
    ):
        sub = verbs.add_parser(verb, allow_abbrev=False)
        for place in places:
            sub.add_argument(place)
        if verb == "train":
            sub.add_argument("--output_directory", dest="out")
        formats = ("long_textgrid", "short_textgrid", "json", "csv")
        sub.add_argument("--output_format", choices=formats, default="long_textgrid")
        sub.add_argument("-c", "--config_path")
        sub.add_argument("--g2p_model_path")
        sub.add_argument("-t", "--temporary_directory", required=True)
        sub.add_argument("-j", "--num_jobs", type=int)
        for flag in ("--clean", "--overwrite", "--single_speaker", "--quiet", "--verbose"):
            sub.add_argument(flag, action="store_true")
    args = parser.parse_args()
    if args.verb == "version":
        print("3.2.1")
        return 0
    return work(args)


def work(args: argparse.Namespace) -> int:
    """`mfa align` and `mfa train`."""
    dictionary = read_dictionary(find("dictionary", args.dictionary_path, ".dict"))
    if args.verb == "align":
        find("acoustic", args.acoustic_model_path, ".zip")
    if args.g2p_model_path:
        find("g2p", args.g2p_model_path, ".zip")
    if args.config_path:
        config = yaml.safe_load(Path(args.config_path).read_text("utf-8"))
        assert set(config) <= {"beam", "retry_beam"}, config
    assert args.output_format == "json", "this fake writes JSON only"
    print(" INFO     Setting up corpus information...", flush=True)
    if "hang" in MISBEHAVIOUR:
        time.sleep(600)
    if "crash" in MISBEHAVIOUR:
        print(" ERROR    There was an error in the run, please see the log.", file=sys.stderr)
        print("KaldiProcessingError: something broke", file=sys.stderr)
        return 1
    if args.verb == "train":
        Path(args.output_model_path).write_bytes(b"model")
    out, unaligned = Path(args.out), []
    for lab in sorted(Path(args.corpus_directory).glob("*/*.lab")):
        words = [w.strip(".,;:!?") for w in lab.read_text("utf-8").lower().split()]
        info = soundfile.info(lab.with_suffix(".wav"))
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16"), info
        if "zzz" in words:
            unaligned.append(f"{lab.stem}\t0.0\t{info.duration}\t{info.duration}\t{len(words)}")
        elif "nothing" not in MISBEHAVIOUR:
            write(out / lab.parent.name / f"{lab.stem}.json", words, dictionary, info.duration)
    if unaligned:
        out.mkdir(parents=True, exist_ok=True)
        lines = ["File\tBegin\tEnd\tDuration\tText length", *unaligned]
        (out / "unaligned.txt").write_text("\n".join(lines) + "\n", "utf-8")
    print(" INFO     Done! Everything took 0.1 seconds", flush=True)
    return 0


def find(kind: str, name: str, suffix: str) -> Path:
    """A model by its path or its name; ends like click's BadParameter if there is none."""
    path = Path(name)
    if path.suffix != suffix:
        root = Path(os.environ.get("MFA_ROOT_DIR", ""))
        path = root / "pretrained_models" / kind / f"{name}{suffix}"
    if not path.is_file():
        print(f'│ Could not find a model named "{name}" for {kind}. │', file=sys.stderr)
        sys.exit(2)
    return path


def read_dictionary(path: Path) -> dict[str, list[str]]:
    """word, perhaps probabilities, phones: separated by tabs."""
    lines = (line.split("\t") for line in path.read_text("utf-8").splitlines())
    return {cells[0]: cells[-1].split() for cells in lines}


def write(path: Path, words: list[str], dictionary: dict[str, list[str]], length: float) -> None:
    """MFA's JSON: seconds, silence left out, `spn` for a word without a pronunciation."""
    said = [(word, dictionary.get(word, ["spn"])) for word in words]
    count = sum(len(phones) for _, phones in said)
    step = (length - 0.2) / count
    tiers: dict[str, dict] = {n: {"type": "interval", "entries": []} for n in ("words", "phones")}
    at = 0
    for word, phones in said:
        start = round(0.1 + at * step, 2)
        for phone in phones:
            ends = [round(0.1 + n * step, 2) for n in (at, at + 1)]
            tiers["phones"]["entries"].append([*ends, phone])
            at += 1
        label = "<unk>" if phones == ["spn"] and "<unk>" in MISBEHAVIOUR else word
        tiers["words"]["entries"].append([start, round(0.1 + at * step, 2), label])
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"start": 0, "end": round(length, 6), "tiers": tiers}, indent=4)
    path.write_text("{" if "garbage" in MISBEHAVIOUR else content, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
