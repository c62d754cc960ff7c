"""The `splits` block of params.yaml: how much is held out. The rule itself is in clips.splits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Splits:
    """Shares of speakers and sentences that are held out (0..1); see clips.splits."""

    test_speakers: float
    valid_speakers: float
    test_sentences: float
    valid_sentences: float

    def __post_init__(self) -> None:
        for test, valid in (
            (self.test_speakers, self.valid_speakers),
            (self.test_sentences, self.valid_sentences),
        ):
            if min(test, valid) < 0 or test + valid >= 1:
                raise ValueError(f"shares of {test:g} and {valid:g} leave nothing for training")
