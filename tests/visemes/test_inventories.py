"""Every inventory: no hole, and lips that do what the sounds of the world's languages ask."""

from __future__ import annotations

import pytest

from clips import BadParams
from clips.arpabet import ARPABET
from synth.ipa import _content, _table
from visemes.classes import CLASSES
from visemes.inventory import inventory_names, load_inventory
from visemes.phonesets import load_phoneset, phoneset_names

NAMES = inventory_names()

EMITTED = sorted(
    {
        (part.phone, part.ipa)
        for code in ["", *(c for codes in _content()["languages"] for c in codes.split())]
        for parts in _table(code).values()
        for part in parts
    }
    | {pair for name in phoneset_names() for pair in load_phoneset(name).phones.values()}
)
"""(ARPAbet, IPA) of every sound that espeak-ng emits in any language or that labels name."""

CLOSED = set("p b m ᵐ ɓ".split())
TEETH = set("f v ɱ ʋ pf".split())
ROUNDED = set("u uː ũ ʊ y yː ʏ ø øː œ œː œ̃ o oː õ ɔ ɔː ɔ̃ oʊ w ɥ ʍ ʷ ʊː ʉ ʉː yɐ uɐ".split())
SPREAD_OR_FREE = set(
    "i iː ĩ ɪ ɨ ᵻ ɯ e eː ẽ ɛ ɛː ɛ̃ æ a aː ã ɑ ɑː ɐ ə ɤ ʌ j ɰ ʝ "
    "s z t d n k ɡ ŋ θ ð l x ç χ ʁ ʀ".split()
)

FREE = {"spread", "open", "apart"}
"""What lips may do where a sound does not need them."""


def test_there_are_the_seven_inventories():
    expected = "arkit52 cherry12 mpeg4 oculus15 preston_blair rhubarb sapi22"
    assert expected.split() == NAMES
    sizes = {name: len(load_inventory(name).classes) for name in NAMES}
    assert (sizes["rhubarb"], sizes["preston_blair"], sizes["oculus15"]) == (9, 10, 15)
    assert (sizes["sapi22"], sizes["mpeg4"]) == (22, 15)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_whole(name):
    inventory = load_inventory(name)
    assert inventory.source
    assert set(inventory.phones) == {*ARPABET, "SIL"}
    assert set(inventory.from_cherry12) == set(CLASSES)
    used = {v for entry in (*inventory.phones.values(), *inventory.ipa.values()) for v, _ in entry}
    used |= set(inventory.rounded.values()) | set(inventory.relaxed.values())
    assert used == set(inventory.classes), "a shape that nothing shows"
    assert inventory.lips[inventory.rest] == "rest"
    assert all(inventory.lips[v] == "rounded" for v in inventory.rounded.values())
    assert not any(inventory.must_show(v) for v in inventory.relaxed.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_sound_has_lips_that_fit(name):
    inventory = load_inventory(name)
    seen = set()
    for phone, ipa in EMITTED:
        lips = inventory.lips[inventory.shapes(phone, ipa)[0][0]]
        where = f"{phone} {ipa}"
        if ipa in CLOSED:
            assert lips == "closed", where
        elif ipa in TEETH:
            assert lips == "teeth", where
        elif ipa in ROUNDED:
            # SAPI's own table puts "book" beside "bed"
            assert lips == "rounded" or (name == "sapi22" and phone == "UH"), where
        elif ipa in SPREAD_OR_FREE:
            assert lips in FREE, where
        seen.add(ipa)
    assert len(seen & (CLOSED | TEETH | ROUNDED | SPREAD_OR_FREE)) > 60


@pytest.mark.parametrize("name", NAMES)
def test_the_networks_mouths_keep_their_lips(name):
    cherry, inventory = load_inventory("cherry12"), load_inventory(name)
    for viseme, shape in inventory.from_cherry12.items():
        if viseme != "R":  # slightly rounded: some sets have no such shape
            one, other = inventory.lips[shape], cherry.lips[viseme]
            assert one == other or {one, other} <= FREE


def test_the_documented_lines_of_the_sets():
    # Rhubarb's README, SPVISEMES, and OpenXR's and MPEG-4's tables of phonemes
    def letters(name: str, phones: str) -> str:
        inventory = load_inventory(name)
        return " ".join(inventory.letters[inventory.phones[p][0][0]] for p in phones.split())

    assert letters("rhubarb", "P K S T IY EH AE AA AO ER UW W F V L SIL") == (
        "A B B B B C C D E E F F G G H X"
    )
    assert letters("sapi22", "AE AA AO EY ER Y UW OW AW OY AY HH R L S SH TH F D K P") == (
        " ".join(map(str, range(1, 22)))
    )
    order = "SIL P F TH T K CH S N R AA EH IH {} UH"
    assert letters("oculus15", order.format("OW")) == (
        "sil PP FF TH DD kk CH SS nn RR aa E ih oh ou"
    )
    assert letters("mpeg4", order.format("AO")) == " ".join(map(str, range(15)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("letter: A, lips: closed", "letter: A, lips: shut"), "lips: 'shut' is unknown"),
        (("relaxed: C", "relaxed: Q"), "relaxed: unknown viseme 'Q'"),
        (("letter: B,", "letter: A,"), "share a letter"),
        (("Woo: F}", "Wuu: F}"), "from_cherry12: has no viseme for Woo"),
        (("  ZH: B\n", ""), "phones: has no viseme for ZH"),
        (("Woo: F}", "Woo: Q}"), "from_cherry12.Woo: unknown viseme 'Q'"),
    ],
)
def test_a_faulty_table_is_named(tmp_path, change, message):
    with open(load_inventory("rhubarb").file, encoding="utf-8") as file:
        text = file.read()
    assert change[0] in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(BadParams, match=message) as caught:
        load_inventory(str(path))
    assert "mine.yaml" in str(caught.value) and caught.value.remedy
