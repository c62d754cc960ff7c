"""Transforms that move audio and labels together, and a light check of what they made."""

from augment.quality import QualityLimits, find_fault
from augment.transform import Transform, find_transform, replay

__all__ = ["QualityLimits", "Transform", "find_fault", "find_transform", "replay"]
