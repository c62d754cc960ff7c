from __future__ import annotations

import pytest

from align.sounds import SOUNDS, STATE_COUNT, STATES, number_of, sound_of, state_of
from align.variants import SpokenWord, pronunciation
from clips import BadLabels
from clips.arpabet import ARPABET


def word(text, *sounds):
    """A word from "ARPABET/ipa" entries."""
    return SpokenWord(text, tuple(tuple(sound.split("/")) for sound in sounds))


def ways_of(words, language):
    """Every way to say the words, as strings of sounds."""
    said = {""}
    for part in pronunciation(words, language):
        after = set()
        for row in part:
            ends = said
            for slot in row:
                ends = {
                    end + ("" if way is None or not way.sound else SOUNDS[way.sound] + " ")
                    for end in ends
                    for way in slot
                }
            after |= ends
        said = after
    return {one.strip() for one in said}


HABEN = word("haben", "HH/h", "AA/ɑː", "B/b", "AH/ə", "N/n")
GEBENEN = word("gebenen", "G/ɡ", "EY/eː", "B/b", "AH/ə", "N/n", "AH/ə", "N/n")
UND = word("und", "UH/ʊ", "N/n", "T/t")
WIR = word("wir", "V/v", "IY/iː", "R/ɾ")
HER = word("her", "HH/h", "ER/ɜː")
FRIENDS = word("friends", "F/f", "R/ɹ", "EH/ɛ", "N/n", "D/d", "Z/z")
CAR = word("car", "K/k", "AA/ɑː", "R/ɹ")


@pytest.mark.parametrize(
    ("words", "language", "said", "never"),
    [
        ([HABEN], "de", {"h ɑ b ə n", "h ɑ b m", "h ɑ m"}, {"h ɑ b n", "h ɑ n", "h ɑ b ə m"}),
        ([GEBENEN], "de", {"g e b m ə n", "g e m ə n", "g e b ə n ə n"}, {"g e n ə n"}),
        ([HABEN], "nl", {"h ɑ b ə n", "h ɑ b n"}, {"h ɑ b m", "h ɑ m"}),
        ([UND], "de-AT", {"ʊ n t", "ʊ n"}, {"ʊ t", "n t"}),
        ([WIR], "de", {"v i r", "v i ʁ", "v i ə", "v i"}, {"v"}),
        ([HER], "en", {"h ɝ", "ɝ"}, {"h"}),
        ([HER], "de", {"h ɝ"}, {"ɝ"}),
        ([FRIENDS], "en", {"f ɹ ɛ n d z", "f ɹ ɛ n z"}, {"f ɛ n d z", "f ɹ ɛ n d"}),
        ([CAR], "en_GB", {"k ɑ ɹ", "k ɑ"}, {"k ɹ"}),
        ([CAR, HER], "it", {"k ɑ ɹ h ɝ"}, {"k ɑ h ɝ"}),
    ],
)
def test_usual_reductions_may_be_said_and_others_not(words, language, said, never):
    found = ways_of(words, language)
    assert said <= found
    assert not never & found


def test_every_accent_is_one_whole_row():
    futile = SpokenWord(
        "futile",
        (("F", "f"), ("UW", "uː"), ("L", "l")),
        ((("F", "f"), ("UW", "uː"), ("T", "t"), ("AY", "aɪ"), ("L", "l")),),
    )
    assert ways_of([futile], "en") == {"f u l", "f u t aɪ l"}


def test_the_rest_of_an_r_belongs_to_its_vowel():
    slots = pronunciation([WIR], "de")[1][0]
    vowel = slots[1][0]
    rest = next(way for way in slots[2] if way and way.sound == number_of("ə"))
    assert (rest.place, rest.phone) == (vowel.place, "IY")


def test_silence_may_stand_around_every_word_and_need_not():
    parts = pronunciation([UND, WIR], "de")
    pauses = parts[::2]
    assert len(parts) == 5
    for ((slot,),) in pauses:
        assert [way and way.phone for way in slot] == ["SIL", None]


@pytest.mark.parametrize("phone", sorted(ARPABET))
def test_every_phone_has_a_sound_without_ipa(phone):
    assert sound_of(phone, "") > 0


@pytest.mark.parametrize(
    ("phone", "ipa", "name"),
    [
        ("AA", "aː", "a"),
        ("ER", "ɜː", "ɝ"),
        ("ER", "ɜ", "ɝ"),
        ("AH", "ɜ", "ə"),
        ("T", "tʰ", "t"),
        ("HH", "ç", "ç"),
        ("IY", "☃", "i"),
    ],
)
def test_signs_are_read_with_their_marks_and_their_phone(phone, ipa, name):
    assert SOUNDS[sound_of(phone, ipa)] == name


def test_a_phone_that_is_none_is_refused():
    with pytest.raises(BadLabels, match="QQ"):
        sound_of("QQ", "")


def test_states_of_sounds_do_not_overlap():
    states = [0, *(state_of(s, n) for s in range(1, len(SOUNDS)) for n in range(STATES))]
    assert states == list(range(STATE_COUNT))
