"""How much approved speech an hour of a simulated reviewer gives, and how much of it is wrong.

flite's speech (people's voices, true timing known) loses its labels; a share of the clips is
spoilt; pocketsphinx aligns everything; the real triage, queue, desk and lots decide what the
reviewer is given. What is assumed of the reviewer:

- 2 s for a good clip, 15 s for a bad one;
- a bad clip is noticed with the chance 1 − `--miss` (a guess: 0.95), and no good one taken for bad;
- a noticed bad clip gets right labels ("fix") and counts as approved;
- a missed bad clip takes 2 s and is approved.

A clip is wrong if its own fault was planted and no fix came. What is off by a few milliseconds
counts as right: that is what the aligner's confidence is for.

`--fit` chooses the weights of the doubt (pipelines/checks.py) on other voices, other sentences
and other faults than the simulation's, and prints them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from align.confidence import usual_match
from clips import Clip, draw_stream
from lipsync.infer import Model
from pipelines.align import align_all
from pipelines.aligners import ready_aligner
from pipelines.checks import evidence
from pipelines.review_demo import make_set
from pipelines.triage import shown_by
from review_ui.desk import Desk
from review_ui.journal import Decision, settled
from synth import Prompt, find_engine
from synth.grammar import generate
from visemes.classes import CLASSES
from visemes.frames import frame_classes
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

FIT_VOICES, VOICES = ("rms", "kal16"), ("slt", "awb")
GOOD_SECONDS, BAD_SECONDS = 2.0, 15.0
BASE = 0.1
"""The share of wrong clips for which the doubt is a chance."""


def corpus(voices: Sequence[str], count: int, share: float, seed: int) -> tuple[list, dict, dict]:
    """Aligned clips, the kind of fault of each spoilt one, and the true labels of all, by clip."""
    engine = find_engine("flite")
    named = {voice.name: voice for voice in engine.voices("en")}
    chosen = [voice for name, voice in named.items() if any(v in name for v in voices)]
    truth = {}
    for number, text in enumerate(generate(count, seed, min_words=9, max_words=16)):
        voice = chosen[number % len(chosen)]
        prompt = Prompt(f"sim{seed}-{number:05d}", text, "en")
        params = engine.draw(draw_stream(seed, "sim", prompt.prompt_id), prompt, voice)
        truth[prompt.prompt_id] = engine.speak(prompt, voice, params, prompt.prompt_id)
    clips, kinds = spoil(list(truth.values()), share, seed)
    found = align_all(ready_aligner("pocketsphinx"), clips)
    return [clip for clip in found if isinstance(clip, Clip)], kinds, truth


def spoil(clips: Sequence[Clip], share: float, seed: int) -> tuple[list[Clip], dict[str, str]]:
    """The clips without labels, a share of them with one of FAULTS; and which have which."""
    order = sorted(clips, key=lambda clip: draw_stream(seed, "spoil", clip.clip_id).random())
    chosen = [clip.clip_id for clip in order[: round(share * len(clips))]]
    kinds = dict(zip(chosen, cycle(FAULTS)))
    bare = []
    for number, clip in enumerate(clips):
        clip = clip.with_(phones=(), words=(), ipa=(), ops=(), timing="none", split="train")
        if kind := kinds.get(clip.clip_id):
            rng = draw_stream(seed, kind, clip.clip_id)
            clip = FAULTS[kind](clip, clips[number - 1].text, rng)
        bare.append(clip)
    return bare, kinds


def _wrong_words(clip: Clip, text: str, rng: np.random.Generator) -> Clip:
    """Two words in a row are another text's."""
    words, at = clip.text.split(), _place(clip, rng)
    words[at : at + 2] = rng.choice(text.split(), 2).tolist()
    return clip.with_(text=" ".join(words))


def _left_out(clip: Clip, text: str, rng: np.random.Generator) -> Clip:
    """Two words are spoken that the text does not have."""
    words, at = clip.text.split(), _place(clip, rng)
    return clip.with_(text=" ".join((*words[:at], *words[at + 2 :])))


def _added(clip: Clip, text: str, rng: np.random.Generator) -> Clip:
    """The text has two words more."""
    words, at = clip.text.split(), _place(clip, rng)
    words[at:at] = rng.choice(text.split(), 2).tolist()
    return clip.with_(text=" ".join(words))


def _place(clip: Clip, rng: np.random.Generator) -> int:
    return int(rng.integers(len(clip.text.split()) - 1))


FAULTS: dict[str, Callable[[Clip, str, np.random.Generator], Clip]] = {
    "wrong words": _wrong_words,
    "left out": _left_out,
    "added": _added,
}
"""What was done to a text: (clip, another clip's text, random numbers) to the spoilt clip.

Grosser faults (another text, loud noise, a missing end) are no test: pocketsphinx cannot align nine
of ten of them."""


def review(
    desk: Desk, kinds: dict[str, str], truth: dict[str, Clip], miss: float
) -> Iterator[Decision]:
    """Decides until nothing is left; yields every decision."""
    spent, reviewer = 0.0, "simulated"
    for view in ("sheet", "one"):
        while items := desk.next(reviewer, view, 12):
            for item in items:
                kind = kinds.get(item.clip_id, "")
                rng = draw_stream(1, "reviewer", item.clip_id)
                noticed = bool(kind) and rng.random() >= miss
                decision = Decision(
                    item.clip_id, item.labels, "approve", reviewer, f"{spent:09.1f}",
                    seconds=BAD_SECONDS if noticed else GOOD_SECONDS, key=f"k{item.clip_id}",
                )  # fmt: skip
                if noticed:
                    decision = replace(decision, verdict="fix", **_labels(truth[item.clip_id]))
                spent += decision.seconds
                desk.decide(decision)
                yield decision


def _labels(clip: Clip) -> dict[str, tuple]:
    """The true labels of a clip, as a reviewer would send them."""
    mouths = to_visemes(clip.phones, load_inventory("cherry12"), Rules())
    return {
        name: tuple((segment.label, segment.start, segment.end) for segment in tier)
        for name, tier in (("phones", clip.phones), ("visemes", mouths))
    }


def features(
    clips: Sequence[Clip], kinds: dict[str, str], model: Model | None
) -> tuple[np.ndarray, np.ndarray]:
    """The evidence of each clip, and whether it is wrong."""
    inventory = load_inventory("cherry12")
    matches: dict[str, list[float]] = defaultdict(list)
    for clip in clips:
        matches[clip.speaker].append(clip.score["align_match"])
    rows = []
    for clip in clips:
        mouths = to_visemes(clip.phones, inventory, Rules())
        labelled = frame_classes(mouths, len(clip), CLASSES)
        shown = shown_by(model, clip, labelled) if model else None
        rows.append(evidence(clip, usual_match(matches[clip.speaker]), shown, labelled))
    return np.array(rows), np.array([clip.clip_id in kinds for clip in clips])


def fit(found: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Weights (a constant, then EVIDENCE) of a logistic model; none of them below 0.

    The wrong clips count as BASE of all, however many there are.
    """
    design = np.column_stack([np.ones(len(found)), found])
    counts = np.where(wrong, BASE / wrong.mean(), (1 - BASE) / (1 - wrong.mean()))

    def loss(weights: np.ndarray) -> float:
        logit = design @ weights
        miss = counts @ (np.logaddexp(0, logit) - wrong * logit)
        return float(miss + weights[1:] @ weights[1:] / 100)

    bounds = [(None, None)] + [(0, None) if column.any() else (0, 0) for column in found.T]
    return minimize(loss, np.zeros(design.shape[1]), method="L-BFGS-B", bounds=bounds).x


def say_calibration(doubts: np.ndarray, wrong: np.ndarray) -> None:
    """How often clips were wrong, by doubt."""
    print("  doubt         clips  expected  wrong")
    edges = (0, 0.01, 0.03, 0.1, 0.3, 0.7, 1.0001)
    for low, high in pairwise(edges):
        inside = (doubts >= low) & (doubts < high)
        if inside.any():
            line = f"{inside.sum():6d}     {doubts[inside].mean():.3f}  {wrong[inside].mean():.3f}"
            print(f"  {low:.2f}–{min(high, 1):.2f}   {line}")


def simulate(clips, kinds, truth, args: argparse.Namespace) -> None:
    """Prints what the reviewer got done, every five minutes of theirs."""
    lots = {"max_doubt": args.max_doubt, "worst_share": args.worst_share, "risk": 0.05}
    with tempfile.TemporaryDirectory() as folder:
        with redirect_stderr(StringIO()):
            make_set(Path(folder), clips, args.partitions, model=args.model, lots=lots)
        desk = Desk(Path(folder, "datasets"), Path(folder, ".reviews"))
        wrong = np.array([item.clip_id in kinds for item in desk.queue.items])
        minutes = sum(item.seconds for item in desk.queue.items) / 60
        print(f"queue: {len(wrong)} clips, {minutes:.1f} min, {wrong.mean():.1%} wrong")
        say_calibration(np.array([item.doubt for item in desk.queue.items]), wrong)
        spent = 0.0
        marks = iter(np.arange(300, 1e6, 300))
        mark = next(marks)
        for decision in review(desk, kinds, truth, args.miss):
            spent += decision.seconds
            if spent >= mark:
                _say_so_far(desk, kinds, spent)
                mark = next(marks)
        _say_so_far(desk, kinds, spent)
        for lot in desk.queue.lots.values():
            bad = sum(item.clip_id in kinds for item in lot.members)
            print(
                f"lot {lot.name}: {desk.lot_state(lot)}; {lot.sample} of {len(lot.members)} to be"
                f" heard; {bad} wrong before the review"
            )


def _say_so_far(desk: Desk, kinds: dict[str, str], spent: float) -> None:
    """Approved minutes an hour, and the share of wrong clips among the approved."""
    minutes, count, wrong = Counter(), 0, 0
    heard = [made for item in desk.queue.items if (made := settled(desk.decisions(item)))]
    for decision in (*heard, *desk.lot_approvals()):
        minutes[decision.basis] += desk.queue.by_id[decision.clip_id].seconds / 60
        count += 1
        wrong += decision.verdict == "approve" and decision.clip_id in kinds
    bases = ", ".join(f"{basis} {value:.1f}" for basis, value in sorted(minutes.items()))
    print(
        f"after {spent / 60:5.1f} min: {sum(minutes.values()) / spent * 3600:4.0f} approved minutes"
        f" an hour ({bases} min), {wrong} of {count} approved clips wrong ({wrong / count:.2%})"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=450)
    parser.add_argument("--share", type=float, default=0.13, help="of texts that are spoilt")
    parser.add_argument("--miss", type=float, default=0.05, help="chance to overlook a bad clip")
    parser.add_argument("--partitions", type=int, default=1, help="as many lots")
    parser.add_argument("--max-doubt", type=float, default=0.03, help="of a clip in a lot")
    parser.add_argument("--worst-share", type=float, default=0.05, help="see params.yaml, lots")
    parser.add_argument("--model", type=Path, help="a network whose disagreement counts (.onnx)")
    parser.add_argument("--fit", action="store_true", help="fit the weights of the doubt")
    args = parser.parse_args()
    if find_engine("flite").version() is None:
        print(f"review_simulation: flite is not installed: {find_engine('flite').install_line}")
        return
    if not args.fit:
        simulate(*corpus(VOICES, args.clips, args.share, seed=2), args)
        return
    clips, kinds, _ = corpus(FIT_VOICES, args.clips, 0.3, seed=1)
    found, wrong = features(clips, kinds, Model.load(args.model) if args.model else None)
    weights = fit(found, wrong)
    print(f"on {len(clips)} clips of {', '.join(FIT_VOICES)}: {weights.round(2).tolist()}")
    say_calibration(1 / (1 + np.exp(-(weights[0] + found @ weights[1:]))), wrong)


if __name__ == "__main__":
    main()
