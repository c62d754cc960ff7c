"""Forced alignment: aligners, what makes an alignment doubtful, and how far it is from truth."""

from align.aligner import Aligner, find_aligner
from align.confidence import AlignmentLimits, doubt
from align.measure import BoundaryErrors, boundaries, compare, match, total
from align.text import spoken_words

__all__ = [
    "Aligner",
    "AlignmentLimits",
    "BoundaryErrors",
    "boundaries",
    "compare",
    "doubt",
    "find_aligner",
    "match",
    "spoken_words",
    "total",
]
