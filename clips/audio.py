"""Sound: the 16-bit grid, FLAC bytes, and reading any file to mono 16 kHz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

from clips.errors import BadAudio
from clips.files import open_regular
from clips.segment import LONGEST_SECONDS, RATE

STEP = 1 / 32768
"""One step of the 16-bit grid that all clips' samples lie on."""

_BLOCK = 1 << 20  # samples worked on at a time


def to_grid(samples: np.ndarray) -> np.ndarray:
    """`samples` (float, −1..1) as float32 rounded to the 16-bit grid, and clipped to its range.

    On the grid a clip survives FLAC without losing anything.
    Raises BadAudio if a sample is not a finite number.
    """
    samples = np.asarray(samples)
    grid = np.empty(samples.shape, np.float32)
    for at in range(0, len(samples), _BLOCK):  # an hour in one piece would take gigabytes
        block = samples[at : at + _BLOCK].astype(np.float64)
        if not np.isfinite(block).all():
            raise BadAudio("samples are not finite numbers", remedy="check what made this audio")
        # + 0.0 makes −0.0 plain, which FLAC does not keep
        grid[at : at + _BLOCK] = np.clip(np.rint(block * 32768), -32768, 32767) * STEP + 0.0
    return grid


def to_flac(samples: np.ndarray) -> bytes:
    """FLAC bytes (mono, 16 kHz, 16 bit) of float32 samples that lie on the grid."""
    buffer = io.BytesIO()
    pcm = np.rint(samples.astype(np.float64) * 32768).astype(np.int16)
    soundfile.write(buffer, pcm, RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def from_flac(data: bytes) -> np.ndarray:
    """Float32 samples on the grid, from FLAC bytes that `to_flac` made. Raises BadAudio."""
    blocks, remedy = [], "delete the partition and run the stage again"
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.samplerate != RATE or file.channels != 1:
                raise BadAudio(f"the stored FLAC is not mono at {RATE} Hz", remedy=remedy)
            if file.frames > LONGEST_SECONDS * RATE:
                raise BadAudio(f"the stored FLAC claims {file.frames} samples", remedy=remedy)
            while len(block := file.read(_BLOCK, dtype="int16")):
                blocks.append(block.astype(np.float32) * np.float32(STEP))
            if sum(map(len, blocks)) != file.frames:
                raise BadAudio("the stored FLAC is cut off", remedy=remedy)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise BadAudio(f"the stored FLAC cannot be read: {error}", remedy=remedy) from error
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def read_audio(path: str | Path, *, max_seconds: float = 3600.0) -> np.ndarray:
    """Any file that libsndfile reads, as mono float32 at 16 kHz (not on the grid yet).

    Channels are averaged; other rates are resampled by soxr at its high quality.
    The file is read and resampled in blocks and refused once it holds more than `max_seconds`, so
    memory follows the seconds of sound, whatever the header says of rates and channels.
    Raises BadAudio that names the file: missing, unreadable, truncated, empty, absurd or too long.
    """
    where = str(path)
    try:
        with open_regular(path):  # libsndfile would wait for a pipe
            pass
        with soundfile.SoundFile(path) as file:
            rate, claimed = file.samplerate, file.frames
            if not 1000 <= rate <= 768_000:
                raise BadAudio(
                    f"the sampling rate {rate} Hz is not believable",
                    where=where,
                    remedy="resample the file, or write its true rate into its header",
                )
            samples, count = _read_mono(file, max_seconds, where)
    # ValueError: a name that no file can have; TypeError: a .raw file, which does not say its rate.
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError, TypeError) as error:
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
    if not len(samples):
        raise BadAudio("holds no samples", where=where, remedy="record it again or leave it out")
    return samples


def _read_mono(file: soundfile.SoundFile, max_seconds: float, where: str) -> tuple[np.ndarray, int]:
    """All of a file as float32 at 16 kHz, and how many frames it held."""
    rate, channels, count, blocks = file.samplerate, file.channels, 0, []
    limit = int(min(max_seconds, LONGEST_SECONDS) * rate)
    resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ")
    while True:
        block = file.read(max(1, _BLOCK // channels), dtype="float32", always_2d=True)
        mono = block.mean(axis=1) if channels > 1 else block[:, 0]
        count += len(mono)
        if count > limit:
            raise BadAudio(
                f"longer than {max_seconds:g} s",
                where=where,
                remedy="cut it into utterances first, or raise max_seconds in params.yaml",
            )
        if not np.isfinite(mono).all():
            raise BadAudio(
                "holds samples that are not finite numbers", where=where, remedy="export it again"
            )
        blocks.append(mono if rate == RATE else resampler.resample_chunk(mono, last=not len(mono)))
        if not len(mono):
            return np.concatenate(blocks), count


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
