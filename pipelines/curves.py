"""Soft labels and blend shape curves of clips as a table, beside the hard labels of the export.

One row a clip: `clip_id`, `rate` (pictures a second), `hard` (a class each picture), `soft`
(12 shares each picture) and `curves` (the 52 weights of ARKit each picture). `hard` and `soft` have
the twelve shapes of the export; `curves` come from the phones by the finer poses of arkit52.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clips import Clip
from visemes.blendshapes import blendshape_curves, load_poses
from visemes.frames import resample
from visemes.inventory import load_inventory
from visemes.rates import rate_text
from visemes.rules import ANIMATION, to_visemes
from visemes.soft import soft_labels


def curves_table(clips: Sequence[Clip], rate: Fraction) -> bytes:
    """The Parquet file of clips that have `phones` and `visemes`, at `rate` pictures a second.

    Weights and shares have 4 decimals, float32. The schema's metadata names the classes, and the
    blend shapes in order.
    """
    inventory, poses = load_inventory("cherry12"), load_poses()
    rows: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]] = []
    for clip in clips:
        hard = resample(clip.visemes, rate, inventory)
        soft = soft_labels(hard, rate, inventory)
        fine = to_visemes(clip.phones, poses.inventory, ANIMATION, clip.ipa)
        shares = soft_labels(resample(fine, rate, poses.inventory), rate, poses.inventory)
        curves = blendshape_curves(shares, poses.inventory, poses)
        rows.append((clip.clip_id, hard, np.round(soft, 4), np.round(curves, 4)))
    schema = pa.schema(
        [
            ("clip_id", pa.string()),
            ("rate", pa.string()),
            ("hard", pa.list_(pa.uint8())),
            ("soft", pa.list_(pa.list_(pa.float32(), len(inventory.classes)))),
            ("curves", pa.list_(pa.list_(pa.float32(), len(poses.blendshapes)))),
        ],
        metadata={
            "classes": " ".join(inventory.classes),
            "blendshapes": " ".join(poses.blendshapes),
        },
    )
    columns = [
        pa.array([clip_id for clip_id, *_ in rows]),
        pa.array([rate_text(rate)] * len(rows)),
        pa.array([hard for _, hard, _, _ in rows], schema.field("hard").type),
        _matrices([soft for *_, soft, _ in rows]),
        _matrices([curves for *_, curves in rows]),
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _matrices(matrices: Sequence[np.ndarray]) -> pa.Array:
    """Matrices of equally many columns as lists of rows."""
    offsets = np.cumsum([0, *(len(matrix) for matrix in matrices)])
    flat = pa.array(np.concatenate(matrices).ravel())
    width = matrices[0].shape[1]
    lines = pa.FixedSizeListArray.from_arrays(flat, width)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), lines)
