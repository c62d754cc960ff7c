"""Every cue format: the same track comes back, Rhubarb's are Rhubarb's, faults are named."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import BadLabels, BadParams
from tests.visemes.tracks import RATES, TRACKS, runs_of
from visemes.cues import read_json, read_tsv
from visemes.formats import FORMATS, CueTrack, read_cues, write_cues
from visemes.frames import resample
from visemes.inventory import load_inventory

CHERRY, RHUBARB = load_inventory("cherry12"), load_inventory("rhubarb")
BLAIR = load_inventory("preston_blair")
FILM = Fraction(24)

HI = CueTrack(
    ((0.0, "X"), (0.05, "D"), (0.27, "C"), (0.31, "B"), (0.43, "X")),
    0.47,
    RHUBARB,
    "C:\\av\\hi.wav",
)
"""The example of Rhubarb's README: a person says "Hi"."""


def saved(folder: Path, name: str, text: str) -> Path:
    path = folder / f"track.{FORMATS[name].suffix}"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


@st.composite
def free_tracks(draw) -> CueTrack:
    """Cues at any time, some nearer to each other than a format can tell."""
    begun = draw(st.sampled_from([0, 3595]))  # some go on past the first hour
    times = draw(st.lists(st.floats(begun, begun + 20), max_size=15, unique=True).map(sorted))
    letters = [draw(st.sampled_from(sorted(CHERRY.letters.values()))) for _ in times]
    seconds = (times[-1] if times else 0) + draw(st.floats(0.001, 2))
    return CueTrack(tuple(zip(times, letters, strict=True)), seconds)


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.step])
@settings(deadline=None)  # files are written
@given(track=free_tracks())
def test_a_track_comes_back_at_the_formats_precision(tmp_path_factory, name, track):
    chosen = FORMATS[name]
    expected = track.into(load_inventory(chosen.inventory or "cherry12")).on_grid(chosen.step)
    path = saved(tmp_path_factory.getbasetemp(), name, write_cues(track, name, FILM))
    again = read_cues(path, name, FILM)
    assert again.cues == expected.cues
    assert again.inventory.name == (chosen.inventory or "cherry12")
    if name != "tsv":
        assert again.seconds == expected.seconds
    assert write_cues(again, name, FILM) == path.read_text("utf-8") or name == "rhubarb-xml"


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if not f.step])
@settings(deadline=None)  # files are written
@given(track=TRACKS, rate=st.sampled_from(RATES))
def test_a_track_of_frames_comes_back_from_a_format_of_frames(tmp_path_factory, name, track, rate):
    frames = CueTrack.of_frames(resample(track, rate, CHERRY), rate, CHERRY)
    expected = frames.into(load_inventory(FORMATS[name].inventory or "cherry12"))
    path = saved(tmp_path_factory.getbasetemp(), name, write_cues(frames, name, rate))
    assert read_cues(path, name, rate) == expected


@given(track=free_tracks(), step=st.sampled_from([Fraction(1, 100), Fraction(1, 24)]))
def test_a_grid_moves_nothing_far_and_drops_no_closure(track, step):
    gridded = track.on_grid(step)
    assert gridded.on_grid(step) == gridded
    assert gridded.cues[0][0] == 0 and gridded.seconds <= max(track.seconds, step) + 1e-6
    grid_times = [time for time, _ in gridded.cues]
    assert all(abs(t / step - round(t / step)) < 1e-6 for t in map(Fraction, grid_times))
    slack = (len(track.cues) + 2) * float(step)  # closures may push what follows them, a step each
    for start, end, letter in track.spans():
        if end - start > 2 * slack:
            middle = (start + end) / 2
            assert next(x for s, e, x in gridded.spans() if s <= middle < e) == letter

    def closures(cues) -> list[str]:
        return [letter for letter, _ in runs_of([x for _, x in cues if x in "AG"])]

    if track.cues and track.seconds - track.cues[-1][0] > slack:
        assert closures(gridded.cues) == closures(track.cues)


def test_a_closure_within_one_step_does_not_stay_for_good():
    track = CueTrack(((0.0, "X"), (0.504, "A"), (0.5045, "D")), 2.0)
    assert track.on_grid(Fraction(1, 100)).cues == ((0.0, "X"), (0.5, "A"), (0.51, "D"))


def test_rhubarbs_own_example_is_written_to_the_letter():
    assert write_cues(HI, "rhubarb-tsv", FILM) == (
        "0.00\tX\n0.05\tD\n0.27\tC\n0.31\tB\n0.43\tX\n0.47\tX\n"
    )
    assert write_cues(HI, "rhubarb-xml", FILM) == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        "<rhubarbResult>\n"
        "  <metadata>\n"
        "    <soundFile>C:\\av\\hi.wav</soundFile>\n"
        "    <duration>0.47</duration>\n"
        "  </metadata>\n"
        "  <mouthCues>\n"
        '    <mouthCue start="0.00" end="0.05">X</mouthCue>\n'
        '    <mouthCue start="0.05" end="0.27">D</mouthCue>\n'
        '    <mouthCue start="0.27" end="0.31">C</mouthCue>\n'
        '    <mouthCue start="0.31" end="0.43">B</mouthCue>\n'
        '    <mouthCue start="0.43" end="0.47">X</mouthCue>\n'
        "  </mouthCues>\n"
        "</rhubarbResult>\n"
    )
    assert write_cues(HI, "rhubarb-json", FILM) == (
        "{\n"
        '  "metadata": {\n'
        '    "soundFile": "C:\\\\av\\\\hi.wav",\n'
        '    "duration": 0.47\n'
        "  },\n"
        '  "mouthCues": [\n'
        '    { "start": 0.00, "end": 0.05, "value": "X" },\n'
        '    { "start": 0.05, "end": 0.27, "value": "D" },\n'
        '    { "start": 0.27, "end": 0.31, "value": "C" },\n'
        '    { "start": 0.31, "end": 0.43, "value": "B" },\n'
        '    { "start": 0.43, "end": 0.47, "value": "X" }\n'
        "  ]\n"
        "}\n"
    )
    # frames 1 + floor(24 t); 0.43 s and 0.47 s are frames 11 and 12
    assert write_cues(HI, "moho", FILM) == "MohoSwitch1\n1 X\n2 D\n7 C\n8 B\n11 X\n12 X\n"


def test_of_shapes_in_one_frame_the_first_stays_as_in_rhubarb():
    track = CueTrack(((0.0, "X"), (0.01, "A"), (0.09, "D"), (0.1, "B")), 0.11, RHUBARB)
    assert write_cues(track, "moho", FILM) == "MohoSwitch1\n1 X\n3 D\n4 X\n"


@pytest.mark.parametrize("name", ["rhubarb-xml", "rhubarb-json"])
def test_the_path_of_the_sound_comes_back(tmp_path, name):
    track = CueTrack(((0.0, "X"),), 1.0, RHUBARB, 'Bär & "Söhne" <1>\'s.wav')
    path = saved(tmp_path, name, write_cues(track, name, FILM))
    assert read_cues(path, name, FILM) == track
    if name.endswith("xml"):
        assert ElementTree.parse(path).findtext("metadata/soundFile") == track.sound
    else:
        assert json.loads(path.read_text("utf-8"))["metadata"]["soundFile"] == track.sound


@pytest.mark.parametrize("name", ["moho", "rhubarb-tsv"])
def test_a_track_without_the_shape_x_may_end_with_closed_lips(tmp_path, name):
    text = {"moho": "MohoSwitch1\n1 A\n4 D\n9 A\n", "rhubarb-tsv": "0.00\tA\n0.12\tD\n0.34\tA\n"}
    track = read_cues(saved(tmp_path, name, text[name]), name, FILM)
    assert [letter for _, letter in track.cues] == ["A", "D"]


def test_opentoonz_gets_the_names_that_it_knows():
    known = {"ai", "e", "o", "u", "fv", "l", "mbp", "wq", "other", "etc", "rest"}
    track = CueTrack(tuple((n / 10, letter) for n, letter in enumerate("XDBIGHAEKJCF")), 1.2)
    lines = write_cues(track, "opentoonz", FILM).splitlines()
    assert lines[0] == "MohoSwitch1"
    assert {line.split()[1].lower() for line in lines[1:]} <= known
    assert {BLAIR.letters[v].lower() for v in BLAIR.classes} <= known


def test_after_effects_holds_each_mouth_with_two_keys():
    track = CueTrack(((0.0, "X"), (0.125, "A")), 0.25)
    lines = write_cues(track, "after-effects", FILM).splitlines()
    assert lines[0] == "Adobe After Effects 8.0 Keyframe Data"
    assert lines[2] == "\tUnits Per Second\t24"
    at = lines.index("Time Remap")
    assert lines[at + 1] == "\tFrame\tseconds\t"
    frames = [line.split("\t")[1:3] for line in lines[at + 2 : at + 6]]
    assert [int(frame) for frame, _ in frames] == [0, 2, 3, 5]
    assert [int(float(s) * 24) for _, s in frames] == [6, 6, 5, 5], "Neutral and M, by class"
    assert lines[-1] == "End of Keyframe Data"
    slow = write_cues(track, "after-effects", Fraction(24000, 1001))
    assert "\tUnits Per Second\t23.976\n" in slow


def test_the_projects_own_formats_are_read_by_the_old_functions_too(tmp_path):
    track = CueTrack(((0.0, "X"), (0.833, "E")), 2.0)
    assert read_tsv(saved(tmp_path, "tsv", write_cues(track, "tsv", FILM))) == list(track.cues)
    assert read_json(saved(tmp_path, "json", write_cues(track, "json", FILM))) == list(track.cues)


@pytest.mark.parametrize("name", ["tsv", "json", "csv", "webvtt", "textgrid", "after-effects"])
@pytest.mark.parametrize("set_name", ["oculus15", "sapi22", "mpeg4", "arkit52"])
def test_other_sets_can_be_written_where_a_format_has_none_of_its_own(tmp_path, name, set_name):
    inventory = load_inventory(set_name)
    track = CueTrack(((0.0, "X"), (0.25, "A"), (0.5, "D")), 1.0).into(inventory)
    path = saved(tmp_path, name, write_cues(track, name, FILM))
    assert read_cues(path, name, FILM, inventory).cues == track.cues


def test_shapes_of_other_sets_are_not_guessed():
    with pytest.raises(BadLabels, match="rhubarb cannot become shapes of preston_blair"):
        write_cues(HI, "opentoonz", FILM)


def test_frames_become_cues():
    classes = np.array([6, 6, 5, 5, 5, 0])
    track = CueTrack.of_frames(classes, Fraction(30000, 1001), CHERRY)
    assert [letter for _, letter in track.cues] == ["X", "A", "D"]
    assert track.cues[1][0] == float(Fraction(2002, 30000))
    assert track.seconds == float(Fraction(6006, 30000))


VTT = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nX\n"
XML = '<rhubarbResult>\n<mouthCues>\n<mouthCue start="0.00" end="{}">{}</mouthCue>\n</mouthCues>'
CSV = "number,start,end,letter,viseme\n"
AE = (
    "Adobe After Effects 8.0 Keyframe Data\n\tUnits Per Second\t24\n"
    "Time Remap\n\tFrame\tseconds\t\n"
)


@pytest.mark.parametrize(
    ("name", "text", "where", "message"),
    [
        ("tsv", "0.000\tX\nsoon\tA\n", ":2", "is not a time"),
        ("json", '{"cues": [{"time": 0, "letter": "Q"}]}', ":cue 1", "not a mouth shape"),
        ("json", '{"cues": [{"time": 0, "letter": "X"}]}', ": seconds", "is not a time"),
        ("json", '{"cues": [{"time": 9, "letter": "X"}], "seconds": 1}', ": cue 1", "not within"),
        ("rhubarb-tsv", "0.00\tX\n0.10\tK\n0.20\tX\n", ":2", "'K' is not a mouth shape"),
        ("rhubarb-tsv", "0.00\tX\n0.10\tD\n", ":2", "does not end with the mouth closed"),
        ("rhubarb-xml", "<a>\n<b></a>", ":2", "is no XML"),
        ("rhubarb-xml", XML.format("soon", "X") + "</rhubarbResult>", ":3", "not a time"),
        ("rhubarb-xml", XML.format("0.5", "K") + "</rhubarbResult>", ":3", "not a mouth shape"),
        ("rhubarb-xml", "<rhubarbResult/>", "", "holds no cues"),
        ("rhubarb-json", '{"metadata": {},\n', ":2", "cannot be read as JSON"),
        ("rhubarb-json", '{"metadata": {}}', "", "is no result of Rhubarb"),
        (
            "rhubarb-json",
            '{"metadata": {}, "mouthCues": [{"start": 0.1, "end": 0.2, "value": "X"}]}',
            ":cue 1",
            "goes from 0.1 to 0.2 s, but the cue before ends at 0.0 s",
        ),
        ("moho", "1 X\n", ":1", "is no switch data"),
        ("moho", "MohoSwitch1\n1 X\n2 Q\n", ":3", "cannot read '2 Q'"),
        ("moho", "MohoSwitch1\n1 X\n1 A\n", ":3", "does not come after"),
        ("moho", "MohoSwitch1\n0 X\n1 A\n", ":2", "does not come after"),
        ("opentoonz", "MohoSwitch1\n1 rest\n2 AI\n", ":3", "does not end"),
        ("after-effects", "hello", ":1", "is no keyframe data"),
        ("after-effects", f"{AE}\t0\tsoon\t\nEnd of Keyframe Data\n", ":5", "not a time"),
        ("after-effects", f"{AE}\t0\t9\t\nEnd of Keyframe Data\n", ":5", "shows mouth 216"),
        ("after-effects", f"{AE}\t0\nEnd of Keyframe Data\n", ":5", "is no key"),
        ("after-effects", f"{AE}End of Keyframe Data\n", "", "has no key of Time Remap"),
        (
            "after-effects",
            AE.replace("\t24", "\tfast") + "End of Keyframe Data\n",
            ":2",
            "is not a frame rate",
        ),
        ("textgrid", "hello", "", "cannot be read as a TextGrid"),
        ("webvtt", "00:00", ":1", "is no WebVTT"),
        ("webvtt", VTT.replace("01.000", "1"), ":3", "cannot read"),
        ("webvtt", VTT.replace("X", "Q"), ":3", "not a mouth shape"),
        ("csv", "a,b\n", ":1", "has other columns"),
        ("csv", CSV + "1,0,1\n", ":2", "has 3 columns, not 5"),
        ("csv", CSV + "1,0,1,X,Neutral\n2,2,3,A,M\n", ":3", "goes from 2.0 to 3.0 s"),
    ],
)
def test_a_broken_file_is_named_with_its_place_and_a_remedy(tmp_path, name, text, where, message):
    path = saved(tmp_path, name, text)
    with pytest.raises(BadLabels) as caught:
        read_cues(path, name, FILM)
    assert caught.value.where == f"{path}{where}"
    assert message in caught.value.what and caught.value.remedy


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_absent_is_named(tmp_path, name):
    with pytest.raises(BadLabels, match=r"absent\.txt: cannot be read"):
        read_cues(tmp_path / "absent.txt", name, FILM)


def test_webvtt_of_others_is_read(tmp_path):
    text = (
        "WEBVTT - mouths\n\nNOTE made by hand\n\nfirst\n00:00.000 --> 00:01.000 align:start\nX\n\n"
        "00:00:01.000 --> 00:00:02.000\nA\n"
    )
    track = read_cues(saved(tmp_path, "webvtt", text), "webvtt", FILM)
    assert track.cues == ((0.0, "X"), (1.0, "A")) and track.seconds == 2.0


def test_what_does_not_exist_is_refused():
    with pytest.raises(BadParams, match="no cue format 'avi'"):
        write_cues(HI, "avi", FILM)
    with pytest.raises(BadLabels, match="cannot run at 120 frames"):
        write_cues(HI, "moho", Fraction(120))


@pytest.mark.parametrize(
    ("cues", "message"),
    [
        (((0.0, "Q"),), "cue 1: 'Q' is not a mouth shape"),
        (((0.0, "X"), (0.0, "A")), "cue 2: 0.0 s does not come after"),
        (((2.0, "X"),), "cue 1: 2.0 s is not within"),
        (((-1.0, "X"),), "cue 1: -1.0 s is not within"),
    ],
)
def test_a_track_that_is_none_is_refused(cues, message):
    with pytest.raises(BadLabels, match=message):
        CueTrack(cues, 1.0)
