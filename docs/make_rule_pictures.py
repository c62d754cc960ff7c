"""Draws each rule before and after on a spoken sentence: `python docs/make_rule_pictures.py`."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from clips import RATE, Clip, Segment, draw_stream
from pipelines.pictures import COLOURS, plt
from synth import Prompt, find_engine
from visemes.frames import classes_at_rate, resample
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

PICTURES = Path(__file__).parent / "pictures" / "rules"
INVENTORY = load_inventory("cherry12")

SENTENCES = {
    "split_diphthongs": "My boy goes out.",
    "hh_takes_next_vowel": "He hoped who heard.",
    "short_pauses_hold": "A panda and a camera.",
    "schwa_takes_neighbours": "The collection of the committee.",
    "weak_consonants_yield": "Get it on a good day.",
    "rounding_spreads": "Two shoes for you.",
    "static_stretches_move": "See his teeth.",
    "closures_begin_early": "My puppy may fall.",
    "minimum_hold": "Fabulous napkins have stripes.",
}
"""A sentence in which the rule has something to do."""


def main() -> None:
    """Writes docs/pictures/rules/<rule>.png, and resample.png."""
    for rule, text in SENTENCES.items():
        clip = spoken(text)
        strips = {}
        for name, on in (("without", False), ("with", True)):
            rules = replace(Rules(), **{rule: on})
            strips[name] = to_visemes(clip.phones, INVENTORY, rules, clip.ipa)
        draw(PICTURES / f"{rule}.png", clip, f"{rule}: {text}", strips)
    clip, rate = spoken("Maybe five people have moved a vase."), Fraction(24)
    labels = to_visemes(clip.phones, INVENTORY, Rules(), clip.ipa)
    calm = resample(labels, rate, INVENTORY)
    sampled = classes_at_rate(labels, len(calm), 24, INVENTORY.classes)
    strips = {
        "labels": labels,
        "sampled": pictures(sampled, rate),
        "resample": pictures(calm, rate),
    }
    draw(PICTURES / "resample.png", clip, f"24 pictures a second: {clip.text}", strips)


def spoken(text: str) -> Clip:
    """The sentence in a voice of espeak-ng."""
    engine = find_engine("espeak")
    voice = engine.voices("en-us")[0]
    prompt = Prompt("rule", text, "en-us")
    params = engine.draw(draw_stream(1, "rules", text), prompt, voice)
    return engine.speak(prompt, voice, params, "rule")


def pictures(classes: np.ndarray, rate: Fraction) -> tuple[Segment, ...]:
    """One segment for each run of equal pictures."""
    edges = [0, *(np.flatnonzero(np.diff(classes)) + 1), len(classes)]
    return tuple(
        Segment(INVENTORY.classes[classes[a]], int(a * RATE / rate), int(b * RATE / rate))
        for a, b in pairwise(edges)
    )


def draw(path: Path, clip: Clip, title: str, strips: dict[str, tuple[Segment, ...]]) -> None:
    """Waveform, phones and strips of mouths; a dark line below what the last strip changes."""
    heights = [0.7, 0.3] + [0.45] * len(strips)
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(10, 0.5 + sum(heights)), sharex=True, height_ratios=heights
    )
    axes[0].plot(np.arange(len(clip)) / RATE, clip.audio, color="#444444", linewidth=0.5)
    axes[0].set_title(title, fontsize=10, loc="left")
    for axis, (name, segments) in zip(axes[1:], {"phones": clip.phones, **strips}.items()):
        for segment in segments:
            start, width = segment.start / RATE, segment.seconds
            colour = COLOURS.get(segment.label, "#ffffff") if name != "phones" else "#ffffff"
            axis.axvspan(start, start + width, facecolor=colour, edgecolor="#666666", lw=0.5)
            if width > 0.009 * len(segment.label) * clip.seconds:
                dark = colour in ("#222222", "#6a3d9a", "#d55e00", "#009e73")
                axis.text(
                    start + width / 2, 0.5, segment.label, ha="center", va="center",
                    fontsize=8, color="white" if dark else "black",
                )  # fmt: skip
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        axis.set_ylim(0, 1)
    times = np.arange(0, len(clip), 16)
    before, after = list(strips.values())[-2:]
    differs = label_at(before, times) != label_at(after, times)
    axes[-1].fill_between(times / RATE, -0.18, -0.05, differs, color="#d00000", clip_on=False)
    for axis in axes:
        axis.set_yticks([])
        axis.margins(x=0)
    axes[-1].tick_params(labelsize=8, pad=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.subplots_adjust(hspace=0.12)
    figure.savefig(path, bbox_inches="tight", dpi=80, metadata={"Software": None})
    plt.close(figure)


def label_at(segments: tuple[Segment, ...], times: np.ndarray) -> np.ndarray:
    """The label at each time (samples)."""
    ends = [segment.end for segment in segments]
    labels = np.array([segment.label for segment in segments])
    return labels[np.minimum(np.searchsorted(ends, times, side="right"), len(labels) - 1)]


if __name__ == "__main__":
    main()
