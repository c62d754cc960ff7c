"""The sound after a speech or music codec: coded, decoded, and its delay taken off again.

libsndfile, which reads and writes all our sound, also has G.711, GSM, Opus and MP3. The others need
an ffmpeg: the one on PATH, or that of the package imageio-ffmpeg.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soundfile
import soxr

from augment.drawn import ChannelTransform
from augment.loudness import within_peak
from augment.values import Checked, one_of, some_of, text, whole
from clips import RATE, BadParams, Clip, EngineFailed, EngineMissing


@dataclass(frozen=True, slots=True)
class Codec:
    """rate: Hz. bitrates: bits per second that it is drawn with. file: libsndfile's format and
    subtype; level: (slope, offset) of libsndfile's compression level over the bitrate.
    ffmpeg: encoder and container."""

    rate: int
    bitrates: tuple[int, ...]
    file: tuple[str, str] = ("", "")
    level: tuple[float, float] | None = None
    ffmpeg: tuple[str, str] = ("", "")


CODECS = {
    "alaw": Codec(8000, (64000,), ("WAV", "ALAW")),
    "mulaw": Codec(8000, (64000,), ("WAV", "ULAW")),
    "gsm": Codec(8000, (13000,), ("WAV", "GSM610")),
    # libsndfile 1.2.2: level 1 is 6 kbit/s of Opus and 8 of MP3, level 0 is 256 and 160. Read off
    # the sizes of files.
    "opus": Codec(
        16000, (8000, 12000, 16000, 24000, 32000), ("OGG", "OPUS"), (-1 / 250000, 256 / 250)
    ),
    "mp3": Codec(
        16000, (16000, 24000, 32000, 48000, 64000), ("MP3", "MPEG_LAYER_III"),
        (-1 / 152000, 160 / 152),
    ),
    "amr": Codec(8000, (4750, 5900, 7400, 10200, 12200), ffmpeg=("libopencore_amrnb", "amr")),
    "speex": Codec(8000, (5950, 8000, 11000, 15000), ffmpeg=("libspeex", "ogg")),
    "aac": Codec(16000, (16000, 24000, 32000, 48000), ffmpeg=("aac", "adts")),
}  # fmt: skip
"""G.711 and GSM full rate: telephones. AMR: mobile phones. Opus, Speex: calls over the internet.
MP3, AAC: films and podcasts."""

EMBEDDED = tuple(name for name, codec in CODECS.items() if codec.file[0])
"""The codecs that need no ffmpeg."""

_FARTHEST = RATE // 5  # samples: the longest delay that is looked for (200 ms)
_INSTALL = 'pip install "imageio-ffmpeg>=0.6" (AMR, AAC), or apt-get install ffmpeg (Speex, AAC)'


@dataclass(frozen=True, slots=True)
class CodecSettings(Checked):
    """codecs: those to draw from; EMBEDDED are always there."""

    codecs: tuple[str, ...] = some_of(tuple(CODECS), EMBEDDED)


@dataclass(frozen=True, slots=True)
class CodecParams(Checked):
    """codec: of CODECS. bitrate: one of its own (bits per second). made_by: the program or library
    and its version; another one may give other bytes."""

    codec: str = one_of(tuple(CODECS))
    bitrate: int = whole(1, 10**6)
    made_by: str = text()

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.bitrate not in CODECS[self.codec].bitrates:
            raise BadParams(
                f"bitrate is {self.bitrate}",
                remedy=f"choose one of {self.codec}: {CODECS[self.codec].bitrates}",
            )


class CodecTransform(ChannelTransform[CodecParams]):
    """Codes and decodes a clip."""

    name = "codec"
    Settings, Params = CodecSettings, CodecParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> CodecParams:
        """See Transform.draw: codec, then bitrate, evenly. Raises EngineMissing."""
        name = self.settings.codecs[rng.integers(len(self.settings.codecs))]
        bitrates = CODECS[name].bitrates
        return CodecParams(name, bitrates[rng.integers(len(bitrates))], maker_of(name))

    def render(self, clip: Clip, params: CodecParams) -> np.ndarray:
        """See ChannelTransform.render. Raises EngineMissing if the codec is not here, or is not the
        version that the parameters were drawn with."""
        if params.made_by != maker_of(params.codec):
            raise EngineMissing(
                f"this {params.codec} is of {maker_of(params.codec)}, not of {params.made_by}",
                where=f"clip {clip.clip_id}",
                remedy=f"install {params.made_by}, or run augment again",
            )
        delay = find_delay(params.codec, params.bitrate)
        sound = code(clip.audio, params.codec, params.bitrate)[delay:]
        return within_peak(np.pad(sound, (0, max(len(clip) - len(sound), 0)))[: len(clip)])

    def versions(self) -> list[str]:
        """See DrawnTransform.versions."""
        return [maker_of(name) for name in self.settings.codecs]


def maker_of(name: str) -> str:
    """Library or program, and version, behind a codec. Raises EngineMissing."""
    if CODECS[name].file[0]:
        return f"libsndfile {soundfile.__libsndfile_version__}"
    return _find_ffmpeg(CODECS[name].ffmpeg[0])[1]


def code(audio: np.ndarray, name: str, bitrate: int) -> np.ndarray:
    """`audio` (16 kHz) coded and decoded: float64, 16 kHz, late by the codec's delay, and as long
    as that needs."""
    codec = CODECS[name]
    padded = np.pad(audio.astype(np.float64), (0, _FARTHEST))
    sound = _resample(padded, RATE, codec.rate)
    coded = _by_file if codec.file[0] else _by_ffmpeg
    return _resample(coded(sound, codec, bitrate), codec.rate, RATE)


@lru_cache(None)
def find_delay(name: str, bitrate: int) -> int:
    """Samples (16 kHz) by which a codec's sound comes late, measured on a made sound."""
    probe = _make_probe()
    return measure_delay(probe, code(probe, name, bitrate))


def measure_delay(before: np.ndarray, after: np.ndarray) -> int:
    """By how many samples `after` is late: the highest of the cross-correlation, within 200 ms."""
    size = len(before) + len(after)
    spectrum = np.conj(np.fft.rfft(before, size)) * np.fft.rfft(after, size)
    match = np.roll(np.fft.irfft(spectrum, size), _FARTHEST)[: 2 * _FARTHEST + 1]
    return max(int(match.argmax()) - _FARTHEST, 0)


def _make_probe() -> np.ndarray:
    """Two seconds of syllables: a gliding voice with harmonics up to 3 kHz, four times a second."""
    time = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * (110 * time + 15 * time**2)
    voice = sum(np.sin(n * phase) / n for n in range(2, 18))
    return 0.2 * voice * np.sin(4 * np.pi * time) ** 2


def _resample(sound: np.ndarray, before: int, after: int) -> np.ndarray:
    return sound if before == after else soxr.resample(sound, before, after, quality="HQ")


def _by_file(sound: np.ndarray, codec: Codec, bitrate: int) -> np.ndarray:
    kind, subtype = codec.file
    options = {}
    if codec.level:
        slope, offset = codec.level
        options["compression_level"] = slope * bitrate + offset
    if kind == "MP3":
        options["bitrate_mode"] = "CONSTANT"  # else the level is one of quality
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, sound, codec.rate, format=kind, subtype=subtype, **options)
        buffer.seek(0)
        return soundfile.read(buffer, dtype="float64")[0]
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise EngineFailed(f"{subtype} failed: {error}", remedy="leave the codec out") from error


def _by_ffmpeg(sound: np.ndarray, codec: Codec, bitrate: int) -> np.ndarray:
    encoder, container = codec.ffmpeg
    program = _find_ffmpeg(encoder)[0]
    raw = ["-f", "s16le", "-ar", str(codec.rate), "-ac", "1"]
    pcm = np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes()
    out = ["-c:a", encoder, "-b:a", str(bitrate), "-bitexact", "-f", container]
    coded = _run([program, *raw, "-i", "pipe:0", *out, "pipe:1"], pcm)
    kind = "aac" if container == "adts" else container
    decoded = _run([program, "-f", kind, "-i", "pipe:0", *raw, "pipe:1"], coded)
    return np.frombuffer(decoded, "<i2") / 32768


def _run(command: list[str], data: bytes) -> bytes:
    quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-threads", "1"]
    done = subprocess.run([command[0], *quiet, *command[1:]], input=data, capture_output=True)
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing came back"]
        raise EngineFailed(f"ffmpeg failed: {said[-1]}", remedy="leave the codec out")
    return done.stdout


@lru_cache(None)
def _find_ffmpeg(encoder: str) -> tuple[str, str]:
    """An ffmpeg that has `encoder`, and its name and version. Raises EngineMissing."""
    for program in _ffmpegs():
        listed = subprocess.run(
            [program, "-hide_banner", "-encoders"], capture_output=True, text=True
        )
        if encoder in listed.stdout.split():
            first = subprocess.run([program, "-version"], capture_output=True, text=True).stdout
            return program, " ".join(first.split()[:3:2])
    raise EngineMissing(f"there is no ffmpeg with the encoder {encoder}", remedy=_INSTALL)


def _ffmpegs() -> list[str]:
    on_path = [path] if (path := shutil.which("ffmpeg")) else []
    try:
        import imageio_ffmpeg
    except ImportError:
        return on_path
    return [imageio_ffmpeg.get_ffmpeg_exe(), *on_path]


TRANSFORM = CodecTransform
