"""The twelve mouths as curves: what mouth.yaml says in words of the face, in points.

Every shape has the same curves with the same number of points, so a blend of shapes is the weighted
mean of their points: one small sum, the same in Python and in mouth.js, which draws from the table
that `table` hands over. A mouth fills a square from −1 to 1 both ways; y points down.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from clips.errors import BadParams
from clips.files import read_yaml
from visemes.classes import CLASSES

SOURCE = Path(__file__).with_name("mouth.yaml")
SCRIPT = Path(__file__).with_name("mouth.js")

_LIFT = 0.22  # the lips at rest lie this far above the square's middle: a jaw only drops
_ELLIPSE = 0.5523  # handle of the cubic that draws a quarter of an ellipse, in half axes


@dataclass(frozen=True, slots=True)
class Pose:
    """One line of mouth.yaml; the parameters are explained there."""

    width: float
    upper: float
    lower: float
    corners: float
    round: float
    upper_lip: float
    lower_lip: float
    upper_teeth: float
    lower_teeth: float
    tongue: float
    tip: float
    press: float


@dataclass(frozen=True, slots=True)
class Layer:
    """One curve and its paint; layers are painted in order.

    start, cubics: its first point among all points, and how many cubic Bézier pieces follow (three
    points each). closed: whether it is filled; else it is a line of `width`. inside: painted only
    within the first layer, the opening between the lips. colour: #rrggbb. opacity: 0..1.
    """

    name: str
    start: int
    cubics: int
    closed: bool
    inside: bool
    colour: str
    opacity: float
    width: float

    @property
    def points(self) -> slice:
        """Where its points are."""
        return slice(self.start, self.start + 3 * self.cubics + 1)


@dataclass(frozen=True)
class Mouth:
    """The layers, and the points of every shape: (12, points, 2), float64, in class order."""

    layers: tuple[Layer, ...]
    shapes: np.ndarray

    def blend(self, weights: Mapping[str, float]) -> np.ndarray:
        """The points (points, 2) of a blend; `weights` maps classes to shares, of any sum.

        Raises BadParams for a class that is not one of the twelve, and for no share above 0.
        """
        if unknown := set(weights) - set(CLASSES):
            raise BadParams(
                f"{', '.join(sorted(unknown))}: no such mouth",
                remedy=f"choose from {', '.join(CLASSES)}",
            )
        shares = np.array([weights.get(name, 0.0) for name in CLASSES], np.float64)
        if not (shares.min() >= 0 and 0 < shares.sum() < np.inf):
            raise BadParams(
                f"{dict(weights)} are no shares of mouths",
                remedy="give numbers of at least 0, one of them above 0",
            )
        return np.tensordot(shares / shares.sum(), self.shapes, 1)


@cache
def load_mouth(path: Path = SOURCE) -> Mouth:
    """The mouths of a table like mouth.yaml.

    Raises BadParams that names the file and the shape: one that is missing, a parameter that is
    unknown, missing or no number.
    """
    read = read_yaml(path)
    curves = []
    for name in CLASSES:
        try:
            pose = Pose(**{key: float(value) for key, value in read["shapes"][name].items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadParams(
                f"is no mouth ({error})",
                where=f"{path}: shapes.{name}",
                remedy=f"give it these numbers: {', '.join(Pose.__dataclass_fields__)}",
            ) from error
        curves.append(_curves(pose))
    colours = read.get("colours") or {}
    for name in {paint[0] for paint in _PAINT.values()}:
        if not re.fullmatch("#[0-9a-f]{6}", str(colours.get(name))):
            raise BadParams(
                f"{colours.get(name)!r} is no colour",
                where=f"{path}: colours.{name}",
                remedy='write it like "#b4505b"',
            )
    layers = _layers(curves[0], colours)
    shapes = np.array([np.concatenate(list(curve.values())) for curve in curves])
    return Mouth(layers, shapes - [0, _LIFT])


def table() -> dict:
    """What mouth.js draws from, ready for JSON: layers, and points (x, y, x, y …) of each shape."""
    mouth = load_mouth()
    shapes = {name: shape.round(5).ravel().tolist() for name, shape in zip(CLASSES, mouth.shapes)}
    return {"layers": [asdict(layer) for layer in mouth.layers], "shapes": shapes}


def svg(weights: Mapping[str, float], size: float = 200) -> str:
    """A blend of mouths as an SVG picture of `size` pixels a side, with nothing behind it.

    weights: classes to shares, as in `Mouth.blend`, whose errors it raises.
    """
    mouth = load_mouth()
    points = mouth.blend(weights)
    shown = [(layer, _svg_path(points[layer.points], layer.closed)) for layer in mouth.layers]
    opening = shown[0][1]
    # Names are shared by all pictures of a page: the same name must mean the same curve.
    clip = f"mouth-{hashlib.sha256(opening.encode()).hexdigest()[:16]}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size:g}" height="{size:g}"'
        ' viewBox="-1 -1 2 2">',
        f'<clipPath id="{clip}"><path d="{opening}"/></clipPath>',
    ]
    for layer, path in shown:
        paint = f'fill="{layer.colour}"'
        if not layer.closed:
            paint = f'fill="none" stroke="{layer.colour}" stroke-width="{layer.width:g}"'
            paint += ' stroke-linecap="round"'
        inside = f' clip-path="url(#{clip})"' if layer.inside else ""
        lines.append(f'<path d="{path}" {paint} opacity="{layer.opacity:g}"{inside}/>')
    return "\n".join([*lines, "</svg>", ""])


def _svg_path(points: np.ndarray, closed: bool) -> str:
    words = [f"{x:.3f} {y:.3f}" for x, y in points + 0.0]
    return f"M{words[0]}C{' '.join(words[1:])}" + ("Z" if closed else "")


def _layers(curves: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> tuple[Layer, ...]:
    """The layers of curves in their order; paint as in _PAINT."""
    layers, at = [], 0
    for name, points in curves.items():
        colour, opacity, width, inside = _PAINT[name]
        cubics = len(points) // 3
        layers.append(Layer(name, at, cubics, width == 0, inside, colours[colour], opacity, width))
        at += len(points)
    return tuple(layers)


# Colour, opacity, width of the line (0: filled), whether only seen within the opening.
_PAINT = {
    "opening": ("cavity", 1.0, 0.0, False),
    "tongue": ("tongue", 1.0, 0.0, True),
    "furrow": ("tongue_edge", 0.7, 0.02, True),
    "lower_teeth": ("lower_teeth", 1.0, 0.0, True),
    "upper_teeth": ("teeth", 1.0, 0.0, True),
    "bite": ("shade", 0.45, 0.018, True),
    "shade": ("shade", 0.35, 0.07, True),
    "upper_lip": ("upper_lip", 1.0, 0.0, False),
    "lower_lip": ("lower_lip", 1.0, 0.0, False),
    "left_seam": ("upper_lip", 1.0, 0.02, False),
    "right_seam": ("upper_lip", 1.0, 0.02, False),
    "gloss": ("light", 0.22, 0.0, False),
    "upper_line": ("line", 1.0, 0.022, False),
    "lower_line": ("line", 1.0, 0.018, False),
    "left_crease": ("line", 0.8, 0.02, False),
    "right_crease": ("line", 0.8, 0.02, False),
}


def _curves(pose: Pose) -> dict[str, np.ndarray]:
    """The curves of a pose by layer, (3n + 1, 2) each, from the left to the right and back."""
    corner = -pose.corners
    upper = _arc(pose.width, corner, -pose.upper, pose.round)
    lower = _arc(pose.width, corner, pose.lower, pose.round)
    side = 0.05 + 0.6 * pose.round * pose.upper_lip
    outer_upper = _bow(pose, side, corner)
    outer_lower = _arc(
        pose.width + side, corner, pose.lower + pose.lower_lip, 0.35 + 0.4 * pose.round
    )
    teeth_edge = min(pose.upper_teeth - pose.upper, pose.lower)
    gap = pose.lower - teeth_edge
    tongue_top = pose.lower - pose.tongue * gap
    crease = np.array([-pose.width, corner]) + pose.press * np.array(
        [(-0.08, -0.06), (-0.12, -0.03), (-0.12, 0.03), (-0.08, 0.06)]
    )
    seam = _line((pose.width, corner), (pose.width + side - 0.01, corner))
    return {
        "opening": _ring(upper, lower),
        "tongue": _dome(pose.width * (0.85 - 0.35 * pose.tip), tongue_top, pose.lower + 0.3, 0.4),
        "furrow": _line((0, tongue_top + 0.25 * gap), (0, pose.lower + 0.1)),
        "lower_teeth": _band(pose.width, pose.lower + 0.3, pose.lower - pose.lower_teeth, -0.005),
        "upper_teeth": _band(pose.width, -pose.upper - 0.3, pose.upper_teeth - pose.upper, -0.02),
        "bite": _teeth_edge(pose.width, pose.upper_teeth - pose.upper, -0.02),
        "shade": upper,
        "upper_lip": _ring(outer_upper, upper),
        "lower_lip": _ring(lower, outer_lower),
        # where the lips meet at the sides, so that no light shines through
        "left_seam": seam * [-1, 1],
        "right_seam": seam,
        "gloss": _gloss(pose),
        "upper_line": upper,
        "lower_line": lower,
        "left_crease": crease,
        "right_crease": crease * [-1, 1],
    }


def _arc(width: float, corner: float, middle: float, roundness: float) -> np.ndarray:
    """From corner to corner through (0, middle): pointed at the corners, or half an ellipse."""
    pointed = [(-0.62 * width, corner + 0.62 * (middle - corner)), (-0.38 * width, middle)]
    ellipse = [(-width, corner + _ELLIPSE * (middle - corner)), (-_ELLIPSE * width, middle)]
    handles = (1 - roundness) * np.array(pointed) + roundness * np.array(ellipse)
    return _mirrored([(-width, corner), *handles, (0, middle)])


def _bow(pose: Pose, side: float, corner: float) -> np.ndarray:
    """The upper edge of the upper lip: two peaks and a dip between them."""
    width, peak = pose.width + side, -pose.upper - pose.upper_lip
    at = 0.22 * width
    dip = peak + (0.22 - 0.12 * pose.round) * pose.upper_lip
    rise = peak - corner
    full = 0.25 + 0.6 * pose.round
    return _mirrored(
        [
            (-width, corner),
            (-width * (1 - 0.35 * (1 - full)), corner + full * 0.75 * rise),
            (-at - 0.35 * width, peak + 0.06 * (1 - full)),
            (-at, peak),
            (-0.6 * at, peak),
            (-0.4 * at, dip),
            (0, dip),
        ]
    )


def _gloss(pose: Pose) -> np.ndarray:
    """The light on the lower lip."""
    width, y = 0.42 * pose.width, pose.lower + 0.42 * pose.lower_lip
    thick = 0.16 * pose.lower_lip
    return _ring(
        _arc(width, y - thick, y - 0.3 * thick, 0.6), _arc(width, y - thick, y + thick, 0.6)
    )


def _dome(width: float, top: float, floor: float, roundness: float) -> np.ndarray:
    return _ring(_arc(width, floor, top, 0.6 + roundness), _arc(width, floor, floor, 0))


def _band(width: float, root: float, edge: float, bend: float) -> np.ndarray:
    """Teeth from `root`, hidden behind the lip, to their `edge`, which bends at the sides."""
    return _ring(_arc(1.1 * width, root, root, 0), _teeth_edge(width, edge, bend))


def _teeth_edge(width: float, edge: float, bend: float) -> np.ndarray:
    return _arc(1.1 * width, edge + 2 * bend, edge, 0.4)


def _line(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    return np.linspace(start, end, 4)


def _ring(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """A closed curve along one arc and back along another, with straight sides."""
    across = np.linspace(there[-1], back[-1], 4)[1:-1]
    return np.concatenate([there, across, back[::-1], _line(back[0], there[0])[1:]])


def _mirrored(left: list) -> np.ndarray:
    """The curve from the left to the middle, and on to the right."""
    half = np.array(left, np.float64)
    return np.concatenate([half, half[-2::-1] * [-1, 1]])
