"""piper: the real package, with small voices that are made here; each phoneme is a tone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clips import RATE, SILENCE, BadParams, EngineFailed, draw_stream
from synth import Prompt, find_engine, piper_model
from synth.piper import Piper, PiperParams
from synth.piper_phones import Token, is_letter, read_sounds
from tests.synth.conformance import EngineConformance, speak

needs_piper = pytest.mark.skipif(
    find_engine("piper").version() is None,
    reason=f"piper is not installed: {Piper.install_line}",
)

NATIVE_RATE, HOP = 22_050, 256


def tone_of(number: int) -> float:
    """The frequency (Hz) of a phoneme's number; the voice's second speaker has it 3 % higher."""
    return 300.0 + 40.0 * number


def make_voice(
    folder: Path,
    name: str,
    *,
    espeak: str = "en-us",
    speakers: tuple[str, ...] = (),
    random: str = "RandomNormalLike",
    ceilings: int = 1,
    ids: dict | None = None,
    **config,
) -> Path:
    """An ONNX voice as piper's export writes it: tones for letters, silence for all other ids.

    Letters last 4 frames, all else 1, each multiplied by length_scale and lengthened at random by
    noise_w_scale; the tone has random noise by noise_scale. ceilings: nodes that piper might take
    for the lengths.
    """
    from onnx import TensorProto, helper, save
    from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

    ids = ids or DEFAULT_PHONEME_ID_MAP
    size = 256
    letters = {number for sign, (number,) in DEFAULT_PHONEME_ID_MAP.items() if is_letter(sign)}
    tables = {
        "lengths": np.array([4.0 if n in letters else 1.0 for n in range(size)]),
        "tones": np.array([tone_of(n) for n in range(size)]) * 2 * np.pi / NATIVE_RATE,
        "loud": np.array([0.4 if n in letters else 0.0 for n in range(size)]),
        "little": np.array(0.05),
        "higher": np.array(0.03),
        "one_float": np.array(1.0),
        "hop_float": np.array(float(HOP)),
    }
    whole = {"zero": 0, "one": 1, "two": 2, "last": -1}
    constants = [
        helper.make_tensor(key, TensorProto.FLOAT, value.shape, value.ravel().astype("float32"))
        for key, value in tables.items()
    ] + [helper.make_tensor(key, TensorProto.INT64, [], [value]) for key, value in whole.items()]
    constants.append(helper.make_tensor("axis1", TensorProto.INT64, [1], [1]))
    constants.append(helper.make_tensor("flat", TensorProto.INT64, [1], [-1]))
    nodes = []

    def node(kind: str, inputs: str, output: str, **attributes) -> None:
        nodes.append(helper.make_node(kind, inputs.split(), [output], **attributes))

    node("Gather", "scales zero", "noise_scale")
    node("Gather", "scales one", "length_scale")
    node("Gather", "scales two", "noise_w")
    node("Gather", "lengths input", "usual")
    node("Mul", "usual length_scale", "stretched")
    node(random, "usual", "luck")
    node("Abs", "luck", "luck_abs")
    node("Mul", "luck_abs noise_w", "longer")
    node("Add", "stretched longer", "wanted")
    node("Ceil" if ceilings else "Floor", "wanted", "w_ceil")
    if ceilings > 1:
        node("Ceil", "wanted", "w_other")
    node("Reshape", "w_ceil flat", "frames")
    node("Mul", "frames hop_float", "samples")
    node("CumSum", "samples zero", "ends")
    node("Gather", "ends last", "total")
    node("Range", "zero_float total one_float", "places")
    constants.append(helper.make_tensor("zero_float", TensorProto.FLOAT, [], [0.0]))
    node("Unsqueeze", "places axis1", "column")
    node("GreaterOrEqual", "column ends", "passed")
    node("Cast", "passed", "passed_float", to=TensorProto.FLOAT)
    node("ReduceSum", "passed_float axis1", "which_float", keepdims=0)
    node("Cast", "which_float", "which", to=TensorProto.INT64)
    node("Reshape", "input flat", "numbers")
    node("Gather", "numbers which", "number")
    node("Gather", "tones number", "tone")
    if speakers:
        node("Cast", "sid", "sid_float", to=TensorProto.FLOAT)
        node("Mul", "sid_float higher", "raised")
        node("Add", "raised one_float", "factor")
        node("Mul", "tone factor", "pitch")
    else:
        node("Identity", "tone", "pitch")
    node("Mul", "pitch places", "phase")
    node("Sin", "phase", "wave")
    node("RandomNormalLike", "wave", "hiss")
    node("Mul", "hiss noise_scale", "hiss_scaled")
    node("Mul", "hiss_scaled little", "hiss_soft")
    node("Add", "wave hiss_soft", "rough")
    node("Gather", "loud number", "loudness")
    node("Mul", "rough loudness", "sound")
    node("Unsqueeze", "sound axes", "output")
    constants.append(helper.make_tensor("axes", TensorProto.INT64, [2], [0, 1]))
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "time"])
    graph = helper.make_graph(nodes, "voice", inputs, [output], constants)
    path = folder / f"{name}.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
    described = {
        "audio": {"sample_rate": NATIVE_RATE},
        "espeak": {"voice": espeak},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": ids,
        "num_symbols": size,
        "num_speakers": max(1, len(speakers)),
        "speaker_id_map": {speaker: number for number, speaker in enumerate(speakers)},
        **config,
    }
    (folder / f"{name}.onnx.json").write_text(json.dumps(described), "utf-8")
    return path


def entry(path: Path, **more) -> dict:
    return {"model": str(path), "licence": "CC0-1.0", **more}


def speak_with(
    engine: Piper, text: str, *, scales=(1.0, 0.667, 0.8), voice: int = 0, seed: int = 5
):
    found = engine.voices("en")[voice]
    return engine.speak(Prompt("p", text), found, PiperParams(*scales, seed, 1600, 1600), "c")


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> list[dict]:
    if find_engine("piper").version() is None:
        pytest.skip(f"piper is not installed: {Piper.install_line}")
    folder = tmp_path_factory.mktemp("voices")
    return [
        entry(make_voice(folder, "en_US-tones-medium", speakers=("ann", "b.n")), attribution="me"),
        entry(make_voice(folder, "en_GB-tone-low", espeak="en-gb-x-rp"), sex="f"),
    ]


@pytest.fixture(scope="module")
def engine(entries) -> Piper:
    return Piper({"voices": entries})


class TestPiper(EngineConformance):
    name = "piper"

    @pytest.fixture(autouse=True)
    def _settings(self, entries):
        self.settings = {"voices": entries}


# Voices


def test_every_speaker_is_a_voice(engine):
    voices = {voice.name: voice for voice in engine.voices("en")}
    assert {name: v.speaker for name, v in voices.items()} == {
        "en_US-tones-medium+ann": "piper:en_US-tones:ann",
        "en_US-tones-medium+b_n": "piper:en_US-tones:b.n",
        "en_GB-tone-low": "piper:en_GB-tone",
    }
    british, ann = voices["en_GB-tone-low"], voices["en_US-tones-medium+ann"]
    assert (british.language, british.sex, ann.language) == ("en-gb-x-rp", "f", "en-us")
    assert (ann.licence, ann.attribution) == ("CC0-1.0", "me")
    assert british.attribution == "synthesized by Piper, voice en_GB-tone-low"


def test_without_voices_there_are_none():
    assert Piper().voices("en") == Piper({"voices": []}).voices("en") == ()


@needs_piper
def test_the_settings_choose_speakers_and_language(tmp_path):
    path = make_voice(tmp_path, "v", speakers=("ann", "3"), language={"code": "en_AU"})
    (voice,) = Piper({"voices": [entry(path, speakers=[3])]}).voices("en-au")
    assert voice.speaker == "piper:v:3"
    (voice,) = Piper({"voices": [entry(path, speakers=["ann"], language="de")]}).voices("de")
    assert voice.name == "v+ann"


def test_speakers_sound_different_and_carry_their_licence(engine):
    ann, ben = (speak_with(engine, "Amen.", voice=n, scales=(1.0, 0.0, 0.0)) for n in (0, 1))
    assert ann.phones == ben.phones and not np.array_equal(ann.audio, ben.audio)
    assert ann.licence == "CC0-1.0" and ann.attribution == "me"


# Repeatability


def test_the_voice_by_itself_is_random(entries):
    """So the conformance tests would fail if the noise were not given."""
    from piper import PiperVoice

    voice = PiperVoice.load(entries[1]["model"], include_alignments=True)
    first, second = ([c.audio_float_array for c in voice.synthesize("Hello.")] for _ in range(2))
    assert not np.array_equal(first[0], second[0])


def test_the_seed_changes_sound_and_lengths(engine):
    first, second = speak_with(engine, "Many men."), speak_with(engine, "Many men.", seed=6)
    assert first.phones != second.phones
    quiet = [speak_with(engine, "Many men.", scales=(1.0, 0.0, 0.0), seed=n) for n in (1, 2)]
    assert np.array_equal(quiet[0].audio, quiet[1].audio)


def test_noise_may_be_shorter_than_the_need(entries, monkeypatch):
    whole = speak_with(Piper({"voices": entries}), "Many men hum.", scales=(1.0, 0.5, 0.0))
    monkeypatch.setattr(piper_model, "NOISE", 1000)
    piper_model._load.cache_clear()
    short = speak_with(Piper({"voices": entries}), "Many men hum.", scales=(1.0, 0.5, 0.0))
    piper_model._load.cache_clear()
    assert short.phones == whole.phones and not np.array_equal(short.audio, whole.audio)


@needs_piper
def test_identity_follows_the_files(tmp_path):
    path = make_voice(tmp_path, "v")
    before = Piper({"voices": [entry(path)]}).identity()
    assert before == Piper({"voices": [entry(path)]}).identity()
    config = tmp_path / "v.onnx.json"
    config.write_text(config.read_text("utf-8") + " ", "utf-8")
    assert before != Piper({"voices": [entry(path)]}).identity()


# Timing


@pytest.mark.parametrize("length_scale", [0.9, 1.0, 1.37])
def test_boundaries_lie_where_the_tones_end(engine, length_scale):
    """Inside a word the tone of each sound lasts up to its end, and a silent pad follows it."""
    clip = speak_with(
        engine, "Many fellows hum a melody, very mellow.", scales=(length_scale, 0.3, 0.8)
    )
    checked = 0
    for phone, after in zip(clip.phones[1:], clip.phones[2:]):
        if SILENCE in (phone.label, after.label):
            continue
        inside = clip.audio[phone.end - 48 : phone.end - 16]
        outside = clip.audio[phone.end + 16 : phone.end + 48]
        assert np.abs(outside).max() < 0.05, phone
        # Before a space or stress the pad is the sound's own.
        checked += np.abs(inside).max() > 0.2
    assert checked >= 10


def test_each_phone_has_its_own_tone(engine):
    from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP as IDS

    clip = speak_with(engine, "Sit down, Mabel, in the thick fog of Cuba.", scales=(1.6, 0.2, 0.5))
    checked = 0
    for phone, sign in zip(clip.phones, clip.ipa):
        if phone.label == SILENCE or len(sign) != 1:
            continue
        sound = clip.audio[phone.start : phone.end]
        hertz = np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), RATE)))
        assert abs(hertz - tone_of(IDS[sign][0])) < 20, (phone, sign)
        checked += 1
    assert checked > 15


def test_words_apart_are_sounds_apart_and_pauses_are_silence(engine):
    clip = speak_with(engine, "Yes, no. Go!", scales=(1.0, 0.0, 0.0))
    labels = [phone.label for phone in clip.phones]
    assert " ".join(labels) == "SIL Y EH S SIL N OW SIL G OW SIL"
    for phone in clip.phones:
        if phone.label == SILENCE:
            assert np.abs(clip.audio[phone.start + 32 : phone.end - 32]).max() < 0.01


def token_times(signs: list[str]) -> list[Token]:
    """Each sign lasts 10 samples, its pad 2; so number n begins at 12 n."""
    return [Token(sign, 12 * n, 12 * n + 10, 12 * n + 12) for n, sign in enumerate(signs)]


@pytest.mark.parametrize(
    ("signs", "language", "expected"),
    [
        # inside a word the pad belongs to what follows; at a pause to the sound
        ("^ m a $", "en", "SIL 0, M 12, AE 22, SIL 36"),
        # stress, spaces and their pads belong to what follows, the pad before them to the sound
        ("^ m ˈ a ␣ m $", "en", "SIL 0, M 12, AE 24, M 48, SIL 72"),
        ("^ ˈ a $", "en", "SIL 0, AE 12, SIL 36"),
        # a space beside punctuation is a pause
        ("^ a , ␣ m $", "en", "SIL 0, AE 12, SIL 24, SIL 36, M 48, SIL 60"),
        # what belongs together is one sound, with its marks
        ("^ t ʃ ˈ a ɪ n ̩ $", "en", "SIL 0, CH 12, AY 36, N 70, SIL 96"),
        ("^ u ː t ̪ t ː $", "en", "SIL 0, UW 12, T 34, T 58, SIL 84"),
        # not over a stress or a space
        ("^ a ˈ ɪ ␣ ɪ $", "en", "SIL 0, AE 12, IH 24, IH 48, SIL 72"),
        ("^ t ␣ ʃ $", "en", "SIL 0, T 12, SH 24, SIL 48"),
        # consonants stay apart, in every language
        ("^ p f $", "de", "SIL 0, P 12, F 22, SIL 36"),
        ("^ s x $", "nl", "SIL 0, S 12, HH 22, SIL 36"),
        # sounds of several phones: at their own code points, or by their shares
        ("^ ɔ ː ɹ $", "en", "SIL 0, AO 12, R 34, SIL 48"),
        ("^ a ɪ ə ʎ $", "it", "SIL 0, AY 12, AH 34, L 46, Y 54, SIL 60"),
        # languages use the same sign for another sound
        ("^ ɾ $", "de", "SIL 0, R 12, SIL 24"),
        ("", "en", ""),
    ],
)
def test_signs_become_sounds(signs, language, expected):
    names = [" " if sign == "␣" else sign for sign in signs.split()]
    tokens = token_times(names)
    sounds = read_sounds(tokens, language)
    found = [(sound.part.phone if sound.part else SILENCE, sound.start) for sound in sounds]
    assert ", ".join(f"{label} {start}" for label, start in found) == expected
    assert [s.end for s in sounds[:-1]] == [s.start for s in sounds[1:]]
    assert not tokens or sounds[-1].end == tokens[-1].end


def test_an_unknown_sign_is_named():
    with pytest.raises(BadParams, match="ʘ"):
        read_sounds(token_times(["^", "ʘ", "$"]), "en")


# What cannot be


@pytest.mark.parametrize(
    ("voices", "message"),
    [
        ({"model": "x.onnx", "licence": "x"}, "not a list"),
        (["x.onnx"], r"voices\[0\]: is not a voice"),
        ([{"model": "x.onnx"}], r"voices\[0\].licence: is missing"),
        ([{"model": "x.onnx", "licence": "  "}], r"voices\[0\].licence: is missing"),
        ([{"licence": "CC0-1.0"}], r"voices\[0\].model: is missing"),
        ([{"model": "x.onnx", "licence": "x", "license": "x"}], r"voices\[0\].license"),
        ([{"model": "x.onnx", "licence": "x", "sex": "w"}], r"voices\[0\].sex"),
        ([{"model": "x.onnx", "licence": "x", "speakers": "ann"}], r"voices\[0\].speakers"),
        ([{"model": "x.onnx", "licence": "x", "speakers": [True]}], r"speakers\[0\]: is True"),
        ([{"model": "x.onnx", "licence": "x", "language": 5}], r"voices\[0\].language: is 5"),
        ([{"model": "x.onnx", "licence": "x", "language": False}], r"language: is False"),
        ([{"model": "x.onnx", "licence": "x", "language": ["en"]}], r"voices\[0\].language"),
        ([{"model": "x.onnx", "licence": "x", "attribution": 5}], r"voices\[0\].attribution"),
        ([{"model": "x.onnx", "licence": 5}], r"voices\[0\].licence: is 5"),
        ([{"model": ["x.onnx"], "licence": "x"}], r"voices\[0\].model: is"),
    ],
)
def test_settings_that_cannot_be_are_named(voices, message):
    with pytest.raises(BadParams, match=message):
        Piper({"voices": voices})


@needs_piper
def test_broken_files_are_named(tmp_path):
    def refused(message: str, path: Path, **more) -> None:
        with pytest.raises(BadParams, match=message) as error:
            Piper({"voices": [entry(path, **more)]}).identity()
        assert error.value.remedy
        piper_model.read_config.cache_clear()

    refused(r"gone\.onnx: there is no such file", tmp_path / "gone.onnx")
    path = make_voice(tmp_path, "v")
    config = tmp_path / "v.onnx.json"
    good = config.read_text("utf-8")
    config.unlink()
    refused(r"v\.onnx\.json: there is no such file", path)
    for bad in ("{", "[]", "{}", good.replace('"num_speakers"', '"x"')):
        config.write_text(bad, "utf-8")
        refused(r"v\.onnx\.json: is no configuration", path)
    config.write_text(good.replace('"_":', '"x_":'), "utf-8")
    refused(r"v\.onnx\.json: lacks part", path)
    config.write_text(good.replace('type": "espeak"', 'type": "text"'), "utf-8")
    refused(r"type 'text'", path)
    config.write_text(good, "utf-8")
    refused("has no speaker 'ann'", path, speakers=["ann"])
    whole = path.read_bytes()
    for data in (b"", b"<html>not found</html>", whole[: len(whole) // 2]):
        path.write_bytes(data)
        refused(r"v\.onnx: cannot be read", path)


@needs_piper
def test_two_voices_of_one_name_are_refused(tmp_path):
    path = make_voice(tmp_path, "v")
    with pytest.raises(BadParams, match="two voices 'v'"):
        Piper({"voices": [entry(path), entry(path)]}).voices("en")


@needs_piper
@pytest.mark.parametrize("ceilings", [0, 2])
def test_a_voice_without_lengths_is_refused(tmp_path, ceilings):
    path = make_voice(tmp_path, "v", ceilings=ceilings)
    with pytest.raises(BadParams, match="how long its phonemes are") as error:
        Piper({"voices": [entry(path)]}).identity()
    assert "patch_voice_with_alignment" in error.value.remedy


@needs_piper
def test_the_remedy_for_a_voice_without_lengths_works(tmp_path):
    import onnx
    from piper.patch_voice_with_alignment import add_alignment_output

    path = make_voice(tmp_path, "v", ceilings=2)
    proto = onnx.load(path)
    add_alignment_output(proto, "w_ceil")
    onnx.save(proto, path)
    engine = Piper({"voices": [entry(path)]})
    assert engine.identity() and speak(engine, engine.voices("en")[0]).validate()


@needs_piper
def test_other_randomness_is_refused(tmp_path):
    path = make_voice(tmp_path, "v", random="RandomUniformLike")
    with pytest.raises(BadParams, match=r"cannot be repeated \(RandomUniformLike\)"):
        Piper({"voices": [entry(path)]}).identity()


@needs_piper
def test_lengths_that_do_not_fit_the_sound_are_refused(tmp_path):
    path = make_voice(tmp_path, "v", hop_length=200)
    with pytest.raises(BadParams, match="correct hop_length"):
        speak_with(Piper({"voices": [entry(path)]}), "Hello.")


@needs_piper
def test_a_phoneme_that_the_voice_lacks_is_refused(tmp_path):
    from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP as IDS

    path = make_voice(tmp_path, "v", ids={s: n for s, n in IDS.items() if s not in ("θ", "ˌ")})
    engine = Piper({"voices": [entry(path)]})
    with pytest.raises(EngineFailed, match="does not know the phoneme 'θ'"):
        speak_with(engine, "A thin man.")
    assert speak_with(engine, "Forty-two understand.").phones  # marks may be missing


@needs_piper
def test_a_model_that_fails_is_an_error_of_the_text(tmp_path):
    from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP as IDS

    path = make_voice(tmp_path, "v", ids={**IDS, "m": [4000]})
    with pytest.raises(EngineFailed, match="piper failed"):
        speak_with(Piper({"voices": [entry(path)]}), "Hum.")
    path = make_voice(tmp_path, "w", espeak="xx-none", language={"code": "en"})
    with pytest.raises(EngineFailed, match="xx-none"):
        speak_with(Piper({"voices": [entry(path)]}), "Hum.")


def test_a_voice_of_other_settings_is_refused(engine):
    other = Piper()
    voice = engine.voices("en")[0]
    with pytest.raises(BadParams, match="has no voice"):
        other.draw(draw_stream(1, "s", "x"), Prompt("p", "Hum."), voice)


def test_our_espeak_is_not_disturbed(engine):
    espeak = find_engine("espeak")
    before = speak(espeak, espeak.voices("en")[3])
    speak(engine, engine.voices("en")[0])
    assert np.array_equal(speak(espeak, espeak.voices("en")[3]).audio, before.audio)
