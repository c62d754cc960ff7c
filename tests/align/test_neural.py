from __future__ import annotations

import pickle

import numpy as np
import pytest

from align import compare, doubt, find_aligner, total
from align.training import AcousticParams, collect, train
from clips import BadAudio, BadText, Clip, EngineFailed, EngineMissing
from pipelines.aligners import MODEL, read_text, ready_aligner
from synth import Prompt, find_engine
from visemes.phonesets import load_phoneset, read_label_file, to_phones

TAUGHT = (
    "Please bring my father a big cup of black coffee.",
    "Seven purple boxes were found behind the wooden gate.",
    "We should have left the house before half past five.",
    "The young singer would rather choose a quiet village.",
    "Nobody thought that the measure could change much.",
    "They joined us for a short walk along the river.",
)
ASKED = ("A few bad potatoes fell over the shelf.", "My mother was singing in the garden.")


def spoken(texts, voices, language="en"):
    engine = find_engine("espeak")
    known = {voice.name: voice for voice in engine.voices(language)}
    return [
        engine.speak(
            Prompt(prompt_id="p", language=language, split="train", text=text),
            known[name],
            engine.draw(np.random.default_rng(n), None, known[name]),
            f"{name.replace('+', '-')}-{n}",
        )
        for n, text in enumerate(texts)
        for name in voices
    ]


@pytest.fixture(scope="module")
def model():
    """A model that has heard 36 utterances: enough to see that everything fits together."""
    names = [f"en-us+{name}" for name in ("f1", "m3", "m1", "f4", "m7", "Andrea")]
    params = AcousticParams(epochs=14, batch=8, frames=300, channels=48)
    return train(collect(spoken(TAUGHT, names)), params, 1)


@pytest.fixture(scope="module")
def aligner(model):
    return find_aligner("neural", model=model, read=read_text)


@pytest.fixture(scope="module")
def truth():
    return spoken(ASKED, ["en-us+f2", "en-us+m2"])


@pytest.fixture(scope="module")
def aligned(aligner, truth):
    return [aligner.align(clip) for clip in truth]


def test_boundaries_of_unheard_voices_and_sentences_are_met(truth, aligned):
    found = total(compare(clip.phones, guess.phones) for clip, guess in zip(truth, aligned))
    assert found.mean_ms < 14
    assert found.f1 > 0.75
    assert abs(found.bias_ms) < 8


def test_an_aligned_clip_says_how_it_was_made(aligner, truth, aligned):
    before, after = truth[0], aligned[0]
    assert after.timing == "aligned"
    assert after.ops[-1].read() == {"aligner": "neural", "version": aligner.version()}
    assert after.audio.tobytes() == before.audio.tobytes()
    assert [word.label for word in after.words] == "A few bad potatoes fell over the shelf".split()
    assert len(after.ipa) == len(after.phones)
    assert all(0 <= phone.score <= 1 for phone in after.phones)
    assert 0 <= after.score["confidence"] <= 1
    edges = {phone.start for phone in after.phones} | {phone.end for phone in after.phones}
    assert all(word.start in edges and word.end in edges for word in after.words)


def test_the_result_does_not_depend_on_what_was_aligned_before(model, truth, aligned):
    other = find_aligner("neural", model=model, read=read_text)
    assert [other.align(clip) for clip in reversed(truth)] == aligned[::-1]


def test_an_aligner_can_be_sent_to_a_worker(aligner, truth, aligned):
    assert pickle.loads(pickle.dumps(aligner)).align(truth[0]) == aligned[0]


def test_a_wrong_text_is_believed_less(aligner, truth, aligned):
    wrong = aligner.align(truth[0].with_(text=ASKED[1]))
    assert wrong.score["confidence"] < aligned[0].score["confidence"] - 0.3


def test_other_languages_are_aligned(aligner):
    (clip,) = spoken(["Der Vater hat zwei schöne Häuser."], ["de+m3"], "de")
    guess = aligner.align(clip)
    assert [word.label for word in guess.words] == "Der Vater hat zwei schöne Häuser".split()
    assert compare(clip.phones, guess.phones).mean_ms < 30


def test_a_text_that_the_sound_cannot_hold_fails_with_a_reason(aligner, truth):
    with pytest.raises(EngineFailed, match="does not fit"):
        aligner.align(truth[0].with_(text=" ".join(TAUGHT * 4)))


def test_a_language_that_nobody_speaks_is_refused(aligner, truth):
    with pytest.raises(BadText, match="'xx'"):
        aligner.align(truth[0].with_(language="xx"))


def test_a_text_without_words_is_refused(aligner, truth):
    with pytest.raises(BadText):
        aligner.align(truth[0].with_(text="..."))


@pytest.mark.parametrize("samples", [1, 400, 799])
def test_a_clip_without_room_for_a_phone_is_refused(aligner, samples):
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


def test_without_a_model_there_is_no_version_and_a_remedy(tmp_path, truth):
    aligner = find_aligner("neural", model=tmp_path / "none.npz", read=read_text)
    assert aligner.version() is None
    with pytest.raises(EngineMissing, match="make repro"):
        aligner.align(truth[0])


def test_capitals_are_not_spelled_and_joined_words_are_read_apart():
    words = read_text("THE END OF THE ROAD", "en")
    assert [word.text for word in words] == ["the", "end", "of", "the", "road"]
    assert words == read_text("the end of the road", "en")
    assert [phone for phone, _ in words[4].phones] == ["R", "OW", "D"]


def test_accents_are_alternatives_unless_one_is_named():
    anywhere = read_text("It is futile.", "en")[2]
    here = read_text("It is futile.", "en-GB")[2]
    assert here.phones in anywhere.others
    assert not here.others


def test_hand_labels_are_met(recordings, shared):
    if not MODEL.is_file():
        pytest.skip("the stage acoustic has not trained a model yet")
    aligner = ready_aligner("neural")
    results = []
    for clip, row in recordings("emu_ae", 3):
        lines = read_label_file(shared / "speech" / "emu_ae" / row["label"])
        truth, _ = to_phones(lines, load_phoneset("emu_ae"), len(clip))
        results.append(compare(truth, aligner.align(clip).phones))
    found = total(results)
    assert found.mean_ms < 12
    assert found.f1 > 0.75
