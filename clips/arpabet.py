"""The phones of a clip: ARPAbet without stress, as in the CMU dictionary; SIL is apart."""

from __future__ import annotations

VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())

STOPS = frozenset("P B T D K G".split())

CLOSED = frozenset("P B M".split())
"""The phones whose lips must meet."""

ARPABET = VOWELS | STOPS | frozenset("CH DH F HH JH L M N NG R S SH TH V W Y Z ZH".split())
"""The 39 phones, without SIL."""
