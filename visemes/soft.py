"""Soft labels: at every frame a share for each viseme, so that the mouth moves instead of jumping.

Between two shapes the shares cross over in a raised cosine. How long that takes depends on the
faster of the two: a closure snaps, a vowel glides. Lips shut and lip on teeth are whole for all of
their own time: the way there and back lies in the neighbours' time, since the sound of a closure
begins when the lips have met.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from clips.arpabet import VOWELS
from clips.errors import BadLabels
from visemes.inventory import Inventory

CROSSFADES = {"closure": 0.04, "consonant": 0.08, "vowel": 0.12, "rest": 0.16}
"""Seconds from one shape to the next, by the faster of the two.

The order has a source: at the moment of a bilabial closure the lips are still moving fast and press
on after it (Löfqvist and Gracco, Lip and jaw kinematics in bilabial stop consonant production,
1997), while vowels and rest are slow movements of the jaw. The numbers are ours: 40 ms is one
picture at 24 per second, the others two, three and four of them. No faces were measured.
"""


def crossfade_seconds(inventory: Inventory) -> np.ndarray:
    """The crossfade of each class in seconds, shape (classes,). A shape of any vowel is slow."""
    vowels = {v for phone in VOWELS for v, _ in inventory.phones[phone]}
    kinds = {
        viseme: "closure"
        if inventory.must_show(viseme)
        else "rest"
        if viseme == inventory.rest
        else "vowel"
        if viseme in vowels
        else "consonant"
        for viseme in inventory.classes
    }
    return np.array([CROSSFADES[kinds[viseme]] for viseme in inventory.classes])


def soft_labels(classes: np.ndarray, rate: Fraction, inventory: Inventory) -> np.ndarray:
    """A distribution over the visemes at each frame, shape (frames, classes), float32.

    classes: the hard track, class indices at `rate` frames per second (`visemes.frames.resample`,
    or what a model shows). Rows sum to 1. The largest share is the hard track's, except beside a
    closure, to or from which the mouth is already on its way. A crossfade takes at most half of
    each shape's time, so that every shape is reached. Raises BadLabels for a class that the
    inventory does not have.
    """
    classes = np.asarray(classes)
    if len(classes) and not 0 <= classes.min() <= classes.max() < len(inventory.classes):
        raise BadLabels(
            f"class {classes.max()} is not one of {inventory.name}'s {len(inventory.classes)}",
            remedy="give the inventory that the track was made with",
        )
    shares = np.eye(len(inventory.classes))[classes.astype(int)]
    fades = crossfade_seconds(inventory) * float(rate)
    whole = np.array([inventory.must_show(viseme) for viseme in inventory.classes])
    edges = [0, *(np.flatnonzero(np.diff(classes)) + 1), len(classes)]
    for start, edge, end in zip(edges, edges[1:], edges[2:]):
        one, other = int(classes[edge - 1]), int(classes[edge])
        fade = min(fades[one], fades[other])
        before = _side(fade, whole[one], whole[other], edge - start)
        after = _side(fade, whole[other], whole[one], end - edge)
        at = np.arange(int(np.ceil(edge - before - 0.5)), int(np.floor(edge + after + 0.5)))
        distance = at + 0.5 - edge  # of the frames' middles, in frames
        if whole[one] != whole[other]:
            progress = (distance + before) / max(before + after, 1e-9)
        else:
            scale = np.where(distance < 0, before, after)
            progress = 0.5 + distance / (2 * np.maximum(scale, 1e-9))
        progress = np.clip(progress, 0, 1)
        share = 0.5 - 0.5 * np.cos(np.pi * progress)
        shares[at] = 0.0
        shares[at, one], shares[at, other] = 1 - share, share
    return shares.astype(np.float32)


def _side(fade: float, whole: bool, other_whole: bool, frames: int) -> float:
    """How many of a shape's own `frames` beside an edge belong to the crossfade."""
    if whole and not other_whole:
        return 0.0
    return min(fade if other_whole and not whole else fade / 2, frames / 2)
