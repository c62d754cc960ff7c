"""Transforms that move audio and labels together, and a light check of what they made."""

from augment.compose import CHANNEL, Chain, Choice, Step
from augment.join import joined_with
from augment.pool import Pool
from augment.quality import QualityLimits, find_fault
from augment.transform import Transform, find_transform, replay

__all__ = [
    "CHANNEL", "Chain", "Choice", "Pool", "QualityLimits", "Step", "Transform", "find_fault",
    "find_transform", "joined_with", "replay",
]  # fmt: skip
