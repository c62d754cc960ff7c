"""The table of sounds: complete for English, sound for the rest."""

from __future__ import annotations

import pytest
import yaml

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
    for language, lines in content["languages"].items():
        for symbol in lines:
            assert parts_of(symbol, language)


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
