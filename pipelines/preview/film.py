"""Films with sound, and GIFs, by the ffmpeg that imageio-ffmpeg brings."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image
from tqdm import tqdm

from clips import BadParams, EngineFailed, EngineMissing, replacing, to_flac, to_grid
from pipelines.preview.scene import Scene

FASTEST_GIF = 50
"""Pictures a second: browsers show a GIF with shorter delays than 2/100 s slowly."""

_COLOURS = 64  # of a GIF


def write_mp4(path: Path, scene: Scene, audio: np.ndarray) -> None:
    """A film with H.264 pictures and AAC sound (mono, 16 kHz), which every player knows.

    Raises EngineFailed with ffmpeg's words, OSError if `path` cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.flac"
        sound.write_bytes(to_flac(to_grid(audio)))
        encoding = "-map 0:v -map 1:a -c:v libx264 -preset veryfast -crf 18"
        encoding += " -pix_fmt yuv420p -threads 2 -c:a aac -b:a 96k -movflags +faststart -f mp4"
        _run(path, scene, ["-i", str(sound), *encoding.split()])


def write_gif(path: Path, scene: Scene) -> None:
    """The pictures alone, in 64 colours. Errors as `write_mp4`, and BadParams above 50 a second."""
    if scene.rate > FASTEST_GIF:
        raise BadParams(
            f"a GIF cannot show {float(scene.rate):g} pictures a second",
            remedy=f"give --fps {FASTEST_GIF} or less",
        )
    with tempfile.TemporaryDirectory() as folder:
        palette = Path(folder) / "palette.png"
        _palette(scene).save(palette)
        use = "paletteuse=dither=none:diff_mode=rectangle"
        _run(path, scene, ["-i", str(palette), "-filter_complex", use, "-f", "gif"])


def _palette(scene: Scene) -> Image.Image:
    """The colours of up to 40 pictures from all over, as the 16 × 16 pixels that ffmpeg wants."""
    every = -(-scene.length // 40)
    sheet = np.concatenate([p[::2, ::2].copy() for p in scene.pictures(every)])
    few = Image.fromarray(sheet).quantize(_COLOURS, Image.Quantize.MEDIANCUT).getpalette()
    colours = np.array(few, np.uint8).reshape(-1, 3)
    colours = colours[np.arange(256) % len(colours)]
    return Image.fromarray(colours.reshape(16, 16, 3))


def _ffmpeg() -> str:
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:  # its wheel has none for this machine, nor does the PATH
        raise EngineMissing("there is no ffmpeg", remedy="apt-get install ffmpeg") from error


def _run(path: Path, scene: Scene, arguments: Sequence[str]) -> None:
    """Feeds the pictures to ffmpeg, which writes `path`. Raw pictures are input 0."""
    with replacing(path) as temporary, tempfile.TemporaryFile() as complaints:
        command = [
            _ffmpeg(), "-v", "error", "-y",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{scene.width}x{scene.height}",
            "-framerate", str(scene.rate), "-i", "-",
            *arguments, "-fflags", "+bitexact", str(temporary.absolute()),
        ]  # fmt: skip
        with (
            suppress(BrokenPipeError),  # ffmpeg has stopped, and says why
            subprocess.Popen(command, stdin=subprocess.PIPE, stderr=complaints) as process,
        ):
            for picture in tqdm(scene.pictures(), total=scene.length, unit="pictures", delay=2):
                process.stdin.write(picture.tobytes())
        if process.returncode:
            complaints.seek(0)
            words = complaints.read().decode("utf-8", "replace").strip().splitlines()
            raise EngineFailed(
                f"ffmpeg failed ({(words or ['?'])[-1]})",
                where=str(path),
                remedy="check that there is room on the disk",
            )
