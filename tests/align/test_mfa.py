"""MFA cannot be installed by pip, so everything here runs a FAKE of it (fake_mfa.py)."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from align import find_aligner, mfa
from align.mfa import find_program, plain_ipa, score_by_hearing
from clips import (
    BadAudio,
    BadInput,
    BadText,
    Clip,
    EngineFailed,
    EngineMissing,
    Segment,
    to_grid,
)
from synth.ipa import parts_of, plain_symbol

HERE = Path(__file__).parent

ARPA = {
    "please": "P L IY1 Z", "bring": "B R IH1 NG", "my": "M AY1", "father": "F AA1 DH ER0",
    "zzz": "Z IY1", "don't": "D OW1 N T",
}  # fmt: skip
GERMAN = {"eis": "aj s", "pfanne": "pf a n ə", "tee": "tʰ eː", "haus": "h aw s"}


def speech(clip_id: str, text: str, speaker: str = "anna", seconds: float = 2.0, **changes) -> Clip:
    """A clip of noise that fades in and out; the fake does not listen."""
    rng = np.random.default_rng(1)
    count = round(seconds * 16_000)
    audio = rng.normal(0, 0.1, count) * np.hanning(count)
    values = {"language": "en", "source": "t", "licence": "CC0-1.0", "attribution": "", **changes}
    return Clip(clip_id=clip_id, audio=to_grid(audio), text=text, speaker=speaker, **values)


@pytest.fixture
def program(tmp_path, monkeypatch) -> Path:
    """The fake as a program, with models where MFA keeps them."""
    path = tmp_path / "bin" / "mfa"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "fake_mfa.py"}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    root = tmp_path / "root" / "pretrained_models"
    for kind in ("acoustic", "dictionary", "g2p"):
        (root / kind).mkdir(parents=True)
    for name, words in (("english_us_arpa", ARPA), ("german_mfa", GERMAN)):
        lines = [f"{word}\t0.99\t0.5\t1.0\t1.0\t{phones}" for word, phones in words.items()]
        (root / "dictionary" / f"{name}.dict").write_text("\n".join(lines) + "\n", "utf-8")
        with zipfile.ZipFile(root / "acoustic" / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}/meta.json", json.dumps({"version": "3.0.0"}))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("VISEMILL_MFA", str(path))
    monkeypatch.setenv("MFA_ROOT_DIR", str(tmp_path / "root"))
    return path


@pytest.fixture
def lines() -> list[str]:
    return []


def arpabet(sign: str, language: str) -> list[tuple[str, str, float]]:
    """As the pipelines give it."""
    parts = parts_of(plain_symbol(sign), language)
    return [(part.phone, part.ipa, part.share) for part in parts]


@pytest.fixture
def aligner(program, lines):
    return find_aligner("mfa", to_arpabet=arpabet, say=lines.append)


def test_fake_the_phones_of_an_arpabet_model_tile_the_clip(aligner, lines):
    clip = speech("a", "Please bring my father!")
    aligned = aligner.align(clip)
    spoken = "P L IY Z B R IH NG M AY F AA DH ER".split()
    assert [phone.label for phone in aligned.phones] == ["SIL", *spoken, "SIL"]
    assert [word.label for word in aligned.words] == "please bring my father".split()
    assert aligned.timing == "aligned" and aligned.ipa == ()
    assert aligned.audio.tobytes() == clip.audio.tobytes()
    assert aligned.validate() is aligned
    edges = {phone.start for phone in aligned.phones} | {phone.end for phone in aligned.phones}
    assert all(word.start in edges and word.end in edges for word in aligned.words)
    assert "Setting up corpus information..." in lines


def test_fake_the_op_names_the_version_and_the_models(aligner):
    op = aligner.align(speech("a", "my father")).ops[-1].read()
    assert (op["aligner"], op["version"]) == ("mfa", "3.2.1")
    dictionary, acoustic = op["models"]
    assert dictionary.startswith("dictionary english_us_arpa ")
    assert acoustic.startswith("acoustic english_us_arpa 3.0.0 ")


def test_fake_an_ipa_model_becomes_arpabet_and_keeps_its_ipa(aligner):
    aligned = aligner.align(speech("a", "Eis, Pfanne", language="de"))
    found = [(p.label, sign) for p, sign in zip(aligned.phones, aligned.ipa)]
    assert found == [
        ("SIL", ""), ("AY", "aɪ"), ("S", "s"), ("F", "pf"), ("AA", "a"), ("N", "n"), ("AH", "ə"),
        ("SIL", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sign", "phones"),
    [
        ("aj", "AY"), ("aw", "AW"), ("ej", "EY"), ("ow", "OW"), ("əw", "OW"), ("ɔj", "OY"),
        ("pʰ", "P"), ("tʲ", "T"), ("cʰ", "K"), ("ɫ", "L"), ("ɫ̩", "L"), ("m̩", "M"), ("n̩", "N"),
        ("ɾ", "D"), ("ɾ̃", "D"), ("t̪", "T"), ("ʔ", "T"), ("ɟ", "G"), ("ɱ", "V"), ("ɝ", "ER"),
        ("ɚ", "ER"), ("ɒː", "AA"), ("ɑː", "AA"), ("ʉː", "UW"), ("ɛː", "EH"), ("tʃ", "CH"),
        ("dʒ", "JH"), ("ɹ", "R"), ("ð", "DH"), ("θ", "TH"), ("kʷ", "K W"), ("vʲ", "V"),
        ("ç", "HH"), ("ɲ", "N"), ("ʎ", "L Y"), ("a", "AE"), ("ɐ", "AH"), ("j", "Y"), ("w", "W"),
    ],
)  # fmt: skip
def test_signs_of_the_english_ipa_set_have_the_expected_phones(sign, phones):
    assert " ".join(part[0] for part in arpabet(plain_ipa(sign), "en")) == phones


def test_fake_many_clips_come_back_in_order_with_a_reason_each(aligner):
    clips = [
        speech("a", "my father", "anna"),
        speech("b", "my zzz", "bert"),
        speech("c", "bring grobblewick", "anna"),
        speech("d", "my father", "bert", seconds=0.05),
        speech("e", "3.5", "bert"),
        speech("f", "haus", "otto", language="de"),
        speech("g", "talo", "aino", language="fi"),
        speech("h/../../x", "don't", "../.."),
    ]
    results = list(aligner.align_all(clips))
    kinds = [Clip, EngineFailed, BadText, BadAudio, BadText, Clip, BadText, Clip]
    reasons = [None, "no path", "grobblewick", "too short", "digits", None, "'fi'", None]
    for result, kind, reason in zip(results[:-1], kinds, reasons):
        assert isinstance(result, kind), result
        assert reason is None or reason in str(result)
    assert [r.clip_id for r in results if isinstance(r, Clip)] == ["a", "f"]
    assert "clip_id" in str(results[-1])  # its id is refused, and no file was made of it


def test_fake_every_clip_that_mfa_says_nothing_of_fails(aligner, monkeypatch):
    monkeypatch.setenv("FAKE_MFA", "nothing")
    [result] = aligner.align_all([speech("a", "my father")])
    assert isinstance(result, EngineFailed) and "no reason" in result.what


def test_fake_output_that_is_no_alignment_fails_with_a_reason(aligner, monkeypatch):
    monkeypatch.setenv("FAKE_MFA", "garbage")
    with pytest.raises(EngineFailed, match="cannot be read as an alignment"):
        aligner.align(speech("a", "my father"))


def test_fake_a_failed_run_gives_mfas_own_words(aligner, monkeypatch):
    monkeypatch.setenv("FAKE_MFA", "crash")
    results = list(aligner.align_all([speech("a", "my father"), speech("b", "bring")]))
    assert all(isinstance(result, EngineFailed) for result in results)
    assert "KaldiProcessingError: something broke" in str(results[0])


def test_fake_a_run_that_hangs_is_ended_and_leaves_nothing(aligner, monkeypatch, tmp_path):
    aligner.version()
    monkeypatch.setenv("FAKE_MFA", "hang")
    monkeypatch.setattr(mfa, "_START_SECONDS", -8.0)
    began = time.monotonic()
    with pytest.raises(EngineFailed, match="took longer than 2 s"):
        aligner.align(speech("a", "my father"))
    assert time.monotonic() - began < 10
    assert not list((tmp_path / "scratch").iterdir())


def test_fake_nothing_is_left_of_a_run_that_went_well(aligner, tmp_path):
    aligner.align(speech("a", "my father"))
    assert not list((tmp_path / "scratch").iterdir())


def test_fake_same_clips_give_the_same_alignment(aligner, program):
    clips = [speech("a", "my father", "anna"), speech("b", "bring", "bert")]
    other = find_aligner("mfa", say=lambda line: None, jobs=2)
    assert list(aligner.align_all(clips)) == list(other.align_all(clips))


def test_fake_training_on_the_clips_themselves(program):
    aligner = find_aligner("mfa", train=True, say=lambda line: None)
    aligned = aligner.align(speech("a", "my father"))
    assert aligned.phones[1].label == "M"
    assert "acoustic model trained on these clips" in aligned.ops[-1].read()["models"]


def test_fake_a_model_that_is_not_there_is_named_with_the_line_that_gets_it(aligner, tmp_path):
    (tmp_path / "root/pretrained_models/acoustic/english_us_arpa.zip").unlink()
    with pytest.raises(EngineMissing, match="mfa model download acoustic english_us_arpa"):
        aligner.align(speech("a", "my father"))


def test_fake_a_model_that_only_mfa_misses_is_named_too(aligner, program):
    refused = (
        "printf '│ Could not find a model named \"english_us_arpa\" for acoustic. │\\n'; exit 2"
    )
    shell = f"#!/bin/sh\nif [ $1 = version ]; then echo 3.2.1; else {refused}; fi\n"
    program.write_text(shell, "utf-8")
    with pytest.raises(EngineMissing, match="mfa model download acoustic english_us_arpa"):
        aligner.align(speech("a", "my father"))


def test_fake_a_release_that_is_not_known_is_refused(aligner, program):
    program.write_text("#!/bin/sh\necho 4.0.0\n", "utf-8")
    with pytest.raises(EngineMissing, match=r"mfa 4\.0\.0 has other commands"):
        aligner.align(speech("a", "my father"))


def test_fake_models_may_be_paths_from_here(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = Path("root/pretrained_models")
    aligner = find_aligner(
        "mfa",
        say=lambda line: None,
        dictionary=str(models / "dictionary/english_us_arpa.dict"),
        acoustic=str(models / "acoustic/english_us_arpa.zip"),
    )
    assert aligner.speaks("fi")
    assert aligner.align(speech("a", "father", language="fi")).phones[1].label == "F"


def test_without_the_program_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("VISEMILL_MFA", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() is None
    assert find_aligner("mfa").version() is None
    with pytest.raises(EngineMissing, match="micromamba create -n mfa"):
        find_aligner("mfa").align(speech("a", "my father"))


def test_a_micromamba_environment_is_found(monkeypatch, tmp_path):
    micromamba = tmp_path / "micromamba"
    micromamba.write_text("#!/bin/sh\nexit 1\n")
    micromamba.chmod(0o755)
    monkeypatch.delenv("VISEMILL_MFA", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    assert find_program() == [str(micromamba), "run", "-n", "mfa", "mfa"]
    assert find_aligner("mfa").version() is None  # no such environment


def test_a_variable_that_names_no_program_is_named(monkeypatch):
    monkeypatch.setenv("VISEMILL_MFA", "/nowhere/mfa")
    with pytest.raises(BadInput, match="VISEMILL_MFA: is '/nowhere/mfa'"):
        find_aligner("mfa").version()


def test_fake_what_was_heard_scores_the_phones(program):
    heard = {"right": True}

    def hear(clip):
        if not heard["right"]:
            return [Segment("OY", 0, len(clip))]
        return aligned.phones

    aligned = find_aligner("mfa", say=lambda line: None).align(speech("a", "please bring"))
    assert all(phone.score is None for phone in aligned.phones)
    judged = find_aligner("mfa", hear=hear, say=lambda line: None)
    good = judged.align(speech("a", "please bring"))
    heard["right"] = False
    bad = judged.align(speech("a", "please bring"))
    assert good.score["confidence"] > 0.9 > 0.2 > bad.score["confidence"]
    assert all(0 <= phone.score <= 1 for phone in good.phones if phone.label != "SIL")


def test_real_hearing_tells_a_right_text_from_a_wrong_one(speak):
    clip = speak("Please bring my father a big cup of black coffee.")
    heard = find_aligner("pocketsphinx").align(clip).phones  # stands for a good free recognizer
    labels = [phone.label for phone in clip.phones]
    wrong = clip.with_(
        phones=tuple(
            Segment(label, p.start, p.end) for label, p in zip(reversed(labels), clip.phones)
        )
    )
    right = score_by_hearing(clip, heard).score["align_heard"]
    assert right > 1 > 0 > score_by_hearing(wrong, heard).score["align_heard"]
