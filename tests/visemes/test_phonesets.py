from __future__ import annotations

import pytest

from clips import BadLabels, BadParams, find_faults
from clips.arpabet import ARPABET
from visemes.inventory import load_inventory
from visemes.phonesets import (
    UNKNOWN,
    guess_phoneset,
    load_phoneset,
    phoneset_names,
    read_label_file,
    to_phones,
)


def phones_of(labels: str, phoneset: str) -> str:
    """The phones of labels of 0.1 s each."""
    entries = [(n / 10, (n + 1) / 10, label) for n, label in enumerate(labels.split())]
    phones, _ = to_phones(entries, load_phoneset(phoneset), len(entries) * 1600)
    return " ".join(phone.label for phone in phones)


@pytest.mark.parametrize(
    ("phoneset", "labels", "phones"),
    [
        ("emodb", "sil _d !d dasp E l a p !p m", "SIL D EH L AA P M"),
        ("emodb", "k !k kasp OY t", "K OY T"),
        ("emodb", "d !d H o", "D OW"),
        ("emodb", "x I+nas aI", "HH IH AY"),
        ("emu_ae", "V m V N s t H @:", "AH M AH NG S T ER"),
        ("emu_ae", "dH @ H i:", "D AH HH IY"),
        ("emodb", "sil qqq a", "SIL ? AA"),
    ],
)
def test_labels_of_a_notation_become_phones(phoneset, labels, phones):
    assert phones_of(labels, phoneset) == phones


@pytest.mark.parametrize("name", phoneset_names())
def test_every_phone_of_a_notation_has_a_mouth(name):
    inventory = load_inventory("cherry12")
    for phone, ipa in load_phoneset(name).phones.values():
        assert phone in ARPABET
        assert inventory.shapes(phone, ipa)


def test_gaps_become_silence_and_the_phones_tile_the_clip():
    phones, ipa = to_phones([(0.1, 0.2, "a"), (0.3, 0.4, "m")], load_phoneset("emodb"), 8000)
    assert [phone.label for phone in phones] == ["SIL", "AA", "SIL", "M", "SIL"]
    assert ipa == ("", "a", "", "m", "")
    assert find_faults(phones, 8000, tiled=True, name="phones") == []


def test_the_notation_is_found_by_its_labels():
    assert guess_phoneset({"@:", "H", "i:", "V", "S", "db"}).name == "emu_ae"
    assert guess_phoneset({"6", "OY", "!p", "tasp", "C"}).name == "emodb"
    with pytest.raises(BadParams, match="no notation knows"):
        guess_phoneset({"foo", "bar", "baz"}, "here")


@pytest.mark.parametrize(("folder", "expected"), [("emodb", "emodb"), ("emu_ae", "emu_ae")])
def test_real_hand_labels_are_read(shared, folder, expected):
    entries = [e for p in (shared / "speech" / folder / "labels").glob("*.tsv") for e in
               read_label_file(p)]  # fmt: skip
    phoneset = guess_phoneset({label for _, _, label in entries})
    assert phoneset.name == expected
    unknown = sum(phoneset.phone(label)[0] == UNKNOWN for _, _, label in entries)
    assert unknown <= 0.001 * len(entries)


@pytest.mark.parametrize("line", ["0.1\t0.2", "a\tb\tc", "0.1 0.2 a", "nan\t1\ta", "0.2\t0.1\ta"])
def test_a_bad_label_line_is_named(tmp_path, line):
    path = tmp_path / "x.tsv"
    path.write_text(f"0.0\t0.1\tsil\n{line}\n")
    with pytest.raises(BadLabels, match=r"x\.tsv:2"):
        read_label_file(path)
