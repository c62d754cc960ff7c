"""Festival: what its voices say, that text stays text, and where its boundaries lie."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import parselmouth
import pytest

from align.landmarks import find_landmarks
from clips import SILENCE, BadText, EngineFailed, EngineMissing
from clips.arpabet import ARPABET
from synth import Engine, Prompt, Voice, festival, find_engine
from synth.engine import base_language
from synth.festival import FestivalParams, _of, _read_phones, _read_table, phones_of_voice
from synth.ipa import parts_of
from tests.synth.conformance import EngineConformance

ROOT = Path(__file__).parents[2]
ENGINE = find_engine("festival")
VOICES = _read_table()["voices"]
PLAIN = FestivalParams(1.0, 1.0, 1, 1600, 1600)
needs_festival = pytest.mark.skipif(
    ENGINE.version() is None, reason=f"festival is not installed: {ENGINE.install_line}"
)

# A word that needs its language's letters and reading rules, and what it is in IPA.
WORDS = {
    "cs": ("Příště", "p r̝̊ iː ʃ c ɛ"),
    "it": ("Perché", "p e r k e"),
    "fi": ("Äiti", "æ i t i"),
    "ca": ("Això", "ə ʃ ɔ"),
    "ru": ("Печёт", "p ɪ tɕ o t"),
    "hi": ("माता", "m aː t̪ aː"),
    "mr": ("माता", "m aː t̪ aː"),
    "te": ("మాట", "m aː ʈ ə"),
    "en": ("Copper", "k ɑ p ɝ ɹ"),
}


def the_voice(name: str) -> Voice:
    """The voice, or a skip where it is not installed."""
    for voice in ENGINE.voices(_of(name)["language"]):
        if voice.name == name:
            return voice
    pytest.skip(f"the voice {name} is not installed: apt-get install {_of(name)['packages']}")


def say(name: str, text: str, params: FestivalParams = PLAIN):
    """A clip of a voice that is installed."""
    voice = the_voice(name)
    return ENGINE.speak(Prompt("p", text, base_language(voice.language)), voice, params, "x")


@pytest.mark.parametrize("name", VOICES)
def test_a_voice_reads_its_language_and_gives_the_same_bytes_again(name):
    text, ipa = WORDS[base_language(_of(name)["language"])]
    clip = say(name, f"{text}.")
    assert " ".join(filter(None, clip.ipa)) == ipa
    assert [bool(sign) for sign in clip.ipa] == [p.label != SILENCE for p in clip.phones]
    assert say(name, f"{text}.").audio.tobytes() == clip.audio.tobytes()
    assert np.abs(clip.audio).max() == pytest.approx(festival.PEAK, abs=0.001)


@pytest.mark.parametrize("name", VOICES)
def test_every_phone_that_a_voice_can_say_has_one_of_ours(name):
    the_voice(name)
    table = _read_table()["phones"][_of(name)["phones"]]
    spoken = phones_of_voice(name)
    assert len(spoken) > 30 and set(spoken) <= set(table)
    for phone in spoken:
        parts = parts_of(table[phone], _of(name)["language"]) if table[phone] else ()
        assert {part.phone for part in parts} <= ARPABET


@pytest.mark.parametrize("name", VOICES)
def test_licence_and_holder_are_those_of_the_package(name):
    package = Path("/usr/share/doc") / _of(name)["packages"].split()[-1] / "copyright"
    if not package.is_file():
        pytest.skip(f"{package} is not there")
    written = package.read_text("utf-8")
    assert set(re.findall(r"\w{4,}", _of(name)["holder"])) <= set(re.findall(r"\w{4,}", written))
    assert any(line in written for line in LICENCES[_of(name)["licence"]])
    voice = the_voice(name)
    assert _of(name)["holder"] in voice.attribution and voice.licence == _of(name)["licence"]


LICENCES = {
    "GPL-2.0-or-later": ("either version 2 of the License", "GPL-2+"),
    "GPL-3.0-or-later": ("either version 3 of the License",),
    "LGPL-2.0-or-later": ("Lesser General Public License as published by",),
    "LGPL-2.1-or-later": ("LGPL-2.1+",),
    "MIT-Festival": ("free of charge, to use and distribute",),
}


@needs_festival
def test_text_is_never_read_as_code(tmp_path):
    hacked = tmp_path / "hacked"
    for text in (
        f'a") (system "touch {hacked}") (print "b',
        f'\\") (system "touch {hacked}")',
        "'(\\",
    ):
        audio, printed = festival._run(text, the_voice("ked_diphone").name, PLAIN)
        assert len(audio) and "phone pau" in printed
    assert not hacked.exists()
    marked = say("ked_diphone", 'He said "(quit)" (and) went.')
    plain = say("ked_diphone", "He said quit and went.")
    sounds = [[p.label for p in clip.phones if p.label != SILENCE] for clip in (marked, plain)]
    assert sounds[0] == sounds[1]


@pytest.mark.parametrize("name", ["hindi_NSK_diphone", "marathi_NSK_diphone"])
def test_a_dot_below_a_letter_is_read_over(name):
    dotted, plain = say(name, "पेड़."), say(name, "पेड.")
    assert dotted.ipa == plain.ipa and dotted.text == "पेड़."


@needs_festival
def test_the_start_file_of_the_user_is_not_read(tmp_path, monkeypatch):
    (tmp_path / ".festivalrc").write_text("(exit 3)")
    before = say("ked_diphone", "Hello there.").audio.tobytes()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert say("ked_diphone", "Hello there.").audio.tobytes() == before


def test_letters_that_a_voice_leaves_out_are_refused():
    with pytest.raises(BadText, match="é"):
        say("ked_diphone", "The café is open.")


@needs_festival
def test_a_program_that_takes_too_long_is_ended(monkeypatch):
    voice = the_voice("ked_diphone")
    monkeypatch.setattr(festival, "_TIMEOUT", 0.001)
    with pytest.raises(EngineFailed, match="did not end"):
        ENGINE.speak(Prompt("p", "Hello."), voice, PLAIN, "x")


def test_an_engine_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    festival._version.cache_clear()
    festival._installed.cache_clear()
    try:
        assert ENGINE.version() is None and ENGINE.voices("cs") == ()
        with pytest.raises(EngineMissing, match="apt-get install festival"):
            ENGINE.speak(Prompt("p", "Ano.", "cs"), festival._voice("czech_ph"), PLAIN, "x")
    finally:
        festival._version.cache_clear()
        festival._installed.cache_clear()


def test_two_phones_of_one_name_are_one_and_affricates_are_two():
    voice = festival._voice("lp_diphone")
    sounds = _read_phones(
        "phone # 0.1\nphone a1 0.2\nphone ts 0.25\nphone ts 0.3\nphone # 9.0\n", 8000, voice, "x"
    )
    assert [(s.label, s.start, s.end) for s, _ in sounds] == [
        (SILENCE, 0, 1600), ("AA", 1600, 3200), ("T", 3200, 3840), ("S", 3840, 4800),
        (SILENCE, 4800, 8000),
    ]  # fmt: skip
    with pytest.raises(EngineFailed, match="qq"):
        _read_phones("phone # 0.1\nphone qq 0.2\n", 8000, voice, "x")
    with pytest.raises(EngineFailed, match="nothing"):
        _read_phones("phone # 0.1\n", 8000, voice, "x")


@pytest.mark.parametrize("name", ["czech_dita", "lp_diphone", "hy_fi_mv_diphone", "ked_diphone"])
def test_stretch_and_pitch_are_obeyed(name):
    text = {"cs": "Máma mele.", "it": "Mia nonna.", "fi": "Mummo menee.", "en": "Many men."}
    lengths, tones = [], []
    for stretch, pitch in ((0.9, 0.9), (1.2, 1.15)):
        params = FestivalParams(stretch, pitch, 1, 1600, 1600)
        clip = say(name, text[base_language(_of(name)["language"])], params)
        lengths.append(sum(p.samples for p in clip.phones if p.label != SILENCE))
        track = parselmouth.Sound(clip.audio, 16000).to_pitch().selected_array["frequency"]
        tones.append(float(np.median(track[track > 0])))
    assert lengths[1] / lengths[0] == pytest.approx(1.2 / 0.9, rel=0.05)
    assert tones[1] / tones[0] == pytest.approx(1.15 / 0.9, rel=0.1)


def test_loud_diphones_do_not_overflow():
    clip = say("lp_diphone", "Perché la città è più bella? Mia nonna prepara un piatto.")
    assert np.abs(np.diff(clip.audio)).max() < 0.6  # from one end of the scale to the other is 1


def test_the_table_of_edges_brings_labels_nearer_to_the_sound():
    voice = the_voice("czech_krb")
    lines = ROOT / "datasets" / "prompts" / "sentences" / f"{voice.language}.txt"
    texts = lines.read_text("utf-8").split("\n")[:16]
    lags: dict[bool, list[float]] = {True: [], False: []}
    for corrected, found in lags.items():
        engine = find_engine("festival", {"corrections": corrected})
        for text in filter(None, texts):
            clip = engine.speak(Prompt("p", text, voice.language), voice, PLAIN, "x")
            found += [landmark.lag for landmark in find_landmarks(clip.audio, clip.phones)]
    near = {corrected: np.mean(np.abs(found) <= 25) for corrected, found in lags.items()}
    assert near[True] > near[False] + 0.01 and near[True] > 0.85


class TestFestival(EngineConformance):
    name = "festival"

    @pytest.fixture
    def engine(self) -> Engine:
        the_voice("ked_diphone")  # what every engine must do is asked of an English voice
        return ENGINE
