"""How far labels land that were carried from one speaker to another, and how fast.

    python benchmarks/transfer.py [--truth FOLDER] [--same FOLDER] [--every N]

FOLDER of --truth has hand labels (default ../shared/speech/emodb): every ordered pair of different
speakers with the same text, by what the recordings' names say of them, is compared with the labels
of its own; so are several donors at once, and how many pairs with texts that differ are dropped.
FOLDER of --same has many people saying one English sentence (default ../shared/speech/vctk_023):
pocketsphinx's labels, those of synthetic voices, and the way there and back.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from itertools import permutations
from pathlib import Path

import numpy as np

from align.measure import BoundaryErrors, compare, total
from align.transfer import TransferLimits, transfer, transfer_from
from clips import Clip, EngineFailed, read_audio, to_grid
from clips.splits import plain_words
from pipelines.aligners import ready_aligner
from pipelines.recordings import read_folder
from pipelines.stage import DATA
from pipelines.truth import TruthClip, read_truth
from synth import Prompt, find_engine
from visemes.inventory import load_inventory

ANY = TransferLimits(max_cost=9.0, max_tempo=9.0, min_silence=0.0)


def main() -> None:
    """Prints one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path, default=Path("../shared/speech/emodb"))
    parser.add_argument("--same", type=Path, default=Path("../shared/speech/vctk_023"))
    parser.add_argument("--every", type=int, default=1, help="measure every N-th pair only")
    args = parser.parse_args()
    for folder, measure in ((args.truth, measure_truth), (args.same, measure_same)):
        if folder.is_dir():
            measure(folder, args.every)
        else:
            print(f"{folder}: not there, left out")


def measure_truth(folder: Path, every: int) -> None:
    """Pairs of hand-labelled recordings."""
    truths = read_truth(folder, load_inventory("cherry12"))
    donors = [t for t in truths if all(u.end >= len(t.clip) for u in t.unknown)]
    by_group: dict[str, list[BoundaryErrors]] = defaultdict(list)
    kept, dropped, wrong = [], [], []
    seconds, began = 0.0, time.process_time()
    pairs = [(a, b) for a in donors for b in truths if _strangers(a, b)]
    for a, b in [pair for pair in pairs if _same_text(*pair)][::every]:
        carried = transfer(a.clip, b.clip, ANY)
        seconds += b.clip.seconds
        errors = compare(b.clip.phones, carried.phones)
        by_group[f"{a.group} to {b.group}"].append(errors)
        (kept if _believed(carried) else dropped).append(errors)
    speed = seconds / (time.process_time() - began)
    for group, errors in sorted(by_group.items()):
        _say(f"{folder.name}, {group}", errors)
    _say(f"{folder.name}, pairs kept", kept)
    _say(f"{folder.name}, pairs dropped", dropped)
    print(f"{folder.name}: {speed:.0f} x real time (processor time) for a pair")
    for a, b in [pair for pair in pairs if not _same_text(*pair)][:: 20 * every]:
        carried = transfer_or_none(a.clip.with_(text=b.clip.text), b.clip)
        wrong.append(carried is not None and _believed(carried))
    print(f"{folder.name}: {1 - np.mean(wrong):.1%} of {len(wrong)} wrong texts are dropped")
    several = defaultdict(list)
    for b in truths[::every]:
        near = sorted(
            (a.clip for a in donors if _strangers(a, b) and _same_text(a, b)),
            key=lambda clip: abs(np.log(len(clip) / len(b.clip))),
        )
        if len(near) >= 3:
            carried = transfer_from(near[:5], b.clip, ANY)
            several[b.group].append(compare(b.clip.phones, carried.phones))
    for group, errors in sorted(several.items()):
        _say(f"{folder.name}, 3 to 5 donors to {group}", errors)


def measure_same(folder: Path, every: int) -> None:
    """One sentence by many people, without hand labels."""
    aligner = ready_aligner("pocketsphinx")
    people = []
    for recording in read_folder(folder, DATA / "corpora"):
        clip = Clip(
            clip_id=recording.utt,
            audio=to_grid(read_audio(recording.audio)),
            text=recording.text,
            language="en",
            speaker=recording.speaker,
            source=folder.name,
            licence="see the corpus",
            attribution="",
        )
        people.append((clip, aligner.align(clip)))
    direct, back, kept = [], [], 0
    for (_, donor), (clip, aligned) in list(permutations(people, 2))[::every]:
        there = transfer(donor, clip, ANY)
        kept += _believed(there)
        direct.append(compare(aligned.phones, there.phones))
        back.append(compare(donor.phones, transfer(there, donor, ANY).phones))
    _say(f"{folder.name}, from one to another, beside pocketsphinx", direct)
    print(f"{folder.name}: {kept} of {len(direct)} pairs are kept")
    _say(f"{folder.name}, there and back", back)
    others = {
        clip.clip_id: [donor for other, donor in people if other.clip_id != clip.clip_id]
        for clip, _ in people
    }
    combined = {clip.clip_id: transfer_from(others[clip.clip_id], clip, ANY) for clip, _ in people}
    _say(
        f"{folder.name}, all others as donors, beside pocketsphinx",
        [compare(aligned.phones, combined[clip.clip_id].phones) for clip, aligned in people],
    )
    for name in ("espeak", "flite"):
        voices = synthetic_donors(name, people[0][0].text)
        if not voices:
            print(f"{name} is not installed, left out")
            continue
        each = [(voice, *person) for voice in voices for person in people]
        carried = [(transfer(voice, clip, ANY), aligned) for voice, clip, aligned in each]
        _say(
            f"{folder.name}, from one {name} voice, beside pocketsphinx",
            [compare(aligned.phones, labelled.phones) for labelled, aligned in carried],
        )
        believed = sum(_believed(labelled) for labelled, _ in carried)
        print(f"{folder.name}: {believed} of {len(carried)} pairs with {name} are kept")
        _say(
            f"{folder.name}, from {len(voices)} {name} voices together, beside pocketsphinx",
            [
                compare(aligned.phones, transfer_from(voices, clip, ANY).phones)
                for clip, aligned in people
            ],
        )


def synthetic_donors(name: str, text: str, count: int = 4) -> list[Clip]:
    """The text as `count` English voices of an engine say it; empty if it is not installed."""
    engine = find_engine(name)
    if not engine.version():
        return []
    donors = []
    voices = list(engine.voices("en"))
    for voice in voices[:: max(len(voices) // count, 1)][:count]:
        prompt = Prompt(prompt_id="same", language=voice.language, split="", text=text)
        params = engine.draw(np.random.default_rng(1), prompt, voice)
        donors.append(engine.speak(prompt, voice, params, f"{name}-{voice.name}"))
    return donors


def transfer_or_none(donor: Clip, clip: Clip) -> Clip | None:
    """As transfer, whatever the limits; None where the tempo leaves no path."""
    try:
        return transfer(donor, clip, ANY)
    except EngineFailed:
        return None


def _believed(carried: Clip) -> bool:
    limits = TransferLimits()
    tempo = carried.score["transfer_tempo"]
    return (
        carried.score["transfer_cost"] <= limits.max_cost
        and max(tempo, 1 / tempo) <= limits.max_tempo
        and carried.score["transfer_silence"] >= limits.min_silence
    )


def _strangers(a: TruthClip, b: TruthClip) -> bool:
    return a.clip.speaker != b.clip.speaker


def _same_text(a: TruthClip, b: TruthClip) -> bool:
    return plain_words(a.clip.text) == plain_words(b.clip.text)


def _say(what: str, errors: list[BoundaryErrors]) -> None:
    whole = total(errors)
    print(
        f"{what}: {len(errors)} pairs; boundaries {whole.mean_ms:.1f} ms off on average, median"
        f" {whole.median_ms:.1f} ms, bias {whole.bias_ms:+.1f} ms, F1 at 20 ms {whole.f1:.3f},"
        f" {1 - len(whole.errors) / max(whole.truth, 1):.1%} without a partner"
    )


if __name__ == "__main__":
    main()
