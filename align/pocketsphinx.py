"""Forced alignment of English by PocketSphinx, with the model that its package carries.

Two passes: the first finds the words, with optional silence and pronunciation variants between
them; the second finds the phones within. The module has the name of the tool; Python's imports are
absolute, so `import pocketsphinx` below still means the tool.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from align.aligner import Aligner
from align.confidence import confidence
from align.heard import evidence
from align.text import spoken_words
from clips import SILENCE, BadAudio, BadText, Clip, EngineFailed, EngineMissing, Op, Segment
from clips import merge_equal as merge
from clips.arpabet import ARPABET

FRAME = 160
"""Samples between two frames of the tool (10 ms)."""

OFFSET = 112
"""Samples from `frame · FRAME` to the boundary that the frame means.

A frame is 410 samples long, so the middle between the centres of frames k−1 and k lies at
k·160 + 125. Measured against flite's own timing (8 sentences, voices slt, rms, awb, kal16) the
boundaries at k·160 come 5.7, 7.1, 6.6 and 4.4 ms early on average, and 6.9 ms early against hand
labels of a human speaker (96 boundaries). 7 ms (112 samples) is nearest to the best for all five.
"""

WORST = -60.0
"""The tool's score of one frame (0 is best) from which on a phone counts as not fitting at all."""

HEAR_BEAM = 1e-12
"""The listener, which takes two thirds of the time, drops phones so much less likely than the best.

The tool's own 1e-48 takes 13 % longer. Of 80 utterances (speechocean762) with their texts, and 240
with others', the same ones are rejected (none and 214); `align_match` changes in 7 of the 80, by
0.04 at most. Labels do not depend on it. With 1e-11 a fifth of what is heard changes, with 1e-10
half.
"""

_SHORTEST = 800  # samples; below 50 ms there is nothing to align

Pronounce = Callable[[str], Sequence[str]]


class PocketSphinx(Aligner):
    """English, on any machine, about 15 times faster than real time on one core.

    pronounce: gives the phones (ARPAbet, no stress) of a word that the dictionary lacks; without
    it such words are refused. The model is loaded once, at the first clip.
    """

    name = "pocketsphinx"
    languages = ("en",)
    install_line = 'pip install "pocketsphinx>=5.0.4"'

    def __init__(self, pronounce: Pronounce | None = None) -> None:
        self.pronounce = pronounce
        self._decoder: Any = None  # finds the words and phones of a text
        self._listener: Any = None  # hears phones, without a text

    def __getstate__(self) -> dict[str, Any]:
        # Decoders cannot be pickled; the copy loads its own.
        return {"pronounce": self.pronounce, "_decoder": None, "_listener": None}

    def version(self) -> str | None:
        """The version of the package, or None if it is not installed."""
        try:
            return importlib.metadata.version("pocketsphinx")
        except importlib.metadata.PackageNotFoundError:
            return None

    def align(self, clip: Clip) -> Clip:
        """See Aligner.align."""
        where = f"clip {clip.clip_id}"
        if not self.speaks(clip.language):
            raise BadText(
                f"the language is {clip.language!r}; pocketsphinx aligns English (en)",
                where=where,
                remedy="use an aligner for this language, or transfer labels to this clip",
            )
        if len(clip) < _SHORTEST:
            raise BadAudio(
                f"{clip.seconds:.3f} s are too short to align",
                where=where,
                remedy="leave the clip out",
            )
        words = spoken_words(clip.text)
        self._load()
        self._learn(words, where)
        sound = _pcm(clip)
        phones, spans = self._segments(self._decode(sound, words, where), clip, where)
        heard = self._hear(sound, len(clip))
        aligned = clip.with_(
            words=spans,
            phones=phones,
            ipa=(),
            visemes=(),
            timing="aligned",
            ops=(*clip.ops, Op.of("align", aligner=self.name, version=self.version())),
        )
        aligned = aligned.with_scores(align_heard=evidence(phones, heard))
        return aligned.with_scores(**confidence(aligned)).validate()

    def hear(self, clip: Clip) -> list[Segment]:
        """The phones (ARPAbet, SIL) that a recognizer hears without the text; empty if none."""
        self._load()
        return self._hear(_pcm(clip), len(clip))

    def _load(self) -> None:
        try:
            import pocketsphinx
        except ImportError as error:
            raise EngineMissing(
                "pocketsphinx is not installed", remedy=self.install_line
            ) from error
        if self._decoder is None:
            # bestpath loses more than half of real utterances.
            self._decoder = pocketsphinx.Decoder(
                lm=None, bestpath=False, cmn="batch", loglevel="FATAL"
            )
        if self._listener is None:
            bigrams = pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin")
            self._listener = pocketsphinx.Decoder(
                allphone=bigrams,
                lw=2.0,
                beam=HEAR_BEAM,
                pbeam=HEAR_BEAM,
                cmn="batch",
                loglevel="FATAL",
            )

    def _learn(self, words: Sequence[str], where: str) -> None:
        decoder = self._decoder
        unknown = sorted({word for word in words if decoder.lookup_word(word) is None})
        if unknown and self.pronounce is None:
            raise BadText(
                f"the dictionary does not have: {', '.join(unknown)}",
                where=where,
                remedy="mend the spelling, or give the aligner a `pronounce` function",
            )
        for word in unknown:
            phones = [phone for phone in self.pronounce(word) if phone != SILENCE]
            if not phones or not ARPABET.issuperset(phones):
                raise BadText(
                    f"no usable pronunciation for {word!r} ({' '.join(phones) or 'none'})",
                    where=where,
                    remedy="mend the spelling or leave the clip out",
                )
            decoder.add_word(word, " ".join(phones), True)

    def _decode(self, sound: bytes, words: Sequence[str], where: str) -> list[Any]:
        """[(word, [(phone, first frame, frames, score), ...]), ...] as the tool gives them."""
        decoder = self._decoder
        try:
            decoder.set_align_text(" ".join(words))
            self._listen(decoder, sound)
            if decoder.hyp() is not None:
                decoder.set_alignment()
                self._listen(decoder, sound)
                # Copied at once: the values belong to the decoder.
                return [
                    (word.name, [(p.name, p.start, p.duration, p.score) for p in word])
                    for word in decoder.get_alignment()
                ]
        except RuntimeError as error:
            self._decoder = None  # its state is unknown now; the next clip gets a fresh one
            raise EngineFailed(
                f"pocketsphinx found no alignment ({error})",
                where=where,
                remedy="check that the text is what is said",
            ) from error
        raise EngineFailed(
            "pocketsphinx found no path through the sound that fits the text",
            where=where,
            remedy="check that the text is what is said, all of it and nothing else",
        )

    def _hear(self, sound: bytes, length: int) -> list[Segment]:
        """Phones that the tool hears without knowing the text; empty if it hears none."""
        try:
            self._listen(self._listener, sound)
            found = [(s.word, s.start_frame, s.end_frame + 1) for s in self._listener.seg() or ()]
        except RuntimeError:
            self._listener = None
            return []
        return [
            Segment(
                label if label in ARPABET else SILENCE,
                first * FRAME + OFFSET if first else 0,
                min(last * FRAME + OFFSET, length),
            )
            for label, first, last in found
            if last > first and first * FRAME + OFFSET < length
        ]

    @staticmethod
    def _listen(decoder: Any, sound: bytes) -> None:
        # What the front end learned of the last utterance's noise changes boundaries by a frame.
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(sound, full_utt=True)
        decoder.end_utt()

    @staticmethod
    def _segments(
        found: list[Any], clip: Clip, where: str
    ) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
        """(phones, words) in samples."""
        frames = [phone for _, phones in found for phone in phones]
        if not frames:
            raise EngineFailed("pocketsphinx gave an empty alignment", where=where)
        starts = [0, *(start * FRAME + OFFSET for _, start, _, _ in frames[1:]), len(clip)]
        if any(b <= a for a, b in pairwise(starts)):
            raise EngineFailed("pocketsphinx gave phones outside the sound", where=where)
        phones, words, at = [], [], 0
        for name, parts in found:
            spoken = not name.startswith(("<", "[", "+"))
            first = at
            for label, _, duration, score in parts:
                fit = max(0.0, 1.0 - score / duration / WORST)
                label = label if spoken and label in ARPABET else SILENCE
                phones.append(Segment(label, starts[at], starts[at + 1], round(min(fit, 1.0), 4)))
                at += 1
            if spoken and at > first:
                words.append(Segment(name.split("(")[0], starts[first], starts[at]))
        return merge(phones, only=SILENCE), tuple(words)


def _pcm(clip: Clip) -> bytes:
    return np.rint(clip.audio.astype(np.float64) * 32768).astype("<i2").tobytes()


ALIGNER = PocketSphinx
