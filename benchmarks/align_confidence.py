"""Whether an aligner's confidence means what it says, and whether wrong texts are noticed.

    python benchmarks/align_confidence.py [FOLDER …] [--fit] [--picture FILE] [--swapped FOLDER]

Without options: `neural` and `pocketsphinx` on synthetic speech of the test split (in quiet, in
noise, in a room; some with wrong texts) and on the hand-labelled FOLDERs (default: emodb and
emu_ae beside the repository), as the tables of docs/confidence.md. --fit: first fits
align/calibration.yaml, on synthetic speech of other voices. --swapped: instead, how many texts of
FOLDER are rejected, their own and each other's. Needs `make repro`'s acoustic model and prompts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import yaml
from align_truth import in_noise
from scipy.signal import resample_poly

from align import Aligner, AlignmentLimits, doubt
from align.calibration import (
    NAMES,
    OP,
    TABLE,
    boundary_chances,
    boundary_features,
    calibrated,
    fit,
    load_durations,
    load_weights,
    phone_chances,
    usual_durations,
)
from align.confidence import confidence, second_opinion, usual_match
from align.measure import TOLERANCE, boundaries, match
from clips import RATE, BadInput, Clip, EngineFailed, Segment, draw_stream, to_grid
from clips.splits import speaker_split
from pipelines.align_command import read_clip
from pipelines.aligners import MODEL, ready_aligner
from pipelines.params import load_params
from pipelines.prompts import CHOSEN, read_prompts
from pipelines.recordings import read_folder
from pipelines.splits import Splits
from pipelines.stage import DATA
from pipelines.truth import read_truth
from synth import find_engine
from visemes.inventory import load_inventory

ALIGNERS = ("neural", "pocketsphinx")
PARTS = {"valid": ("train", "valid"), "test": ("test",)}
"""The sentences that voices of a part say: those of clips.splits.clip_split."""

WRONG = 0.05
"""The share of clips whose text counts as wrong in the fit: half of them wholly, half by half."""

SEED = 1


@dataclass(frozen=True)
class Case:
    """A clip with its true phones, what is asked of the aligners, and what they gave.

    kind: right, half or wrong: how much of `text` is said. unknown: stretches that nobody labelled.
    """

    truth: Clip
    text: str
    kind: str
    found: dict[str, Clip]
    unknown: tuple[Segment, ...] = ()

    def errors(self, aligner: str) -> np.ndarray:
        """|error| (ms) of each inner boundary: inf where there is none, nan where none is known."""
        phones = self.found[aligner].phones
        errors = np.full(len(phones) - 1, np.nan)
        own = [k for k in range(1, len(phones)) if phones[k].label != phones[k - 1].label]
        errors[[k - 1 for k in own]] = np.inf
        true, guess = boundaries(self.truth.phones), [phones[k].start for k in own]
        for i, j in match(true, guess):
            errors[own[j] - 1] = abs(guess[j] - true[i]) * 1000 / RATE
        places = np.array([phone.start for phone in phones[1:]])
        if self.kind != "right":
            errors[places >= self._said_until(aligner)] = np.inf
        for segment in self.unknown:
            near = (places >= segment.start - TOLERANCE) & (places <= segment.end + TOLERANCE)
            errors[near] = np.nan
        return errors

    def _said_until(self, aligner: str) -> int:
        if self.kind == "wrong":
            return 0
        words = self.found[aligner].words
        return words[min(_half(self.truth.text), len(words)) - 1].end

    def other(self, aligner: str) -> Clip | None:
        """What the other aligner made of it."""
        return next((clip for name, clip in self.found.items() if name != aligner), None)


def main() -> None:
    """Prints tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    speech = Path("../shared/speech")
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[speech / "emodb", speech / "emu_ae"]
    )
    parser.add_argument("--fit", action="store_true", help="write align/calibration.yaml first")
    parser.add_argument("--clips", type=int, default=300, help="synthetic clips of each part")
    parser.add_argument("--picture", type=Path, help="draw what the tables say")
    parser.add_argument("--swapped", type=Path, metavar="FOLDER")
    parser.add_argument("--speakers", default="1::4", help="of FOLDER: first::every (default 1::4)")
    parser.add_argument("--model", type=Path, default=MODEL, help="of the aligner `neural`")
    args = parser.parse_args()
    aligners = {name: ready_aligner(name, args.model) for name in ALIGNERS}
    if args.swapped:
        print_swapped(args.swapped, args.speakers, aligners)
        return
    if args.fit:
        write_weights(synthetic_cases("valid", args.clips, aligners))
    groups = {"synthetic": synthetic_cases("test", args.clips, aligners)}
    for folder in args.folders:
        if folder.is_dir():
            groups[folder.name] = truth_cases(folder, aligners)
        else:
            print(f"{folder}: not there, left out")
    results = {
        (group, name): judged(cases, name)
        for group, cases in groups.items()
        for name in (*ALIGNERS, *(f"{aligner}+" for aligner in ALIGNERS))
    }
    results = {key: result for key, result in results.items() if result is not None}
    print_results(results)
    if args.picture:
        draw(args.picture, results)


def spoken(part: str, count: int) -> list[Clip]:
    """Synthetic clips by voices of a split: espeak-ng's, and sentences of flite's four people.

    flite's voices are in all parts; they are played up to 10 % faster or slower, which makes other
    people of them.
    """
    splits = load_params("splits", Splits)
    prompts = [prompt for prompt in read_prompts(CHOSEN) if prompt.split in PARTS[part]]
    clips: list[Clip] = []
    for at in draw_stream(SEED, "align_confidence", part).permutation(len(prompts)):
        prompt = prompts[at]
        for name in ("espeak", "flite"):
            engine = find_engine(name)
            voices = [
                voice
                for voice in engine.voices(prompt.language)
                if name == "flite"
                or speaker_split(voice.speaker, splits.test_speakers, splits.valid_speakers) == part
            ]
            if not voices or (name == "flite" and prompt.split == "train"):
                continue
            rng = draw_stream(SEED, f"align_confidence {name}", prompt.prompt_id)
            voice = voices[rng.integers(len(voices))]
            drawn = engine.draw(rng, prompt, voice)
            try:
                clip = engine.speak(prompt, voice, drawn, f"{name}-{voice.name}-{prompt.prompt_id}")
            except BadInput:  # a text that this engine does not say
                continue
            clips.append(clip if name == "espeak" else played(clip, (9, 10, 11)[rng.integers(3)]))
        if len(clips) >= count:
            break
    return clips[:count]


def played(clip: Clip, tenths: int) -> Clip:
    """The clip at `tenths` / 10 of its speed, pitch and formants with it."""
    if tenths == 10:
        return clip
    audio = resample_poly(clip.audio.astype(np.float64), 10, tenths)
    audio = to_grid(audio * min(1.0, 0.95 / np.abs(audio).max()))
    ends = [*(round(phone.end * 10 / tenths) for phone in clip.phones[:-1]), len(audio)]
    phones = tuple(
        Segment(phone.label, start, end) for phone, start, end in zip(clip.phones, [0, *ends], ends)
    )
    return clip.with_(audio=audio, phones=phones, words=())


def synthetic_cases(part: str, count: int, aligners: dict[str, Aligner]) -> list[Case]:
    """Each clip in quiet and distorted with its own text, and one of the two with a wrong one."""
    cases = []
    clips = spoken(part, count)
    for clip in clips:
        rng = draw_stream(SEED, "align_confidence noise", clip.clip_id)
        snr = float(rng.uniform(5, 25))
        noisy = in_noise(clip, snr) if rng.random() < 0.6 else hissing(clip, snr, rng)
        todo = [(clip, clip.text, "right"), (noisy, clip.text, "right")]
        others = [c.text for c in clips if c.language == clip.language and c.text != clip.text]
        if others:
            other = others[rng.integers(len(others))]
            sound = clip if rng.random() < 0.5 else noisy
            mixed = clip.text.split()[: _half(clip.text)] + other.split()[_half(other) :]
            wrong = (other, "wrong") if rng.random() < 0.5 else (" ".join(mixed), "half")
            todo.append((sound, *wrong))
        cases += [
            Case(sound, text, kind, tried(sound, text, aligners)) for sound, text, kind in todo
        ]
    return cases


def hissing(clip: Clip, snr_db: float, rng: np.random.Generator) -> Clip:
    """The clip in white noise."""
    noise = rng.standard_normal(len(clip)) * np.sqrt((clip.audio**2).mean()) * 10 ** (-snr_db / 20)
    mixed = clip.audio + noise
    return clip.with_(audio=to_grid(mixed * min(1.0, 0.95 / np.abs(mixed).max())))


def truth_cases(folder: Path, aligners: dict[str, Aligner]) -> list[Case]:
    """The hand-labelled recordings of a folder."""
    return [
        Case(t.clip, t.clip.text, "right", tried(t.clip, t.clip.text, aligners), t.unknown)
        for t in read_truth(folder, load_inventory("cherry12"))
    ]


def tried(clip: Clip, text: str, aligners: dict[str, Aligner]) -> dict[str, Clip]:
    """What each aligner makes of a clip and a text; those that refuse are left out."""
    found = {}
    for name, aligner in aligners.items():
        try:
            aligned = (
                aligner.align(clip.with_(text=text)) if aligner.speaks(clip.language) else None
            )
        except (BadInput, EngineFailed):
            continue
        if aligned and len(aligned.phones) > 2:
            found[name] = aligned.with_scores(**confidence(aligned))
    return found


def write_weights(cases: Sequence[Case]) -> None:
    """Fits align/calibration.yaml."""
    durations = usual_durations([case.truth for case in cases if case.kind == "right"])
    table = {"durations": {k: [round(x, 4) for x in v] for k, v in durations.items()}}
    table["aligners"] = {}
    _write(table)
    for aligner in ALIGNERS:
        for beside in (False, True):
            used = [c for c in cases if aligner in c.found and (c.other(aligner) or not beside)]
            rows = [
                boundary_features(c.found[aligner], c.other(aligner) if beside else None)
                for c in used
            ]
            errors = [case.errors(aligner) for case in used]
            kinds = np.repeat([case.kind for case in used], [len(e) for e in errors])
            known = ~np.isnan(np.concatenate(errors))
            right = np.concatenate(errors)[known] <= _MS
            counts = _counts(kinds[known])
            weights = fit(np.concatenate(rows)[known], right, counts)
            table["aligners"][f"{aligner}+" if beside else aligner] = {
                name: round(float(weight), 4) for name, weight in zip(NAMES, weights)
            }
            share = (counts * right).sum() / counts.sum()
            print(f"fitted {aligner}{'+' * beside}: {len(right)} boundaries, {share:.3f} right")
    _write(table)


def _counts(kinds: np.ndarray) -> np.ndarray:
    """What each boundary counts, so that WRONG of them are of wrong texts."""
    counts = np.ones(len(kinds))
    for kind in ("half", "wrong"):
        share = WRONG / 2 / (1 - WRONG) * (kinds == "right").sum()
        counts[kinds == kind] = share / max((kinds == kind).sum(), 1)
    return counts


def _write(table: dict) -> None:
    text = yaml.safe_dump(table, sort_keys=False, default_flow_style=None, width=100)
    TABLE.write_text(f"# {_HEAD}\n{text}", "utf-8")
    load_durations.cache_clear()
    load_weights.cache_clear()


_HEAD = """Written by `python benchmarks/align_confidence.py --fit`; see align/calibration.py.
#
# durations: mean and deviation of ln(samples). aligners: the weights of the logit of the chance
# that a boundary lies within 20 ms of the truth; "+": with another aligner beside it."""

_MS = TOLERANCE * 1000 / RATE


@dataclass(frozen=True)
class Judged:
    """Chances and what came true. kinds: of each; errors: ms; phones, clips: (chance, truth)."""

    chances: np.ndarray
    errors: np.ndarray
    kinds: np.ndarray
    phones: np.ndarray
    clips: np.ndarray
    clip_kinds: np.ndarray

    def right_texts(self) -> tuple[np.ndarray, np.ndarray]:
        """(chances, errors) of the boundaries of right texts."""
        own = self.kinds == "right"
        return self.chances[own], self.errors[own]


def judged(cases: Sequence[Case], name: str) -> Judged | None:
    """How the chances of an aligner ("+": with the other beside it) came true; None without any."""
    aligner, beside = name.removesuffix("+"), name.endswith("+")
    chances, errors, kinds, phones, clips, clip_kinds = [], [], [], [], [], []
    for case in cases:
        other = case.other(aligner) if beside else None
        if aligner not in case.found or (beside and other is None):
            continue
        weights = load_weights()[name]
        chance = boundary_chances(boundary_features(case.found[aligner], other), weights)
        error = case.errors(aligner)
        known = ~np.isnan(error)
        chances.append(chance[known])
        errors.append(error[known])
        kinds += [case.kind] * known.sum()
        after, before = np.append(error, 0.0), np.append(0.0, error)
        both = np.maximum(before, after)  # nan where either is
        if case.kind == "right":
            pairs = np.stack([phone_chances(chance), both <= _MS], axis=1)
            phones.append(pairs[~np.isnan(both)])
        clip = calibrated(case.found[aligner], other)
        assert clip.ops[-1].name == OP
        clips.append((clip.score["confidence"], (error[known] <= _MS).mean()))
        clip_kinds.append(case.kind)
    if not chances:
        return None
    flat = np.concatenate
    return Judged(
        flat(chances), flat(errors), np.array(kinds), flat(phones), np.array(clips),
        np.array(clip_kinds),
    )  # fmt: skip


def print_results(results: dict[tuple[str, str], Judged]) -> None:
    """Three tables: figures, tenths of the boundaries, clips."""
    print("\n| speech | aligner | boundaries | within 20 ms | expected | AUC | Brier | constant |")
    print("|---|---|---|---|---|---|---|---|")
    for (group, name), result in results.items():
        for kind in ("right", "half", "wrong"):
            own = result.kinds == kind
            if not own.any():
                continue
            chance, right = result.chances[own], result.errors[own] <= _MS
            share = right.mean()
            print(
                f"| {group}{'' if kind == 'right' else f', {kind} text'} | {name} | {own.sum()} |"
                f" {share:.3f} | {chance.mean():.3f} | {_auc(chance, right):.3f} |"
                f" {np.square(chance - right).mean():.3f} | {share * (1 - share):.3f} |"
            )
    print("\n| speech | aligner | " + " | ".join(f"{n + 1}" for n in range(10)) + " |")
    print("|---" * 12 + "|")
    for (group, name), result in results.items():
        chance, error = result.right_texts()
        tenths = np.array_split(np.argsort(chance, kind="stable"), 10)
        cells = []
        for tenth in tenths:
            near = error[tenth][np.isfinite(error[tenth])]
            mean = near.mean() if len(near) else float("nan")
            share = (error[tenth] <= _MS).mean()
            cells.append(f"{chance[tenth].mean():.2f} {share:.2f} {mean:.0f} ms")
        print(f"| {group} | {name} | " + " | ".join(cells) + " |")
    print(
        "\n| speech | aligner | phones | both right | expected | clips | Spearman | off by | sure |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for (group, name), result in results.items():
        own = result.clip_kinds == "right"
        chance, share = result.clips[own].T
        sure = ", ".join(
            f"{limit}: {(chance >= limit).mean():.2f}" for limit in (0.5, 0.6, 0.65, 0.7, 0.75)
        )
        print(
            f"| {group} | {name} | {len(result.phones)} | {result.phones[:, 1].mean():.3f} |"
            f" {result.phones[:, 0].mean():.3f} | {own.sum()} |"
            f" {_rank_correlation(chance, share):.2f} |"
            f" {np.sqrt(np.square(chance - share).mean()):.3f} | {sure} |"
        )
        if (result.clip_kinds == "wrong").any():
            wrong = result.clips[result.clip_kinds == "wrong"][:, 0]
            told = _auc(np.append(chance, wrong), np.arange(len(chance) + len(wrong)) < len(chance))
            print(
                f"|  | of wrong texts: median {np.median(wrong):.2f}, AUC {told:.3f} |" + " |" * 7
            )


def draw(path: Path, results: dict[tuple[str, str], Judged]) -> None:
    """Confidence against what came true: boundaries, phones and clips."""
    from pipelines.pictures import plt

    figure, axes = plt.subplots(1, 3, figsize=(12.5, 4.2), constrained_layout=True)
    marks = {"neural": "o", "pocketsphinx": "s"}
    colours = dict(
        zip(dict.fromkeys(group for group, _ in results), ("#999999", "#d55e00", "#0072b2"))
    )
    for (group, name), result in results.items():
        if name not in marks or len(result.chances) < 1000:
            continue
        label, style = f"{group}, {name}", {"color": colours[group], "marker": marks[name], "ms": 4}
        chance, error = result.right_texts()
        axes[0].plot(*_tenths(chance, np.minimum(error, 100)), label=label, **style)
        axes[1].plot(*_tenths(*result.phones.T), label=label, **style)
        own = result.clip_kinds == "right"
        axes[2].plot(*result.clips[own].T, ls="", alpha=0.35, label=label, **style)
    axes[0].set(xlabel="chance of the boundary", ylabel="mean error (ms; none within 100: 100)")
    axes[0].set_title("Boundaries, in tenths")
    axes[1].set(xlabel="chance of the phone", ylabel="share with both boundaries within 20 ms")
    axes[1].set_title("Phones, in tenths")
    axes[2].set(xlabel="confidence of the clip", ylabel="share of boundaries within 20 ms")
    axes[2].set_title("Clips")
    for axis in axes:
        axis.set_xlim(0, 1)
        axis.grid(alpha=0.3)
    for axis in axes[1:]:
        axis.plot([0, 1], [0, 1], color="black", lw=0.8, ls="--")
        axis.set_ylim(0, 1.02)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _tenths(chance: np.ndarray, truth: np.ndarray) -> tuple[list[float], list[float]]:
    parts = np.array_split(np.argsort(chance, kind="stable"), 10)
    return [float(chance[p].mean()) for p in parts], [float(truth[p].mean()) for p in parts]


def _auc(values: np.ndarray, right: np.ndarray) -> float:
    from scipy.stats import rankdata

    good, bad = int(right.sum()), int((~right).sum())
    if not good or not bad:
        return float("nan")
    return float((rankdata(values)[right].sum() - good * (good + 1) / 2) / (good * bad))


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b)[0])


def print_swapped(folder: Path, speakers: str, aligners: dict[str, Aligner]) -> None:
    """How many own and swapped texts are rejected, with 5, 50 and 100 % of the texts swapped."""
    first, every = map(int, speakers.split("::"))
    rows = list(read_folder(folder, DATA / "corpora"))
    chosen = set(sorted({row.speaker for row in rows})[first::every])
    rows = [row for row in rows if row.speaker in chosen]
    scores: list[list[dict]] = []
    for row in rows:
        clip = read_clip(row, aligners["pocketsphinx"])
        others = [other.text for other in rows if other.text != row.text]
        rng = draw_stream(SEED, "align_confidence swapped", clip.clip_id)
        texts = (row.text, others[rng.integers(len(others))])
        found = [tried(clip, text, aligners) for text in texts]
        scores.append([{name: c.score for name, c in clips.items()} for clips in found])
    print(f"{folder.name}: {len(rows)} clips of {len(chosen)} speakers")
    print_rejected([row.speaker for row in rows], scores)


def print_rejected(speakers: Sequence[str], scores: Sequence[Sequence[dict]]) -> None:
    """The table. scores: of each clip, for its own and another's text, those of each aligner."""
    print("\n| aligner | min_confidence_known | swapped | swapped rejected | right rejected |")
    print("|---|---|---|---|---|")
    rules: dict[str, Callable] = {name: (lambda found, n=name: found.get(n)) for name in ALIGNERS}
    rules["neural, pocketsphinx beside it"] = lambda found: (
        second_opinion(found["neural"], found.get("pocketsphinx")) if "neural" in found else None
    )
    for (name, rule), least in product(rules.items(), (0.5, 0.65)):
        limits = AlignmentLimits(min_confidence_known=least)
        for share, times in ((0.05, 20), (0.5, 4), (1.0, 1)):
            counts = np.zeros((2, 2))
            for time in range(times):
                lots = draw_stream(time, "align_confidence swapped", name).random(len(speakers))
                taken = [rule(pair[int(lot < share)]) for pair, lot in zip(scores, lots)]
                for lost, lot in zip(rejections(speakers, taken, limits), lots):
                    counts[int(lot < share)] += (lost, 1)
            good, bad = (f"{lost / of:.3f}" if of else "" for lost, of in counts)
            print(f"| {name} | {least} | {share:.0%} | {bad} | {good} |")


def rejections(
    speakers: Sequence[str], scores: Sequence[dict | None], limits: AlignmentLimits
) -> list[bool]:
    """Which clips are rejected, each compared with its speaker's others; None: not aligned."""
    matches: dict[str, list[float]] = {}
    for speaker, score in zip(speakers, scores):
        if score:
            matches.setdefault(speaker, []).append(score["align_match"])
    lost = []
    for speaker, score in zip(speakers, scores):
        if score is None:
            lost.append(True)
            continue
        others = list(matches[speaker])
        others.remove(score["align_match"])
        usual = usual_match(others) if others else None
        lost.append(doubt(score, limits, usual) is not None)
    return lost


def _half(text: str) -> int:
    return max(len(text.split()) // 2, 1)


if __name__ == "__main__":
    main()
