"""Seven languages by espeak-ng's IPA: a sentence each, and the mouths that a person would draw.

The tracks were written by hand, word by word, from what the lips do in these sounds. In all of
them: p b m A (shut), f v G (lip on teeth), sounds of tongue and throat alone B, s z ʃ ʒ and
affricates J (teeth together), l ʎ H, [a ɑ] D (wide), [ɛ ə ɐ ʌ] C (half open, at ease), [i e j] I
(spread), [u y w] F (puckered), [o ɔ ø œ] E (open and rounded). The notes say what is special.
"""

from __future__ import annotations

import pytest

from clips import SILENCE, Segment, draw_stream
from synth import Prompt, find_engine
from visemes.inventory import load_inventory
from visemes.lip_score import lip_score
from visemes.rules import to_visemes

INVENTORY = load_inventory("cherry12")

SENTENCES = {
    "de": (
        "Guten Morgen, möchten Sie früh Tee?",
        "BFBCB AEBCB AEBCB JI GBF BI",
        # r of Morgen and früh is no English r: the lips do not round for it, and those of g and ən
        # are free. ö has the lips of o, ü those of u. ch after ö is made at the palate: B.
        # Long e does not glide and is as spread as i.
    ),
    "fr": (
        "Bonjour, un peu de vin blanc?",
        "AEJFB E AE BC GC AHD",
        # Nasal vowels have the lips of their oral ones: on E, un E (œ), in C (ɛ), an D (ɑ).
        # r is made in the throat. eu of peu is rounded, e of de is not.
    ),
    "es": (
        "Vivo en Burgos, perro y gato.",
        "AIGE I AFBEJ AIBE I BDBE",
        # v at the start is b: shut. Between vowels it is β: the lips only nearly meet, drawn as G.
        # n of en before b is m, so the lips close once, early, for mb. rr and r are of the tongue.
    ),
    "it": (
        "Buona sera, mamma, che gioia.",
        "AFEBD JIBD ADAD BI JEID",
        # uo glides from puckered to open. mm is one long closure. gi before o is an affricate.
    ),
    "pt": (
        "Bom dia, meu filho, não vou.",
        "AEB IC AIF GIHIF BCF GEF",
        # m at the end of bom is not pronounced with the lips: ŋ, and d after it is of the tongue
        # as well, so one B for both. o at the end of filho and não is u. lh is l with the tongue
        # flat, going over into j.
    ),
    "hi": (
        "नमस्ते, आप कैसे हैं?",
        "BCACJBI DA BCJI C",
        # a is ə or ʌ, ā wide open. e is long and spread, ai is ɛ. h of haiṁ has the vowel's mouth.
    ),
    "cmn": (
        "你好，我买两本书。",
        "BI BDF E ADI HIDB ACB JF",
        # h of hǎo is friction at the back: B. Its o is u, and w of wǒ goes on with the same F.
        # b of běn is an unaspirated p: shut. sh is made with the teeth together, u puckers.
    ),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_has_the_mouths_that_a_person_draws(language):
    text, words = SENTENCES[language]
    engine = find_engine("espeak")
    voice = engine.voices(language)[0]
    prompt = Prompt("sentence", text, language)
    params = engine.draw(draw_stream(1, "test", language), prompt, voice)
    clip = engine.speak(prompt, voice, params, "sentence")
    spoken = [(p, ipa) for p, ipa in zip(clip.phones, clip.ipa) if p.label != SILENCE]
    phones, at = [], 0
    for phone, _ in spoken:  # the voice's short pauses say nothing about the table
        phones.append(Segment(phone.label, at, at + phone.samples))
        at += phone.samples
    track = to_visemes(phones, INVENTORY, ipa=[ipa for _, ipa in spoken])
    assert "".join(INVENTORY.letters[s.label] for s in track) == words.replace(" ", "")
    edges = [segment.end / 16 for segment in track]
    classes = [
        INVENTORY.classes.index(next(s.label for s, e in zip(track, edges) if ms < e))
        for ms in range(int(edges[-1]))
    ]
    score = lip_score(classes, 1000, phones, INVENTORY, ipa=[ipa for _, ipa in spoken])
    assert score.score == 1


def test_the_expected_tracks_know_every_mouth_but_the_english_r():
    used = set("".join(words for _, words in SENTENCES.values())) - {" "}
    assert used == set(INVENTORY.letters.values()) - {"K", "X"}
