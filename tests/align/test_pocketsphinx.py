from __future__ import annotations

import pickle

import numpy as np
import pytest

from align import compare, doubt, find_aligner, total
from clips import BadAudio, BadParams, BadText, Clip, EngineFailed
from visemes.phonesets import load_phoneset, read_label_file, to_phones

TEXTS = (
    "Please bring my father a big cup of black coffee.",
    "Seven purple boxes were found behind the wooden gate.",
    "We should have left the house before half past five.",
)


@pytest.fixture(scope="module")
def aligner():
    return find_aligner("pocketsphinx")


@pytest.fixture(scope="module")
def spoken(speak):
    return [speak(text, voice) for text, voice in zip(TEXTS, ("slt", "rms", "awb"))]


@pytest.fixture(scope="module")
def aligned(aligner, spoken):
    return [aligner.align(clip) for clip in spoken]


def test_boundaries_agree_with_a_synthesizer_that_knows_them(spoken, aligned):
    found = total(compare(clip.phones, guess.phones) for clip, guess in zip(spoken, aligned))
    assert found.mean_ms < 13
    assert found.f1 > 0.8
    assert abs(found.bias_ms) < 4  # no systematic offset is left


def test_an_aligned_clip_says_how_it_was_made(aligner, spoken, aligned):
    before, after = spoken[0], aligned[0]
    assert after.timing == "aligned"
    assert after.ops[-1].read() == {"aligner": "pocketsphinx", "version": aligner.version()}
    assert after.clip_id == before.clip_id
    assert after.audio.tobytes() == before.audio.tobytes()
    assert [word.label for word in after.words] == [
        *("please bring my father a big cup of black coffee").split()
    ]
    assert all(0 <= phone.score <= 1 for phone in after.phones)
    assert 0 <= after.score["confidence"] <= 1
    edges = {phone.start for phone in after.phones} | {phone.end for phone in after.phones}
    assert all(word.start in edges and word.end in edges for word in after.words)


def test_the_result_does_not_depend_on_what_was_aligned_before(spoken, aligned):
    other = find_aligner("pocketsphinx")
    loud = spoken[1].with_(audio=np.clip(spoken[1].audio * 3, -1, 0.99).astype(np.float32))
    loud = loud.with_(audio=np.rint(loud.audio * 32768).astype(np.float32) / 32768)
    other.align(loud)  # another level and another voice
    with pytest.raises((EngineFailed, BadText)):
        other.align(spoken[0].with_(text="wxyzzy"))
    assert [other.align(clip) for clip in reversed(spoken)] == aligned[::-1]


def test_an_aligner_can_be_sent_to_a_worker(aligner, spoken, aligned):
    assert pickle.loads(pickle.dumps(aligner)).align(spoken[0]) == aligned[0]


def test_an_unknown_word_is_named(aligner, speak):
    with pytest.raises(BadText, match="grobblewick"):
        aligner.align(speak("The grobblewick sat down."))


def test_an_unknown_word_is_aligned_with_a_pronunciation(speak):
    def say(word):
        return "G R AA B AH L W IH K".split()

    clip = find_aligner("pocketsphinx", pronounce=say).align(speak("The grobblewick sat down."))
    word = next(word for word in clip.words if word.label == "grobblewick")
    inside = [p.label for p in clip.phones if word.start <= p.start and p.end <= word.end]
    assert inside == say("")


def test_a_pronunciation_outside_arpabet_is_refused(speak):
    aligner = find_aligner("pocketsphinx", pronounce=lambda word: ["QQ"])
    with pytest.raises(BadText, match="QQ"):
        aligner.align(speak("The grobblewick sat down."))


def test_a_text_that_the_sound_cannot_hold_fails_with_a_reason(aligner, spoken):
    long = " ".join(TEXTS * 6).replace(".", "")
    with pytest.raises(EngineFailed, match="text"):
        aligner.align(spoken[0].with_(text=long))


@pytest.mark.parametrize(("language", "fine"), [("en", True), ("en-GB", True), ("de", False)])
def test_only_english_is_aligned(aligner, spoken, language, fine):
    assert aligner.speaks(language) is fine
    if not fine:
        with pytest.raises(BadText, match="'de'"):
            aligner.align(spoken[0].with_(language=language))


@pytest.mark.parametrize("samples", [1, 400, 799])
def test_a_clip_without_room_for_a_phone_is_refused(aligner, spoken, samples):
    tiny = Clip("x", np.zeros(samples, np.float32), "a", "en", "s", "t", "CC0-1.0", "")
    with pytest.raises(BadAudio, match="too short"):
        aligner.align(tiny)


def test_silence_does_not_pass_for_speech(aligner):
    quiet = Clip("x", np.zeros(32000, np.float32), "hello world", "en", "s", "t", "CC0-1.0", "")
    try:
        scores = aligner.align(quiet).score
    except EngineFailed:
        return
    assert doubt(scores)


def test_an_unknown_aligner_lists_the_known_ones():
    with pytest.raises(BadParams, match="pocketsphinx"):
        find_aligner("nothing")
    with pytest.raises(BadParams):
        find_aligner("confidence")


def test_hand_labels_of_a_speaker_are_met(aligner, recordings, shared):
    results = []
    for clip, row in recordings("emu_ae", 3):
        lines = read_label_file(shared / "speech" / "emu_ae" / row["label"])
        truth, _ = to_phones(lines, load_phoneset("emu_ae"), len(clip))
        results.append(compare(truth, aligner.align(clip).phones))
    found = total(results)
    assert found.mean_ms < 14
    assert found.f1 > 0.75
