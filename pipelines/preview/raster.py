"""Curves, boxes and words as pixels, by Agg.

Agg comes with matplotlib, which the project needs anyway. It smooths edges, knows Bézier curves and
clip paths (Pillow knows neither), and a mouth of 280 pixels takes it 1.4 ms. Its font has the
letters of IPA.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Curve
from matplotlib.transforms import Affine2D, TransformedPath

from visemes.drawing import Layer, load_mouth


class Sheet:
    """A picture that is drawn on; x to the right and y down, in pixels."""

    def __init__(self, width: int, height: int, background: str) -> None:
        self.width, self.height = width, height
        self._agg = RendererAgg(width, height, 72)  # at 72 dpi a point is a pixel
        self.box(0, 0, width, height, background)

    def pixels(self) -> np.ndarray:
        """What was drawn: (height, width, 3), uint8, a copy."""
        return np.array(self._agg.buffer_rgba())[..., :3]

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
        context = self._agg.new_gc()
        context.set_antialiased(False)
        context.set_linewidth(0)
        self._agg.draw_path(context, Curve(corners, closed=False), self._flip(), to_rgb(colour))

    def text(self, x: float, y: float, words: str, colour: str, size: float, **font) -> None:
        """Words in the middle of (x, y). font: more for matplotlib's FontProperties."""
        properties = FontProperties(size=size, **font)
        words = _plain(words)
        width, height, descent = self._agg.get_text_width_height_descent(words, properties, False)
        context = self._agg.new_gc()
        context.set_foreground(colour)
        base = y + (height - descent) / 2
        self._agg.draw_text(context, x - width / 2, base, words, properties, 0)

    def width_of(self, words: str, size: float) -> float:
        """How wide `text` would be."""
        properties = FontProperties(size=size)
        return self._agg.get_text_width_height_descent(_plain(words), properties, False)[0]

    def mouth(self, x: float, y: float, size: float, weights: Mapping[str, float]) -> None:
        """A blend of mouths in a square of side `size` around (x, y)."""
        mouth = load_mouth()
        points = mouth.blend(weights)
        place = Affine2D().scale(size / 2).translate(x, y) + self._flip()
        opening = TransformedPath(_curve(points, mouth.layers[0]), place)
        for layer in mouth.layers:
            context = self._agg.new_gc()
            context.set_foreground(layer.colour)
            context.set_alpha(layer.opacity)
            context.set_linewidth(layer.width * size / 2)
            context.set_capstyle("round")
            if layer.inside:
                context.set_clip_path(opening)
            face = to_rgb(layer.colour) if layer.closed else None
            self._agg.draw_path(context, _curve(points, layer), place, face)

    def _flip(self) -> Affine2D:
        return Affine2D().scale(1, -1).translate(0, self.height)


def _plain(words: str) -> str:
    """Without line breaks and other characters that cannot be drawn."""
    return "".join(c if c.isprintable() else " " for c in words)


def _curve(points: np.ndarray, layer: Layer) -> Curve:
    curve, codes = points[layer.points], [Curve.MOVETO] + [Curve.CURVE4] * (3 * layer.cubics)
    if layer.closed:
        curve, codes = np.concatenate([curve, curve[:1]]), [*codes, Curve.CLOSEPOLY]
    return Curve(curve, codes)
