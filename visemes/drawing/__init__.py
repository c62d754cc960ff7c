"""A mouth of our own, drawn: twelve shapes and their blends as curves, SVG and canvas."""

from visemes.drawing.mouth import SCRIPT, SOURCE, Layer, Mouth, Pose, load_mouth, svg, table

__all__ = ["SCRIPT", "SOURCE", "Layer", "Mouth", "Pose", "load_mouth", "svg", "table"]
