"""coqui: a tiny VITS with random weights speaks through coqui's own code; noise, truly timed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clips import RATE, SILENCE, BadParams, EngineFailed, EngineMissing, draw_stream
from synth import Prompt, find_engine
from synth.coqui import PEAK, Coqui, _process, _python, _version, sounds_of
from tests.synth.conformance import PROMPT, EngineConformance, digest, some_voices, speak

needs_coqui = pytest.mark.skipif(
    _version(_python()) is None,
    reason="coqui-tts is not installed: make coqui, or set VISEMILL_COQUI to its Python",
)

MAKE_MODELS = """
    import json, runpy, sys
    from pathlib import Path
    import torch
    from TTS.tts.configs.vits_config import VitsConfig
    from TTS.tts.models.vits import CharactersConfig, Vits, VitsArgs

    def make(folder, language, speakers, seed):
        folder.mkdir(parents=True)
        args = VitsArgs(
            hidden_channels=32, hidden_channels_ffn_text_encoder=32, num_heads_text_encoder=1,
            num_layers_text_encoder=1, num_layers_posterior_encoder=1, num_layers_flow=1,
            upsample_initial_channel_decoder=32, resblock_kernel_sizes_decoder=[3],
            resblock_dilation_sizes_decoder=[[1, 3, 5]], speaker_embedding_channels=16,
            use_speaker_embedding=bool(speakers), use_sdp=False, init_discriminator=False,
        )
        config = VitsConfig(
            model_args=args, use_phonemes=True, phonemizer="espeak", phoneme_language=language,
            text_cleaner="phoneme_cleaners", add_blank=True,
        )
        if speakers:
            # The path of the machine that trained it: the table is found beside the config.
            path = folder / "speaker_ids.json"
            path.write_text(json.dumps({name: n for n, name in enumerate(speakers)}))
            config.model_args.speakers_file = str(path)
        config.characters = CharactersConfig(
            characters_class="TTS.tts.models.vits.VitsCharacters", pad="_", eos="", bos="",
            blank="<BLNK>", characters="", punctuations=";:,.!?'\\"- ",
            phonemes="aeiouɑæɐəɚɜʌɔɪʊɛᵻɒbdfhjklmnpstvwzðŋɡɹɾʃʒθːˈˌʔ",
        )
        torch.manual_seed(seed)
        model = Vits(config)
        with torch.no_grad():  # durations that differ from symbol to symbol
            model.duration_predictor.proj.weight.mul_(8)
            model.duration_predictor.proj.bias.fill_(0.7)
        torch.save({"model": model.state_dict(), "config": config.to_dict()},
                   folder / "model_file.pth")
        config.model_args.speakers_file = "/elsewhere/speaker_ids.json" if speakers else None
        config.save_json(folder / "config.json")

    runpy.run_path(sys.argv[2])["_register_espeak"]()
    top = Path(sys.argv[1])
    make(top / "trio", "en-us", ["ann", "bob", "cy one"], 1)
    make(top / "solo", "en-gb", [], 2)
    for name, change in {
        "letters": {"use_phonemes": False},
        "gruut": {"phonemizer": "gruut"},
        "tacotron": {"model": "tacotron2"},
    }.items():
        (top / name).mkdir()
        config = json.loads((top / "solo" / "config.json").read_text())
        config.update(change)
        (top / name / "config.json").write_text(json.dumps(config))
        (top / name / "model_file.pth").write_bytes(b"nothing")
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Iterator[Path]:
    """A folder with the models "trio" (en-us, three speakers) and "solo" (en-gb), and bad ones."""
    if _version(_python()) is None:
        pytest.skip("coqui-tts is not installed: make coqui")
    folder = tmp_path_factory.mktemp("coqui")
    worker = Path(__file__).parents[2] / "synth" / "coqui_worker.py"
    done = subprocess.run(
        [_python(), "-I", "-c", textwrap.dedent(MAKE_MODELS), str(folder), str(worker)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as patch:
        # Nothing is downloaded here, on any machine.
        patch.setenv("TTS_HOME", str(folder / "downloads"))
        for name in ("HTTPS_PROXY", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        yield folder


def settings_of(models: Path, **changes) -> dict:
    trio = {"model": str(models / "trio"), "language": "en-us", "licence": "CC0-1.0"}
    return {
        "models": [
            {**trio, "attribution": "nobody", "sex": {"ann": "f"}, **changes},
            {
                "model": [str(models / "solo/model_file.pth"), str(models / "solo/config.json")],
                "language": "en-gb",
                "licence": "CC-BY-4.0",
            },
        ]
    }


@pytest.fixture
def engine(models) -> Coqui:
    return find_engine("coqui", settings_of(models))


@needs_coqui
class TestCoqui(EngineConformance):
    name = "coqui"

    @pytest.fixture(autouse=True)
    def tiny(self, request, models):
        request.cls.settings = settings_of(models)

    def test_silence_stands_at_both_ends_and_nothing_clips(self, engine):
        # Random weights make noise of silence too: only zeros that were added can be checked.
        for voice in some_voices(engine):
            clip = speak(engine, voice)
            params = clip.ops[0].read()
            first, last = clip.phones[0], clip.phones[-1]
            assert (first.label, first.samples) == (SILENCE, params["lead"])
            assert (last.label, last.samples) == (SILENCE, params["trail"])
            assert np.abs(clip.audio).max() == pytest.approx(PEAK, abs=1e-3)


@needs_coqui
def test_speakers_are_voices_with_licences_of_their_own(engine):
    ann, _, one, solo = engine.voices("en")
    assert (ann.name, ann.speaker, ann.sex) == ("trio-ann", "coqui:trio:ann", "f")
    assert (one.name, one.speaker) == ("trio-cy-one", "coqui:trio:cy one")
    assert (solo.name, solo.speaker, solo.language) == ("solo", "coqui:solo:", "en-gb")
    assert (ann.licence, ann.attribution) == ("CC0-1.0", "nobody")
    assert solo.licence == "CC-BY-4.0" and "solo" in solo.attribution
    assert speak(engine, ann).attribution == "nobody"
    assert not np.array_equal(
        speak(engine, ann).audio[:16000], speak(engine, one).audio[:16000]
    )  # the speaker reaches the network


@needs_coqui
def test_speakers_can_be_chosen(models):
    engine = find_engine("coqui", settings_of(models, speakers=["bob"]))
    assert [voice.name for voice in engine.voices("en-us")] == ["trio-bob"]
    with pytest.raises(BadParams, match="zoe"):
        find_engine("coqui", settings_of(models, speakers=["zoe"])).voices("en")


@needs_coqui
def test_phones_are_those_that_the_network_read(engine):
    prompt = Prompt("p", "The farmer chose a boy, my judge!")
    clip = speak(engine, engine.voices("en-us")[0], prompt)
    assert [phone.label for phone in clip.phones] == (
        "SIL DH AH F AA R M ER CH OW Z AH B OY SIL M AY JH AH JH SIL".split()
    )
    assert clip.ipa[4:7] == ("ɑː", "ɹ", "m") and clip.ipa[8] == "tʃ"


@needs_coqui
def test_frames_make_up_the_sound_exactly(engine):
    voice = engine.voices("en")[0]
    params = engine.draw(draw_stream(1, "s", "x"), PROMPT, voice)
    spoken = engine._utter("Peter's puppy, Bob.", voice, params)
    assert len(spoken.audio) == sum(spoken.frames) * 256 and spoken.rate == 22050
    assert min(spoken.frames) >= 1 and len(set(spoken.frames)) > 1
    slow = engine._utter("Peter's puppy, Bob.", voice, replace(params, length_scale=2.0))
    assert sum(slow.frames) > 1.2 * sum(spoken.frames)
    loud = engine._utter("Peter's puppy, Bob.", voice, replace(params, seed=params.seed + 1))
    assert not np.array_equal(loud.audio, spoken.audio)


@needs_coqui
def test_imposed_lengths_are_kept_to_the_frame(engine):
    prompt = Prompt("p", "My puppy, Bob, chose a farm.")
    for voice in engine.voices("en"):
        params = engine.draw(draw_stream(1, "s", voice.name), prompt, voice)
        own = engine.sounds(prompt, voice, params)
        rng = np.random.default_rng(1)
        lengths = tuple(int(rng.integers(bool(ipa), 25)) for ipa, _ in own)
        timed = replace(params, lengths=lengths)
        assert engine.sounds(prompt, voice, timed) == tuple(
            (ipa, frames) for (ipa, _), frames in zip(own, lengths)
        )
        clip = engine.speak(prompt, voice, timed, "c")
        inner = clip.phones[1:-1]
        wanted = [(ipa, n) for (ipa, _), n in zip(own, lengths) if n]
        assert len(inner) == len(wanted)
        for phone, (ipa, frames) in zip(inner, wanted):
            assert (phone.label == SILENCE) == (ipa == "")
            assert abs(phone.samples - frames * 256 * RATE / 22050) <= 1
        assert json.loads(clip.ops[0].params)["lengths"] == list(lengths)
        again = engine.speak(prompt, voice, replace(timed, lengths=list(lengths)), "c")
        assert digest(again) == digest(clip)


@needs_coqui
def test_lengths_that_do_not_fit_are_refused(engine):
    voice = engine.voices("en")[0]
    params = engine.draw(draw_stream(1, "s", "x"), PROMPT, voice)
    own = [frames for _, frames in engine.sounds(PROMPT, voice, params)]
    for wrong in ((3, 3), (*own, 1), (0, *own[1:]), (2.5, *own[1:])):
        with pytest.raises(BadParams, match="lengths"):
            engine.speak(PROMPT, voice, replace(params, lengths=wrong), "c")


@needs_coqui
def test_an_offset_moves_the_labels_over_the_sound(models, engine):
    later = find_engine("coqui", settings_of(models, offset_ms=10))
    voice = engine.voices("en")[0]
    here, there = speak(engine, voice), speak(later, voice)
    assert here.phones[1:-1] == there.phones[1:-1]  # both begin after the same silence
    middle = slice(8000, 16000)
    assert np.abs(here.audio[8160:16160] - there.audio[middle]).max() < 0.02 * PEAK
    assert np.abs(here.audio[middle] - there.audio[middle]).max() > 0.1 * PEAK


@needs_coqui
def test_a_symbol_that_the_model_lacks_is_no_silent_gap(engine):
    voice = engine.voices("en-gb")[0]
    with pytest.raises(EngineFailed, match="no symbol for 'x'"):
        speak(engine, voice, Prompt("p", "The loch.", "en"))


@needs_coqui
def test_models_that_cannot_be_used_say_why(models):
    entry = {"language": "en", "licence": "CC0-1.0"}
    for name, reason in (
        ("letters", "letters are no phones"),
        ("gruut", "gruut"),
        ("tacotron", "only VITS"),
    ):
        model = {**entry, "model": str(models / name)}
        with pytest.raises(BadParams, match=reason) as caught:
            find_engine("coqui", {"models": [model]}).voices("en")
        assert caught.value.where.startswith("synthesize.settings.coqui.models[0].model")
    for name, reason in (
        ("tts_models/en/no/such", "neither a folder nor one of coqui's downloads"),
        ("tts_models/en/vctk/vits", "could not be downloaded .* where there is a network"),
    ):
        with pytest.raises(BadParams, match=reason):
            find_engine("coqui", {"models": [{**entry, "model": name}]}).voices("en")


@needs_coqui
def test_models_of_the_same_name_need_names(models):
    first = settings_of(models)["models"][0]
    with pytest.raises(BadParams, match="two voices"):
        find_engine("coqui", {"models": [first, first]}).voices("en")
    both = find_engine("coqui", {"models": [first, {**first, "name": "other"}]}).voices("en")
    assert {voice.speaker for voice in both} >= {"coqui:trio:ann", "coqui:other:ann"}


@needs_coqui
def test_the_identity_knows_the_model_files(models, engine):
    before = engine.identity()
    assert before.startswith("coqui-tts ") and len(before.split()) == 6 + 3 + 2
    config = models / "trio" / "config.json"
    text = config.read_text()
    config.write_text(text + "\n")
    try:
        assert engine.identity() != before
    finally:
        config.write_text(text)
    assert engine.identity() == before


@needs_coqui
def test_a_crash_costs_one_clip_and_so_does_a_hang(models, engine):
    voice = engine.voices("en")[0]
    before = digest(speak(engine, voice))
    # Stopped, it answers nothing: the same as a network that never ends.
    hasty = find_engine("coqui", {**settings_of(models), "timeout_seconds": 1})
    os.kill(_process().child.pid, signal.SIGSTOP)
    with pytest.raises(EngineFailed, match="within 1 s"):
        speak(hasty, voice)
    assert digest(speak(engine, voice)) == before
    # Killed in the middle of an utterance.
    child = _process().child
    os.kill(child.pid, signal.SIGSTOP)
    threading.Timer(0.3, child.kill).start()
    with pytest.raises(EngineFailed, match="ended with -9"):
        speak(engine, voice)
    assert digest(speak(engine, voice)) == before


@needs_coqui
def test_a_voice_is_loaded_before_it_speaks(engine):
    voice = engine.voices("en-gb")[0]
    _process().child.kill()
    _process().child.wait()
    engine.prepare(voice)
    child = _process().child
    assert child.poll() is None and len(_process()._loaded) == 1
    assert speak(engine, voice) and _process().child is child


@needs_coqui
def test_the_worker_ends_with_its_parent_even_in_the_middle_of_work(models):
    job = json.dumps({"task": "load", "model": settings_of(models)["models"][1]["model"]})
    code = (
        "import os, signal\n"
        "from synth.coqui import _process\n"
        "process = _process()\n"
        "process._start()\n"
        f"process.child.stdin.write({job!r} + chr(10))\n"
        "process.child.stdin.flush()\n"
        "print(process.child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    pid = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker still runs 10 s after its parent was killed")


def test_settings_that_cannot_be_are_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model_file.pth").write_bytes(b"")
    good = {"model": str(tmp_path), "language": "en", "licence": "CC0-1.0"}
    Coqui({"models": [good]})
    for key in good:
        with pytest.raises(BadParams, match=rf"models\[0\].{key}: is missing"):
            Coqui({"models": [{**good, key: None}]})
    for wrong, said in (
        ({**good, "speeker": 1}, "speeker"),
        ({**good, "offset_ms": "x"}, "offset_ms"),
        ({**good, "model": str(tmp_path / "nowhere")}, "there is no file"),
        ({**good, "model": [str(tmp_path / "a.pth"), "b.json"]}, "a.pth"),
        ("vits", "is not a voice"),
        ({**good, "model": [str(tmp_path / "model_file.pth"), 5]}, r"\.model: is"),
        ({**good, "model": 5}, r"\.model: is 5"),
        ({**good, "offset_ms": True}, "offset_ms"),
        ({**good, "offset_ms": float("nan")}, "offset_ms"),
        ({**good, "sex": "f"}, r"\.sex: is 'f', not sexes by speaker"),
        ({**good, "sex": {"a": "female"}}, r"\.sex\.a: is 'female'"),
        ({**good, "language": 5}, r"\.language: is 5"),
        ({**good, "language": False}, r"\.language: is False"),
        ({**good, "licence": 5}, r"\.licence: is 5"),
        ({**good, "name": 5}, r"\.name: is 5"),
        ({**good, "speakers": "p225"}, r"\.speakers: is not a list"),
        ({**good, "speakers": 5}, r"\.speakers: is not a list"),
        ({**good, "speakers": [["p225"]]}, r"\.speakers\[0\]"),
    ):
        with pytest.raises(BadParams, match=said) as caught:
            Coqui({"models": [wrong]})
        assert caught.value.where.startswith("synthesize.settings.coqui.models[0]")
    for wrong in (0, True, "5", float("inf")):
        with pytest.raises(BadParams, match="timeout_seconds"):
            Coqui({"timeout_seconds": wrong})
    with pytest.raises(BadParams, match="list"):
        Coqui({"models": "vits"})


def test_without_models_there_are_no_voices():
    assert Coqui().voices("en") == ()


def test_an_environment_that_is_missing_says_how_to_make_it(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model_file.pth").write_bytes(b"")
    monkeypatch.setenv("VISEMILL_COQUI", str(tmp_path / "python"))
    entry = {"model": str(tmp_path), "language": "en", "licence": "CC0-1.0"}
    assert Coqui().version() is None
    with pytest.raises(EngineMissing, match="make coqui"):
        Coqui({"models": [entry]}).voices("en")


def test_who_owns_blanks_spaces_and_marks():
    # "by you,  up" with blanks between all symbols; a stress mark is part of what follows it.
    signs = "b ˈ a ɪ _ j u , _ ˈ ʌ p .".split()
    numbers = [0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9]
    symbols, places = [""], [-1]
    for sign, number in zip(signs, numbers):
        symbols += [sign.replace("_", " "), ""]
        places += [number, -1]
    sounds = sounds_of(symbols, places, "en-us")
    assert [(s.ipa, symbols[s.first : s.last]) for s in sounds] == [
        ("", [""]),
        ("b", ["b", ""]),  # a stress mark follows: the blank is its own
        ("aɪ", ["ˈ", "", "a", "", "ɪ", ""]),  # and so before a space
        ("j", [" ", "", "j"]),
        ("u", ["", "u"]),
        ("", ["", ",", "", " ", ""]),
        ("ʌ", ["ˈ", "", "ʌ"]),
        ("p", ["", "p"]),
        ("", ["", ".", ""]),
    ]
    assert [s.first for s in sounds[1:]] == [s.last for s in sounds[:-1]]
    bare = sounds_of(signs[:4], numbers[:4], "en-us")  # a model without blanks
    assert [(s.ipa, s.first, s.last) for s in bare] == [("b", 0, 1), ("aɪ", 1, 4)]
    tone = sounds_of(list("ma5"), [0, 1, 2], "en-us")  # no sound of its own
    assert [(s.ipa, s.first, s.last) for s in tone] == [("m", 0, 1), ("a", 1, 3)]


def test_only_what_espeak_named_one_sound_is_joined():
    # "helpful": P and F; the sign pf of German is one sound.
    together = sounds_of(list("pf"), [0, 0], "de")
    apart = sounds_of(list("pf"), [0, 1], "en-us")
    assert [s.ipa for s in together] == ["pf"] and [s.ipa for s in apart] == ["p", "f"]
    assert [p.phone for s in sounds_of(list("ɑːɹ"), [0] * 3, "en-us") for p in s.parts] == [
        "AA",
        "R",
    ]
    with pytest.raises(BadParams, match="no phone"):
        sounds_of(["ʘ"], [0], "en-us")
