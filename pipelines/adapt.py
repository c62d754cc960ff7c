"""Stage `adapt@corpus`: the aligner's acoustic model, made to fit the recordings of one corpus.

The recordings are aligned as the model hears them now; what is not doubtful trains it further,
mixed with synthetic speech. Nobody's labels are used.

Measured on hand labels (mean distance, F1 at 20 ms), before → after adapting to the sound of emodb
(8 min): emodb 9.0 → 8.4 ms, 0.811 → 0.830; in noise 14.2 → 13.3 ms, 0.697 → 0.724. Adapting to
speechocean762 (30 min, English by learners) makes other corpora a little worse (emodb 9.2 ms,
0.804), so a model is for its own corpus only. An adapted model hears its speakers better, but finds
wrong texts likelier too: at the usual limit it rejects 66 % of them, not 85 %.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from itertools import islice

from align.acoustic import AcousticModel, load_model
from align.confidence import doubt
from align.neural import Neural
from clips import Clip, VisemillError, partitions_in, read_clips
from clips.randomness import unit_hash
from pipelines.acoustic import training_clips
from pipelines.aligners import MODEL, read_text
from pipelines.params import load_params
from pipelines.stage import DATA, exit_with, seed
from pipelines.train import THREADS

LEAST, MOST = 180.0, 1800.0
"""Seconds of aligned speech: with less than the first the model stays as it is; of more than the
second only that much is used, by chance."""

MIXED = 400
"""Synthetic clips that are mixed in."""


def run(corpus: str) -> None:
    """Writes datasets/adapt/<corpus>/model.npz."""
    from align.training import AcousticParams

    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    params = load_params("acoustic", AcousticParams)
    clips = [
        clip
        for path in partitions_in(DATA / "ingest" / corpus)
        for clip in read_clips(path)
        if clip.split in ("", "train")
    ]
    synthetic = islice(training_clips(), MIXED)
    model = adapted(load_model(MODEL), clips, synthetic, params, seed())
    model.save(DATA / "adapt" / corpus / "model.npz")


def adapted(
    model: AcousticModel, clips: Iterable[Clip], synthetic: Iterable[Clip], params, seed: int
) -> AcousticModel:
    """The model adapted to recordings (their labels, if any, are not read).

    params: AcousticParams. The same model if the recordings give too little speech to learn from.
    """
    import torch

    from align.training import adapt, collect

    own = list(_aligned(Neural(model, read_text), clips))
    seconds = sum(clip.seconds for clip in own)
    print(f"adapt: {seconds / 60:.1f} min of {len(own)} clips to learn from")
    if seconds < LEAST:
        return model
    torch.set_num_threads(THREADS)
    return adapt(model, collect(own), collect(synthetic), params, seed)


def _aligned(aligner: Neural, clips: Iterable[Clip]) -> Iterator[Clip]:
    """The clips that are aligned without doubt, in an order drawn from their names."""
    seconds = 0.0
    for clip in sorted(clips, key=lambda clip: unit_hash(clip.clip_id)):
        if seconds >= MOST:
            return
        try:
            aligned = aligner.align(clip)
        except VisemillError:  # the align stage says so, for every clip
            continue
        if doubt(aligned.score) is None:
            seconds += aligned.seconds
            yield aligned


def main() -> None:
    """Command line: `python -m pipelines.adapt CORPUS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=("recordings", "narrated"))
    run(parser.parse_args().corpus)


if __name__ == "__main__":
    exit_with(main)
