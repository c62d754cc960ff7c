"""What a film of mouths shows: a mouth for each track, and sound, phones and shapes below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import numpy as np

from clips import RATE, Segment
from pipelines.pictures import COLOURS
from pipelines.preview.raster import Sheet
from pipelines.preview.tracks import INVENTORY, Track
from visemes.classes import CLASSES
from visemes.rates import frames_in

_PAPER, _INK, _FAINT, _WAVE, _HEAD = "#fafaf7", "#202020", "#d8d8d0", "#4b6a88", "#d01c1c"
_CHUNK = 4.0  # seconds of strip that are drawn at once


@dataclass(frozen=True, slots=True)
class Look:
    """Measures in pixels. `scroll`: the strip moves under the playhead, or the playhead over it,
    page by page, which changes fewer pixels."""

    mouth: int = 320
    row: int = 24
    wave: int = 72
    second: int = 240
    text: int = 12
    least: int = 640
    scroll: bool = True


FILM = Look()
SMALL = Look(mouth=180, row=16, wave=36, second=110, text=9, least=360, scroll=False)


class Scene:
    """The pictures of tracks over one sound, at `rate` a second."""

    def __init__(
        self,
        audio: np.ndarray,
        tracks: Sequence[Track],
        phones: Sequence[Segment],
        rate: Fraction,
        look: Look = FILM,
    ) -> None:
        """audio: mono samples at 16 kHz. phones: may be empty."""
        self.rate, self.look = rate, look
        self._audio, self._tracks, self._phones = audio, tracks, phones
        self._loudest = max(float(np.abs(audio).max()), 1e-4)
        self._shown = [track.pictures(rate) for track in tracks]
        self.length = frames_in(len(audio), rate)
        columns = min(len(tracks), 4)
        lines = -(-len(tracks) // columns)
        self.width = _even(max(look.least, columns * look.mouth))
        self._cell = self.width // columns
        self._gutter = 5 * look.text + 6
        self._cell_height = int(0.74 * look.mouth) + 2 * look.row
        self._top = lines * self._cell_height
        rows = (len(phones) > 0) + len(tracks) + 1
        self._strip_height = look.wave + rows * look.row
        self.height = _even(self._top + self._strip_height + look.row // 2)
        self._columns = columns
        self._mouth = lru_cache(256)(self._draw_mouth)
        self._chunk = lru_cache(4)(self._draw_chunk)

    def pictures(self, every: int = 1) -> Iterator[np.ndarray]:
        """Each `every`th picture, (height, width, 3), uint8; the same array, drawn anew."""
        picture = self._still()
        for number in range(0, self.length, every):
            for at, (classes, shares) in enumerate(self._shown):
                x, y = self._corner(at)
                # in steps of 1/64, which no eye sees, most pictures have been drawn before
                steps = tuple(np.rint(shares[number] * 64).astype(int).tolist())
                pixels = self._mouth(steps, int(classes[number]))
                picture[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
            self._strip(picture, float((number + Fraction(1, 2)) / self.rate))
            yield picture

    def _corner(self, at: int) -> tuple[int, int]:
        """Where the moving part of the cell of a track begins."""
        line, column = divmod(at, self._columns)
        x = column * self._cell + (self._cell - self.look.mouth) // 2
        return x, line * self._cell_height + self.look.row

    def _draw_mouth(self, steps: tuple[int, ...], shape: int) -> np.ndarray:
        size, look = self.look.mouth, self.look
        sheet = Sheet(size, self._cell_height - look.row, _PAPER)
        sheet.mouth(size / 2, 0.37 * size, size, dict(zip(CLASSES, steps)))
        name = CLASSES[shape]
        words = f"{INVENTORY.letters[name]}  {name}"
        sheet.text(size / 2, self._cell_height - 1.6 * look.row, words, _INK, look.text)
        return sheet.pixels()

    def _still(self) -> np.ndarray:
        """What does not move."""
        look = self.look
        sheet = Sheet(self.width, self.height, _PAPER)
        for at, track in enumerate(self._tracks):
            x, y = self._corner(at)
            middle = x + look.mouth / 2
            words = self._fitting(sheet, track.name, self._cell - 8, look.text + 2)
            sheet.text(middle, y - look.row / 3, words, _INK, look.text + 2, weight="bold")
        names = ["phones"] * (len(self._phones) > 0) + [track.name for track in self._tracks]
        y = self._top + look.wave + look.row / 2
        for name in names:
            words = self._fitting(sheet, name, self._gutter - 6, look.text - 1)
            sheet.text(self._gutter / 2, y, words, _INK, look.text - 1)
            y += look.row
        return sheet.pixels()

    def _fitting(self, sheet: Sheet, words: str, width: float, size: float) -> str:
        """The words, cut to a width."""
        if sheet.width_of(words, size) <= width:
            return words
        while words and sheet.width_of(words + "…", size) > width:
            words = words[:-1]
        return words + "…"

    def _strip(self, picture: np.ndarray, time: float) -> None:
        """Copies what is to be seen of the strip at `time` seconds, and the playhead."""
        look = self.look
        room = self.width - self._gutter
        at = int(time * look.second)
        first = at - room // 3 if look.scroll else at // room * room
        part = picture[self._top : self._top + self._strip_height, self._gutter :]
        chunk = int(_CHUNK * look.second)
        for number in range(first // chunk, (first + room) // chunk + 1):
            left = max(first, number * chunk)
            right = min(first + room, (number + 1) * chunk)
            pixels = self._chunk(number)
            part[:, left - first : right - first] = pixels[
                :, left - number * chunk : right - number * chunk
            ]
        part[:, at - first : at - first + 2] = _rgb(_HEAD)

    def _draw_chunk(self, number: int) -> np.ndarray:
        """The strip from `number` · _CHUNK seconds on."""
        look = self.look
        start, end = number * _CHUNK, (number + 1) * _CHUNK
        sheet = Sheet(int(_CHUNK * look.second), self._strip_height, _PAPER)
        middle = look.wave / 2
        for x, (low, high) in enumerate(self._peaks(start, sheet.width)):
            sheet.box(x, middle * (1 - high), 1, max(1.0, middle * (high - low)), _WAVE)
        y = look.wave
        rows = [(self._phones, None)] if self._phones else []
        rows += [(track.segments, COLOURS) for track in self._tracks]
        for segments, colours in rows:
            for segment in segments:
                if segment.end / RATE > start and segment.start / RATE < end:
                    self._draw_segment(sheet, segment, start, y, colours)
            y += look.row
        step = 0.5
        for tick in range(max(0, int(start / step)), int(end / step)):
            if tick * step * RATE <= len(self._audio):
                x = (tick * step - start) * look.second
                words = f"{tick * step:g} s"
                sheet.box(x, y, 1, look.row - 6, _INK)
                middle = x + 4 + sheet.width_of(words, look.text - 2) / 2
                sheet.text(middle, y + look.row / 2 - 2, words, _INK, look.text - 2)
        return sheet.pixels()

    def _draw_segment(self, sheet, segment, start: float, y: float, colours) -> None:
        look = self.look
        x = (segment.start / RATE - start) * look.second
        width = segment.seconds * look.second
        colour = colours[segment.label] if colours else "#ffffff"
        sheet.box(x, y, width, look.row - 1, _FAINT)
        sheet.box(x + 1, y, max(width - 1, 1), look.row - 1, colour)
        words = segment.label
        if sheet.width_of(words, look.text - 1) < width:
            dark = sum(_rgb(colour) * (0.3, 0.59, 0.11)) < 120
            ink = "#ffffff" if dark else _INK
            sheet.text(x + width / 2, y + look.row / 2 - 1, words, ink, look.text - 1)

    def _peaks(self, start: float, width: int) -> list[tuple[float, float]]:
        """The lowest and the highest sample of each column, of the loudest one (−1..1)."""
        edges = np.rint((start + np.arange(width + 1) / self.look.second) * RATE).astype(int)
        peaks = []
        for left, right in pairwise(edges):
            piece = self._audio[max(left, 0) : max(right, 0)] / self._loudest
            peaks.append((float(piece.min()), float(piece.max())) if len(piece) else (0.0, 0.0))
        return peaks


def _even(number: int) -> int:
    """The video format wants even sizes."""
    return number + number % 2


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.uint8)
