"""Frame rates as exact fractions, with the rates of colour television among them."""

from __future__ import annotations

import re
from fractions import Fraction

from clips.errors import BadParams
from clips.segment import RATE

HIGHEST = 1000
"""The highest rate that is believed, frames per second."""

_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18}|/[0-9]{1,12})?")
_TELEVISION = [Fraction(base * 1000, 1001) for base in (24, 30, 48, 60, 120)]


def frame_rate(value: str | float | Fraction) -> Fraction:
    """A rate in frames per second: 24, 29.97, "23.976" or "30000/1001".

    Decimals within 0.005 of a rate of colour television (24, 30, 48, 60 or 120 times 1000/1001, as
    SMPTE ST 12-1 defines them) stand for that rate. Raises BadParams if it is no rate.

    >>> frame_rate(23.976), frame_rate("29.97"), frame_rate(25)
    (Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25, 1))
    """
    text = str(value).strip()
    try:  # Fraction("1e999999999") would take for ever
        rate = Fraction(text) if _RATE.fullmatch(text) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not 0 < rate <= HIGHEST:
        raise BadParams(
            f"{value!r} is not a frame rate",
            remedy=f"write frames per second, above 0 and up to {HIGHEST}, like 24 or 29.97",
        )
    near = (exact for exact in _TELEVISION if abs(rate - exact) < Fraction(5, 1000))
    return rate if rate.denominator == 1 else next(near, rate)


def rate_text(rate: Fraction) -> str:
    """The rate as people write it; `frame_rate` reads it back.

    >>> rate_text(Fraction(24000, 1001)), rate_text(Fraction(25))
    ('23.976', '25')
    """
    if rate.denominator == 1:
        return str(rate.numerator)
    text = f"{float(rate):.3f}".rstrip("0")
    return text if frame_rate(text) == rate else str(rate)


def frames_in(samples: int, rate: Fraction) -> int:
    """How many frames show `samples` samples (16 kHz): the nearest number, at least 1."""
    return max(1, round(samples * rate / RATE))
