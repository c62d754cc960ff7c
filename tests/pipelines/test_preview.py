"""`visemill preview`: what is read, what is drawn when, and films in sync with their sound."""

from __future__ import annotations

import argparse
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from clips import BadInput, BadLabels, BadParams, Segment, merge_equal, read_audio, write_textgrid
from lipsync.errors import BadModel
from pipelines.pictures import COLOURS
from pipelines.preview.chart import draw_chart
from pipelines.preview.raster import Sheet
from pipelines.preview.scene import FILM, SMALL, Scene
from pipelines.preview.tracks import Track, cue_format, named, read_phones, read_track
from pipelines.preview_command import add_arguments, run
from tests.pipelines.preview_clip import CLOSURES, SECONDS, clip  # noqa: F401
from visemes.classes import CLASSES
from visemes.drawing import load_mouth
from visemes.formats import FORMATS, CueTrack, write_cues
from visemes.inventory import load_inventory

RATE = Fraction(24)
CAVITY = np.array([0x3A, 0x0D, 0x15])


def visemill_preview(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(word) for word in words]))


def ffmpeg(*words: object) -> bytes:
    """What ffmpeg writes to its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *map(str, words), "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def gaping(picture: np.ndarray) -> int:
    """How many pixels have the colour of the open mouth, and are not the grey of words."""
    near = np.abs(picture.astype(int) - CAVITY).max(-1) < 28
    return int((near & (picture[..., 0] > picture[..., 1] + 15.0)).sum())


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


# What is read


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_known_by_itself_and_drawn(tmp_path, name):
    letters = load_inventory("cherry12").letters
    order = [name for name in CLASSES if name != "Neutral"]
    cues = tuple((0.2 * n, letters[viseme]) for n, viseme in enumerate(["Neutral", *order]))
    track = CueTrack((*cues, (2.4, "X")), 2.8)
    path = tmp_path / f"cues.{FORMATS[name].suffix}"
    path.write_text(write_cues(track, name, Fraction(25)), encoding="utf-8")
    assert cue_format(path) == name
    read = read_track(path, "t", 16_000 * 4, Fraction(25)).segments
    assert read[0].start == 0 and read[-1].end == 64_000 and read[-1].label == "Neutral"
    at = {s.label: s for s in read}
    assert (at["M"].start, at["M"].end) == (round(0.2 * (1 + order.index("M")) * 16_000), 22_400)
    assert {"F", "Ah", "Woo", "L", "Oh"} <= set(at)
    if not FORMATS[name].inventory:
        assert [s.label for s in read] == ["Neutral", *order, "Neutral"]


def test_a_track_is_cut_or_goes_on_at_rest_to_the_end_of_the_sound(tmp_path):
    path = tmp_path / "cues.csv"
    path.write_text(write_cues(CueTrack(((0.0, "D"),), 1.0), "csv", RATE), encoding="utf-8")
    assert read_track(path, "t", 8000, RATE).segments == (Segment("Ah", 0, 8000),)
    long = read_track(path, "t", 32_000, RATE).segments
    assert long == (Segment("Ah", 0, 16_000), Segment("Neutral", 16_000, 32_000))
    path = tmp_path / "cues.tsv"
    path.write_text("0.500\tD\n")
    held = read_track(path, "t", 32_000, RATE).segments
    assert held == (Segment("Neutral", 0, 8000), Segment("Ah", 8000, 32_000))


@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(200, 4000)), min_size=1))
def test_the_pictures_are_those_of_the_track_and_no_closure_is_missed(pieces):
    ends = np.cumsum([0, *(length for _, length in pieces)]).tolist()
    segments = merge_equal(Segment(n, a, b) for (n, _), a, b in zip(pieces, ends, ends[1:]))
    classes, shares = Track("t", segments).pictures(RATE)
    assert len(classes) == len(shares) == max(1, round(ends[-1] * 24 / 16_000))
    hard = [CLASSES[n] for n in classes]
    for number, shown in enumerate(hard):
        middle = (number + 0.5) * 16_000 / 24
        there = next((s.label for s in segments if s.start <= int(middle) < s.end), shown)
        assert shown == there or shown in ("M", "F")
    for segment in segments:
        if segment.label in ("M", "F") and segment.samples >= 667:
            first, last = int(segment.start * 24 / 16_000), int((segment.end - 1) * 24 / 16_000)
            assert segment.label in hard[first : last + 1]
            number = first + hard[first : last + 1].index(segment.label)
            assert shares[number, CLASSES.index(segment.label)] > 0.99


def test_names_of_tracks():
    given = ["a/one.tsv", "b/one.tsv", "c/two.json", "Rhubarb 1.13=b/one.tsv"]
    assert named(given[1:]) == [
        ("one", Path("b/one.tsv")),
        ("two", Path("c/two.json")),
        ("Rhubarb 1.13", Path("b/one.tsv")),
    ]
    assert [name for name, _ in named(given)][:2] == ["a/one.tsv", "b/one.tsv"]


def test_phones_come_from_the_tier_of_that_name(tmp_path):
    path = tmp_path / "p.TextGrid"
    phones = (Segment("SIL", 0, 100), Segment("P", 100, 900))
    write_textgrid(path, {"words": (Segment("up", 0, 900),), "phones": phones}, 1000)
    assert read_phones(path, 800) == (Segment("P", 100, 800),)
    write_textgrid(path, {"anything": phones}, 1000)
    assert read_phones(path, 1000) == phones[1:]
    write_textgrid(path, {"words": phones, "segments": phones}, 1000)
    with pytest.raises(BadLabels, match="tiers words, segments"):
        read_phones(path, 1000)


def test_the_rules_mouths_stand_beside_the_others(clip):  # noqa: F811
    path = clip / "p.TextGrid"
    phones = (Segment("P", 8000, 9600), Segment("AA", 9600, 20_000))
    write_textgrid(path, {"phones": phones}, 48_000)
    words = ("--phones", path, "--rules", "--cues", clip / "cues.json", "-o", clip / "a.html")
    assert visemill_preview(clip / "speech.wav", *words) == 0
    text = (clip / "a.html").read_text("utf-8").split('"tracks":')[1]
    assert text.index('"name":"cues"') < text.index('"name":"rules","segments":[[6,0.0,0.5],[5,')
    write_textgrid(path, {"phones": (Segment("ɸ", 0, 900),)}, 48_000)
    with pytest.raises(BadInput, match=r"p\.TextGrid: holds phones .*'ɸ'"):
        visemill_preview(clip / "speech.wav", *words)


# What is drawn


def test_agg_draws_the_curves_that_the_table_has():
    """A mouth of Agg's against its own points: the opening of Ah is dark, M has none."""
    for name in CLASSES:
        sheet = Sheet(200, 200, "#ffffff")
        sheet.mouth(100, 100, 200, {name: 1})
        dark = gaping(sheet.pixels())
        assert (dark < 10) == (name in ("M", "Neutral", "F", "S")), (name, dark)
    points = load_mouth().blend({"Ah": 1})[load_mouth().layers[0].points]
    x, y = (100 + 100 * points.mean(0)).round().astype(int)
    sheet = Sheet(200, 200, "#ffffff")
    sheet.mouth(100, 100, 200, {"Ah": 1})
    assert np.abs(sheet.pixels()[y, x].astype(int) - CAVITY).max() < 4


def scene(segments, phones=(), rate=RATE, look=FILM) -> Scene:
    audio = np.zeros(segments[-1].end, np.float32)
    return Scene(audio, [Track("t", tuple(segments))], phones, rate, look)


def test_the_strip_under_the_playhead_is_the_shape_that_is_drawn():
    segments = [
        Segment(name, 4000 * at, 4000 * (at + 1)) for at, name in enumerate([*CLASSES, *CLASSES])
    ]
    for look in (FILM, SMALL):
        shown = scene(segments, look=look)
        shapes = shown._shown[0][0]
        row = shown._top + look.wave + 3
        for number, picture in enumerate(shown.pictures()):
            red = np.flatnonzero((picture[row] == [0xD0, 0x1C, 0x1C]).all(-1))
            assert len(red) == 2, "one playhead"
            colour = COLOURS[CLASSES[shapes[number]]]
            wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
            beside = [picture[row, x] for x in (red[0] - 2, red[1] + 2) if 0 <= x < shown.width]
            assert any((pixel == wanted).all() for pixel in beside), number


def test_a_page_of_a_gif_stays_and_a_film_scrolls():
    segments = [Segment(name, 4000 * at, 4000 * (at + 1)) for at, name in enumerate(CLASSES)]
    for look, most in ((FILM, 1.0), (SMALL, 0.02)):
        shown = scene(segments, look=look)
        row = shown._top + look.wave + 3
        first, second = (p[row].astype(int).copy() for p, _ in zip(shown.pictures(), "ab"))
        changed = (first != second).any(-1).mean()
        assert 0 < changed < most and (look is SMALL or changed > 0.02)


def test_every_track_has_its_own_mouth():
    audio = np.zeros(16_000, np.float32)
    tracks = [Track(n, (Segment(n, 0, 16_000),)) for n in ("Ah", "M", "Ah", "M", "Ah")]
    shown = Scene(audio, tracks, (), RATE)
    picture = next(shown.pictures())
    for at, track in enumerate(tracks):
        x, y = shown._corner(at)
        cell = picture[y : y + 236, x : x + FILM.mouth]
        assert (gaping(cell) > 1000) == (track.name == "Ah"), at


@pytest.mark.filterwarnings("ignore:Glyph")
def test_labels_that_cannot_be_drawn_do_no_harm():
    phones = [Segment("\n$\\frac{x$\x00<b>", 0, 8000), Segment("日本語" * 20, 8000, 16_000)]
    shown = scene([Segment("Ah", 0, 16_000)], phones)
    assert next(shown.pictures()).shape == (shown.height, shown.width, 3)


def test_the_chart_of_the_documents(tmp_path):
    draw_chart(tmp_path / "mouths.png")
    with Image.open(tmp_path / "mouths.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    for column, name in enumerate(CLASSES[:6]):
        cell = pixels[:115, 160 * column : 160 * (column + 1)]
        assert (gaping(cell) > 60) == (name in ("Ah", "D", "Ee", "L")), name


# Films


@pytest.mark.parametrize("fps", ["24", "29.97", "60"])
def test_a_film_shows_each_closure_while_the_sound_is_shut(clip, fps):  # noqa: F811
    film = clip / "film.mp4"
    assert (
        visemill_preview(
            clip / "speech.wav", "-o", film, "--cues", clip / "cues.json", "--fps", fps
        )
        == 0
    )
    rate = {"29.97": 30000 / 1001}.get(fps, float(fps))
    size = Scene(read_audio(clip / "speech.wav"), [Track("t", (Segment("M", 0, 48000),))], (), RATE)
    crop = f"crop={FILM.mouth}:{size._top}"
    raw = ffmpeg("-i", film, "-vf", crop, "-f", "rawvideo", "-pix_fmt", "rgb24")
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, size._top, FILM.mouth, 3)
    assert len(pictures) == round(SECONDS * rate)
    shut = runs(np.array([gaping(picture[::2, ::2]) for picture in pictures]) < 10)
    heard = ffmpeg("-i", film, "-af", "aresample=async=1:first_pts=0", "-f", "f32le", "-ac", 1)
    sound = np.frombuffer(heard, np.float32)
    level = np.sqrt(np.convolve(sound**2, np.ones(160) / 160, "same"))  # over 10 ms
    quiet = [(start, end) for start, end in runs(level < 0.08) if end - start > 320]
    quiet = [(start, end) for start, end in quiet if 1600 < start < 16_000 * 2.9]
    assert len(shut) == len(quiet) == len(CLOSURES)
    for picture_run, sound_run, truth in zip(shut, quiet, CLOSURES):
        seen = (picture_run[0] / rate, picture_run[1] / rate)
        still = (sound_run[0] / 16_000, sound_run[1] / 16_000)
        assert np.abs(np.subtract(still, truth)).max() < 0.012, "the sound is where it was"
        assert np.abs(np.subtract(seen, still)).max() < 0.5 / rate + 0.012, "lips and sound agree"


def test_a_gif_is_small_and_lasts_as_long_as_the_sound(clip):  # noqa: F811
    gif = clip / "a.gif"
    visemill_preview(clip / "speech.wav", "-o", gif, "--cues", clip / "cues.json")
    with Image.open(gif) as image:
        frames = [
            (frame.info["duration"], gaping(np.asarray(frame.convert("RGB"))[:150]))
            for frame in ImageSequence.Iterator(image)
        ]
        assert image.info["loop"] == 0
    times = np.cumsum([0, *(duration for duration, _ in frames)]) / 1000
    assert abs(times[-1] - SECONDS) < 0.03
    shut = runs(np.array([dark < 10 for _, dark in frames]))
    assert len(shut) == len(CLOSURES)
    for (start, end), truth in zip(shut, CLOSURES):
        assert np.abs(np.subtract((times[start], times[end]), truth)).max() < 0.5 / 24 + 0.011
    assert gif.stat().st_size < 100_000


def test_the_same_inputs_give_the_same_bytes(clip):  # noqa: F811
    for suffix in ("gif", "html", "mp4"):
        twice = [clip / f"{n}.{suffix}" for n in (1, 2)]
        for path in twice:
            visemill_preview(clip / "speech.wav", "-o", path, "--cues", clip / "cues.json")
        assert twice[0].read_bytes() == twice[1].read_bytes(), suffix


# What is refused


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("-o", "a.avi", "--cues", "cues.json"), BadInput, "avi is no kind of preview"),
        (("-o", "a.mp4", "--model", "no.pt"), BadModel, "no.pt"),
        (("-o", "a.mp4", "--cues", "no.tsv"), BadLabels, "no.tsv: cannot be read"),
        (("-o", "a.mp4", "--cues", "speech.wav"), BadInput, "wav is no suffix of a cue file"),
        (("-o", "cues.json/a.mp4", "--cues", "cues.json"), BadInput, "cannot be written"),
        (("-o", "a.mp4", "--rules"), BadInput, "--rules needs phones"),
        (("-o", "a.gif", "--cues", "cues.json", "--fps", "60"), BadParams, "--fps 50 or less"),
    ],
)
def test_what_cannot_be_is_refused(clip, monkeypatch, words, error, message):  # noqa: F811
    monkeypatch.chdir(clip)
    with pytest.raises(error, match=message):
        visemill_preview("speech.wav", *words)
    assert sorted(path.name for path in clip.iterdir()) == ["cues.json", "speech.wav"]


def test_a_frame_rate_that_is_none_is_refused(clip, capsys):  # noqa: F811
    with pytest.raises(SystemExit):
        visemill_preview(clip / "speech.wav", "-o", "a.gif", "--fps", "fast")
    assert "not a frame rate" in capsys.readouterr().err


def test_a_model_shows_its_mouths_on_real_speech(shared, tmp_path):
    sound = shared / "speech" / "emu_ae" / "audio" / "msajc003.flac"
    model = shared / "peers" / "cherry" / "model.pt"
    if not sound.exists() or not model.exists():
        pytest.skip("needs the recordings in ../shared/speech/emu_ae and Cherry's model")
    assert visemill_preview(sound, "-o", tmp_path / "a.gif", "--model", model) == 0
    with Image.open(tmp_path / "a.gif") as image:
        dark = [gaping(np.asarray(f.convert("RGB"))[:150]) for f in ImageSequence.Iterator(image)]
    assert max(dark) > 300 and min(dark) < 10, "it opens and it closes"
