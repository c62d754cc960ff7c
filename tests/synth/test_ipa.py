"""The table of sounds: complete for English, sound for the rest."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import BadParams
from clips.arpabet import ARPABET
from synth.grammar import LEXICON, generate
from synth.ipa import TABLE, parts_of, plain_symbol

ENGLISH = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbclan",
           "en-gb-x-gbcwmd", "en-us-nyc")  # fmt: skip

SENTENCES = {
    "de": "Pfeffer, Zeit, Deutsch, Höhle, schön, fünf Küche, König, Bach, Uhr, Garage, Häuser.",
    "es": "El perro corre rápido, la niña come jamón, guerra, agua, huevo, lluvia, yo, México.",
    "fr": "Une jeune fille heureuse, deux œufs, huit, oui, yeux, vin, brun, montagne, chaque jour.",
    "it": "Il ragazzo mangia gli gnocchi, zio, pizza, mezzo, cielo, famiglia, sogno, città, notte.",
    "pt": "O rapaz comeu pão, mãe, não, muito, filho, vinho, carro, chuva, gente, põe, lã, um.",
    "pt-br": "O rapaz comeu pão, mãe, não, muito, filho, vinho, carro, dia, tia, gente, põe.",
    "nl": "De goede buurman, huis, uit, eeuw, deur, school, zacht, jongen, nieuw, koe.",
    "sv": "Sju sjösjuka sjömän, kött, öga, hund, här, bord, barn, mjölk, kjol, ljus.",
    "pl": "Chrząszcz brzmi w trzcinie, dzień dobry, proszę, źródło, łódka, węgiel, mąka.",
}


@pytest.mark.parametrize("accent", ENGLISH)
def test_every_word_of_the_lexicon_has_phones_in_every_accent(accent):
    from synth.espeak import phones_of

    words = [w for ws in yaml.safe_load(LEXICON.read_text("utf-8"))["words"].values()
             for w in ws.replace("_", " ").split()]  # fmt: skip
    heard = set()
    for at in range(0, len(words), 30):
        heard |= set(phones_of(" ".join(words[at : at + 30])[:400], accent))
    assert heard <= ARPABET
    assert len(heard) >= 36


@pytest.mark.parametrize("language", SENTENCES)
def test_other_languages_have_no_holes_in_common_words(language):
    from synth.espeak import phones_of

    assert set(phones_of(SENTENCES[language], language)) <= ARPABET


def test_every_line_of_the_table_can_be_read():
    content = yaml.safe_load(TABLE.read_text("utf-8"))
    for symbol in content["phones"]:
        assert sum(part.share for part in parts_of(plain_symbol(symbol), "en")) == pytest.approx(1)
    for languages, lines in content["languages"].items():
        for language in languages.split():
            for symbol in lines:
                assert parts_of(symbol, language)


def phones(symbol: str, language: str) -> list[str]:
    return [part.phone for part in parts_of(plain_symbol(symbol), language)]


@pytest.mark.parametrize("symbol", ["pʰ", "ph", "p`", "pʼ", "pː", "pʲ", "pp", "pʰpʰ", "p̃", "pʰː"])
def test_marks_of_the_throat_and_tongue_leave_the_lips_closed(symbol):
    for language in ("hi", "ka", "am", "cmn"):
        assert phones(symbol, language) == ["P"]


def test_a_stop_keeps_its_marks_in_ipa_and_other_sounds_take_the_sign_of_their_line():
    assert [parts_of(s, "hi")[0].ipa for s in ("bʰ", "kh", "t`")] == ["bʰ", "kʰ", "tʼ"]
    assert [parts_of(s, "x")[0].ipa for s in ("ä", "y5", "xʲ", "ɒ̃")] == ["a", "y", "x", "ɒ"]


def test_tones_are_no_sounds():
    assert phones("ai5", "th") == phones("aiɜ", "th") == phones("ai", "th") == ["AY"]
    assert phones("uɜ", "yue") == ["UW"]
    assert phones("uɜ", "lb") == ["UW", "ER"]  # no tone there, but a vowel
    assert [plain_symbol(mark) for mark in ("5", "ː", "\u0303", "(vi-hue)", "(base2)")] == [""] * 5


def test_rounding_is_a_sound_of_its_own():
    assert phones("kʷ", "x") == ["K", "W"]


def test_names_of_several_sounds_are_read_one_by_one():
    parts = parts_of("aːʊ", "vi")
    assert [(part.phone, part.ipa) for part in parts] == [("AA", "aː"), ("UH", "ʊ")]
    assert [part.share for part in parts] == pytest.approx([2 / 3, 1 / 3])
    assert phones("onɡ2", "cmn") == ["OW", "NG"]
    assert phones("ʔe", "da") == ["EY"]
    assert phones("tsh", "cmn") == ["T", "S"]
    assert phones("ts.h", "cmn") == ["CH"]


def test_signs_that_languages_share_for_different_sounds():
    assert phones("c", "hi") == ["CH"] and phones("c", "cs") == ["K"]
    assert phones("ɟʰ", "mr") == ["JH"] and phones("ɟ", "hu") == ["G"]
    assert phones("y5", "vi-vn-x-south") == ["IH"] and phones("y5", "cmn") == ["UW"]
    assert phones("ɯ", "tr") == ["IH"] and phones("ɯᵝ", "ja") == ["UW"]
    assert phones("a", "en-gb") == ["AE"] and phones("a", "fi") == ["AA"]
    assert phones("ʔ", "ar") == ["HH"] and phones("ʔ", "en-us") == ["T"]


def test_signs_of_the_first_nine_languages_are_read_as_ever():
    read = {"de": "ɾʔaɜe", "es": "ɾaeoɔ", "fr": "ae", "it": "ɾaeo", "pt": "ɾa", "nl": "ɾaʔ",
            "sv": "ɾa", "pl": "ɾaʔ"}  # fmt: skip
    assert {code: " ".join(phones(s, code)[0] for s in signs) for code, signs in read.items()} == {
        "de": "R HH AA AH EY",
        "es": "R AA EH AO AO",
        "fr": "AA EY",
        "it": "R AA EY OW",
        "pt": "R AA",
        "nl": "R AA HH",
        "sv": "R AA",
        "pl": "R AA HH",
    }


@settings(deadline=None)
@given(st.text(alphabet="ptkbdɡmnszʃfvaeiouyøɯəɨʰːʲ`h̃5ɜʷjw", min_size=1, max_size=6))
def test_what_is_read_has_known_phones_and_whole_shares(symbol):
    for language in ("cmn", "hi", "de"):
        try:
            parts = parts_of(symbol, language)
        except BadParams as error:
            assert repr(symbol) in str(error)
            continue
        assert {part.phone for part in parts} <= ARPABET and all(part.ipa for part in parts)
        assert sum(part.share for part in parts) == pytest.approx(1)


def test_what_sounds_alike_is_heard_alike():
    assert [p.phone for p in parts_of("ɑːɹ", "en-us")] == ["AA", "R"]
    assert [p.phone for p in parts_of("ɾ", "en-us")] == ["D"]
    assert [p.phone for p in parts_of("ɾ", "de")] == ["R"]
    assert [p.phone for p in parts_of("ʔ", "en-us")] == ["T"]
    assert [p.phone for p in parts_of("tː", "it")] == ["T"]
    assert [p.phone for p in parts_of("ss", "it")] == ["S"]


def test_every_generated_sentence_can_be_spoken():
    from synth.espeak import phones_of

    for sentence in generate(300, 5):
        assert phones_of(sentence)
