"""What everything else passes around: segments, clips, partitions on disk, rejects, errors."""

from clips.audio import from_flac, read_audio, to_flac, to_grid
from clips.clip import SPLITS, TIMINGS, Clip, Op, Reject
from clips.errors import (
    BadAudio,
    BadInput,
    BadLabels,
    BadManifest,
    BadParams,
    BadText,
    EngineFailed,
    EngineMissing,
    VisemillError,
)
from clips.randomness import draw_stream, partition_of, unit_hash
from clips.segment import RATE, SILENCE, Segment, cut, find_faults, merge_equal, tile, warp
from clips.store import (
    REJECTS,
    partition_name,
    partitions_in,
    read_clips,
    read_rejects,
    replacing,
    write_clips,
    write_rejects,
)
from clips.textgrid import read_textgrid, write_textgrid

__all__ = [
    "RATE", "REJECTS", "SILENCE", "SPLITS", "TIMINGS",
    "BadAudio", "BadInput", "BadLabels", "BadManifest", "BadParams", "BadText",
    "Clip", "EngineFailed", "EngineMissing", "Op", "Reject", "Segment", "VisemillError",
    "cut", "draw_stream", "find_faults", "from_flac", "merge_equal", "partition_name",
    "partition_of", "partitions_in", "read_audio", "read_clips", "read_rejects",
    "read_textgrid", "replacing", "tile", "to_flac", "to_grid", "unit_hash", "warp",
    "write_clips", "write_rejects", "write_textgrid",
]  # fmt: skip
