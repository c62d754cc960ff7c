"""Forced alignment in any language that can be pronounced, by an acoustic model of our own.

Pronunciations come from outside (`read`; the pipelines give espeak-ng's), the acoustic model from
synthetic speech (align.training). The text's usual reductions become a graph (align.variants), a
Viterbi search finds the path on a grid of 5 ms (align.viterbi), and each boundary moves to the
change in the sound beside it (align.refine).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from align.acoustic import FRAME, TRAINING, AcousticModel, load_model, one_thread
from align.aligner import Aligner
from align.confidence import confidence
from align.refine import change_features, refine
from align.sounds import STATES, STOPS
from align.variants import SpokenWord, Way, pronunciation
from align.viterbi import Stretch, best_path
from clips import SILENCE, BadAudio, BadText, Clip, EngineFailed, Op, Segment

Read = Callable[[str, str], Sequence[SpokenWord]]
"""Gives the spoken words of a text in a language. Raises BadText where it cannot."""

LEAST_EVIDENCE = -2.0
"""What a frame can speak against its sound at most (nats).

With it the mean evidence tells right texts from wrong ones best: of 350 utterances
(speechocean762) with each other's texts it rejects 91 % where it rejects 3 % with their own; 84 %
without such a limit, 66 % by the scores of the phones.
"""

HEARD_SCALE, HEARD_OFFSET = 2.0, -0.45
"""Evidence (nats) to the scale of align_heard, on which align.confidence's limits lie.

From a logistic regression over the same utterances: without knowing the speaker, the usual limit
then rejects 3 % of the right texts, and of the wrong ones 85 % with a model that learned from
espeak-ng alone, 90 % with one that also heard flite (PocketSphinx: 91 %).
"""

_SHORTEST = 800  # samples; below 50 ms there is nothing to align


@dataclass(frozen=True, slots=True)
class _Phone:
    way: Way
    start: int  # frames
    end: int
    gap: float  # mean log probability, less that of the likeliest sound: nats, 0 or less
    evidence: float  # mean log probability, less that of the sound in any speech: nats


class Neural(Aligner):
    """Every language that `read` reads. Reads, searches and refines one clip at a time.

    model: the file of a trained model (pipelines/acoustic.py), or the model itself; the file is
    read at the first clip. read: the pronunciation of a text.
    """

    name = "neural"
    languages = ()
    install_line = TRAINING

    def __init__(self, model: str | Path | AcousticModel, read: Read) -> None:
        self._model = model
        self._read = read

    @property
    def model(self) -> AcousticModel:
        """The model, from its file at first. Raises EngineMissing, BadInput."""
        if not isinstance(self._model, AcousticModel):
            self._model = load_model(self._model)
        return self._model

    def version(self) -> str | None:
        """A hash of the model's weights, or None if the model has not been trained."""
        if not isinstance(self._model, AcousticModel) and not Path(self._model).is_file():
            return None
        return self.model.digest

    def speaks(self, language: str) -> bool:
        """Whatever the language: `read` decides, clip by clip."""
        return True

    def align(self, clip: Clip) -> Clip:
        """See Aligner.align."""
        with one_thread():
            return self._align(clip)

    def _align(self, clip: Clip) -> Clip:
        where = f"clip {clip.clip_id}"
        if len(clip) < _SHORTEST:
            raise BadAudio(
                f"{clip.seconds:.3f} s are too short to align",
                where=where,
                remedy="leave the clip out",
            )
        words = [word for word in self._read(clip.text, clip.language) if word.phones]
        if not words:
            raise BadText("holds no words", where=where, remedy="write what the speaker says")
        posteriors = self.model.log_posteriors(clip.audio)
        parts = pronunciation(words, clip.language)
        path = best_path(self.model.log_likelihoods(posteriors), parts)
        if path is None:
            raise EngineFailed(
                f"the text does not fit into {clip.seconds:.2f} s",
                where=where,
                remedy="check that the text is what is said, all of it and nothing else",
            )
        phones = _scored(path, posteriors, self.model.prior)
        bounds = [0, *(phone.start * FRAME for phone in phones[1:]), len(clip)]
        labels = [phone.way.phone for phone in phones]
        bounds = refine(change_features(clip.audio), bounds, labels)
        segments = tuple(
            Segment(phone.way.phone, start, end, round(math.exp(phone.gap), 4))
            for phone, (start, end) in zip(phones, pairwise(bounds))
        )
        aligned = clip.with_(
            words=_word_spans(words, phones, segments),
            phones=segments,
            ipa=tuple(phone.way.ipa for phone in phones),
            visemes=(),
            timing="aligned",
            ops=(*clip.ops, Op.of("align", aligner=self.name, version=self.version())),
        )
        spoken = [phone.evidence for phone in phones if phone.way.phone != SILENCE]
        aligned = aligned.with_scores(
            align_heard=HEARD_OFFSET + HEARD_SCALE * float(np.mean(spoken))
        )
        return aligned.with_scores(**confidence(aligned)).validate()


def _scored(path: Sequence[Stretch], posteriors: np.ndarray, prior: np.ndarray) -> list[_Phone]:
    """The phones of a path: ways of one place joined, with how well the sound fits them."""
    sounds, usual = _by_sound(np.exp(posteriors)), _by_sound(prior[None])[0]
    likeliest = np.log(sounds.max(axis=1))
    phones: list[_Phone] = []
    for stretch in path:
        way, frames = stretch.way, slice(stretch.start, stretch.end)
        # As in align.viterbi, a stop's closure may be as silent as silence.
        same = [way.sound, 0] if way.sound in STOPS else [way.sound]
        chance = np.maximum(sounds[frames][:, same], 1e-6)
        gap = float((np.log(chance.max(axis=1)) - likeliest[frames]).mean())
        gain = np.log((chance / np.maximum(usual[same], 1e-5)).max(axis=1))
        evidence = float(np.maximum(gain, LEAST_EVIDENCE).mean())
        last = phones[-1] if phones else None
        if last and last.way.place == way.place and way.sound:
            share = (last.end - last.start) / (stretch.end - last.start)
            gap = share * last.gap + (1 - share) * gap
            evidence = share * last.evidence + (1 - share) * evidence
            phones[-1] = _Phone(last.way, last.start, stretch.end, gap, evidence)
        else:
            phones.append(_Phone(way, stretch.start, stretch.end, gap, evidence))
    return phones


def _by_sound(states: np.ndarray) -> np.ndarray:
    """Probabilities of states (…, STATE_COUNT) as those of their sounds (…, len(SOUNDS))."""
    rest = states[:, 1:].reshape(len(states), -1, STATES).sum(axis=2)
    return np.concatenate([states[:, :1], rest], axis=1)


def _word_spans(
    words: Sequence[SpokenWord], phones: Sequence[_Phone], segments: Sequence[Segment]
) -> tuple[Segment, ...]:
    spans: dict[int, tuple[int, int]] = {}
    for phone, segment in zip(phones, segments):
        number = phone.way.word
        if number >= 0:
            spans[number] = (spans.get(number, (segment.start, 0))[0], segment.end)
    return tuple(Segment(words[n].text, start, end) for n, (start, end) in spans.items())


ALIGNER = Neural
