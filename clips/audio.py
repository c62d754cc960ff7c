"""Sound: the 16-bit grid, FLAC bytes, and reading any file to mono 16 kHz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

from clips.errors import BadAudio
from clips.segment import RATE

STEP = 1 / 32768
"""One step of the 16-bit grid that all clips' samples lie on."""

_BLOCK = 1 << 16  # frames read at a time
_HEADER_LIMIT = 48 * 3600  # seconds: a header that claims more is not believed


def to_grid(samples: np.ndarray) -> np.ndarray:
    """`samples` (float, −1..1) as float32 rounded to the 16-bit grid, and clipped to its range.

    On the grid a clip survives FLAC without losing anything.
    Raises BadAudio if a sample is not a finite number.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if not np.isfinite(samples).all():
        raise BadAudio("samples are not finite numbers", remedy="check what made this audio")
    # + 0.0 makes −0.0 plain, which FLAC does not keep
    return (np.clip(np.rint(samples * 32768), -32768, 32767) * STEP + 0.0).astype(np.float32)


def to_flac(samples: np.ndarray) -> bytes:
    """FLAC bytes (mono, 16 kHz, 16 bit) of float32 samples that lie on the grid."""
    buffer = io.BytesIO()
    pcm = np.rint(samples.astype(np.float64) * 32768).astype(np.int16)
    soundfile.write(buffer, pcm, RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def from_flac(data: bytes) -> np.ndarray:
    """Float32 samples on the grid, from FLAC bytes that `to_flac` made."""
    try:
        pcm, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise BadAudio(f"the stored FLAC cannot be read: {error}") from error
    if rate != RATE or pcm.ndim != 1:
        raise BadAudio(f"the stored FLAC is not mono at {RATE} Hz")
    return pcm.astype(np.float32) * np.float32(STEP)


def read_audio(path: str | Path, *, max_seconds: float = 3600.0) -> np.ndarray:
    """Any file that libsndfile reads, as mono float32 at 16 kHz (not on the grid yet).

    Channels are averaged; other rates are resampled by soxr at its high quality.
    The file is read in blocks and refused once it holds more than `max_seconds`.
    Raises BadAudio that names the file: missing, unreadable, truncated, empty, absurd or too long.
    """
    where = str(path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels = file.samplerate, file.channels
            if not 1000 <= rate <= 768_000:
                raise BadAudio(
                    f"the sampling rate {rate} Hz is not believable",
                    where=where,
                    remedy="resample the file, or write its true rate into its header",
                )
            limit = int(min(max_seconds, _HEADER_LIMIT) * rate)
            blocks, count = [], 0
            while True:
                block = file.read(_BLOCK, dtype="float32", always_2d=True)
                if not len(block):
                    break
                count += len(block)
                if count > limit:
                    raise BadAudio(
                        f"longer than {max_seconds:g} s",
                        where=where,
                        remedy="cut it into utterances first, or raise max_seconds in params.yaml",
                    )
                blocks.append(block.mean(axis=1) if channels > 1 else block[:, 0])
            claimed = file.frames
    except (soundfile.SoundFileError, RuntimeError, OSError, UnicodeError) as error:
        raise BadAudio(
            f"cannot be read as audio ({_first_line(error)})",
            where=where,
            remedy="check that the file exists and plays; WAV, FLAC, Ogg and MP3 are read",
        ) from error
    if not count:
        raise BadAudio("holds no samples", where=where, remedy="record it again or leave it out")
    if 0 < claimed < 2**62 and count < claimed * 0.99:  # MP3 headers are off by a few frames
        raise BadAudio(
            "is truncated",
            where=where,
            remedy=f"{count} of {claimed} frames could be read: copy the file again",
        )
    samples = np.concatenate(blocks)
    if not np.isfinite(samples).all():
        raise BadAudio(
            "holds samples that are not finite numbers", where=where, remedy="export it again"
        )
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE, quality="HQ")
    if not len(samples):
        raise BadAudio("holds no samples", where=where, remedy="record it again or leave it out")
    return samples.astype(np.float32)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
