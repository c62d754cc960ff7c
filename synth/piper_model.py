"""A piper voice's files: read, checked, made repeatable, and spoken with.

Two things make the same arguments give the same bytes. The nodes of the graph that draw random
numbers keep their state from one utterance to the next, so they are replaced by nodes that read
numbers given from outside (seeding the nodes and loading the model anew would do too, but takes
1.3 s where the speech takes 0.3 s). And the session has one thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from clips import BadParams, EngineFailed
from synth.piper_phones import BEGIN, END, PAD, Token, is_letter

NOISE = 1 << 20
"""Random numbers for each random node; a longer need begins again at the first. The largest is 192
for each frame of 256 samples at 22,050 Hz: enough for 63 s of speech."""

_VOLUME = 0.9  # voices stay within ±1, and resampling may pass that a little


def config_path(model: Path) -> Path:
    """Where piper looks for the configuration of a model."""
    return model.with_name(f"{model.name}.json")


@cache
def read_config(model: Path) -> dict[str, Any]:
    """The configuration beside a model. Raises BadParams that names the file."""
    path = config_path(model)
    for file in (model, path):
        if not file.is_file():
            raise BadParams(
                "there is no such file",
                where=str(file),
                remedy="a voice is NAME.onnx with NAME.onnx.json beside it: download both, or"
                " correct the path (it counts from the project's folder)",
            )
    try:
        config = json.loads(path.read_text("utf-8"))
        kind = config.get("phoneme_type", "espeak")
        complete = (
            config["espeak"]["voice"]
            and config["audio"]["sample_rate"] > 0
            and config["num_speakers"] >= 1
            and config["num_symbols"]
            and {BEGIN, END, PAD} <= set(config["phoneme_id_map"])
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadParams(
            f"is no configuration of a piper voice ({type(error).__name__}: {error})",
            where=str(path),
            remedy="download it again; it belongs to the model of the same name",
        ) from error
    if not complete or kind != "espeak":
        raise BadParams(
            f"its phonemes are of the type {kind!r}" if complete else "lacks part of a voice",
            where=str(path),
            remedy="use a voice whose phoneme_type is espeak, with its own configuration",
        )
    return config


def read_model(model: Path) -> tuple[bytes, list[str]]:
    """The graph, serialized: phonemes' lengths as its second output, its noise as inputs.

    Returns it and the names of the noise inputs (float32, shape (NOISE,)).
    Raises BadParams that names the file.
    """
    import onnx
    from piper.patch_voice_with_alignment import add_alignment_output

    try:
        proto = onnx.load(model)
    except Exception as error:  # protobuf's, the system's or onnx's own
        raise _broken(model, error) from error
    if not proto.graph.output:
        raise _broken(model, "its graph has no output")
    if len(proto.graph.output) == 1:
        try:
            add_alignment_output(proto)
        except ValueError as error:
            raise BadParams(
                f"the voice does not say how long its phonemes are ({error})",
                where=str(model),
                remedy="if you know the tensor, python -m piper.patch_voice_with_alignment"
                f" --tensor-name NAME {model} adds it; else export the voice again with piper",
            ) from error
    noises = _replace_random_nodes(proto, model)
    return proto.SerializeToString(), noises


def say(
    text: str, model: Path, *, seed: int, speaker: int | None, **scales: float
) -> tuple[np.ndarray, int, list[Token]]:
    """Speaks a text, sentence after sentence.

    speaker: its number in a model of several. scales: length_scale, noise_scale, noise_w_scale.
    Returns the audio (float64 within ±0.9, shape (samples,)), its rate (Hz) and the tokens, which
    tile it. Raises BadParams for files that cannot be, EngineFailed for the text.
    """
    from piper import SynthesisConfig

    voice = _load(model)
    voice.session.rng = np.random.default_rng(seed)
    config = SynthesisConfig(speaker, **scales, normalize_audio=False, volume=_VOLUME)
    where = f"text {text[:40]!r} with {model}"
    try:
        chunks = list(voice.synthesize(text, config, include_alignments=True))
    except Exception as error:  # onnxruntime's and espeak's have no common kind
        raise EngineFailed(
            f"piper failed ({str(error).strip()[:160]})",
            where=where,
            remedy="leave this text out; if all fail, the model and its configuration do not fit",
        ) from error
    tokens: list[Token] = []
    for chunk in chunks:
        start = tokens[-1].end if tokens else 0
        tokens += _tokens(chunk, voice.config.phoneme_id_map, start, where)
        if tokens[-1].end - start != len(chunk.audio_float_array):
            raise BadParams(
                f"the phonemes last {tokens[-1].end - start} samples, but the sound"
                f" {len(chunk.audio_float_array)}",
                where=str(config_path(model)),
                remedy="correct hop_length (samples of one frame of the model; 256 if not given)",
            )
    audio = [np.zeros(0), *(chunk.audio_float_array for chunk in chunks)]
    return np.concatenate(audio), voice.config.sample_rate, tokens


class _Repeatable:
    """A session that is given its noise, from `rng`, which the caller sets."""

    def __init__(self, session: Any, noises: Sequence[str]) -> None:
        self._session, self._noises = session, noises
        self.rng = np.random.default_rng(0)

    def run(self, outputs: Sequence[str] | None, inputs: Mapping[str, np.ndarray]) -> list:
        noise = {n: self.rng.standard_normal(NOISE, dtype=np.float32) for n in self._noises}
        return self._session.run(outputs, {**inputs, **noise})


@lru_cache(maxsize=2)  # 240 MB each; clips come sorted by voice
def _load(model: Path) -> Any:
    """Piper's own voice with a session that can be repeated. Raises BadParams."""
    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig

    config = PiperConfig.from_dict(read_config(model))
    graph, noises = read_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common kind
        raise _broken(model, error) from error
    return PiperVoice(session=_Repeatable(session, noises), config=config)


def _tokens(chunk: Any, ids: Mapping[str, Sequence[int]], start: int, where: str) -> list[Token]:
    """The phonemes of a sentence that begins at sample `start`. ids: the numbers of a phoneme."""
    for name in chunk.phonemes:
        if name not in ids and is_letter(name):
            raise EngineFailed(
                f"the voice does not know the phoneme {name!r} and would leave it out",
                where=where,
                remedy="leave this text out",
            )
    times = [start + t for t in accumulate(map(int, chunk.phoneme_id_samples), initial=0)]
    tokens, at = [], 0
    for name in (BEGIN, *filter(ids.__contains__, chunk.phonemes), END):
        own = at + len(ids[name])
        after = own + len(ids[PAD]) * (name != END)
        tokens.append(Token(name, times[at], times[own], times[after]))
        at = after
    return tokens


def _replace_random_nodes(proto: Any, model: Path) -> list[str]:
    """Number k of such a node is now noise[k % NOISE] of an input; the names of these inputs."""
    from onnx import TensorProto, helper

    graph, nodes, noises = proto.graph, [], []
    for name, value in (("zero", 0), ("one", 1), ("period", NOISE)):
        constant = helper.make_tensor(f"visemill_{name}", TensorProto.INT64, [], [value])
        graph.initializer.append(constant)
    for node in graph.node:
        if node.op_type != "RandomNormalLike" or not _is_standard(node):
            nodes.append(node)
            continue
        noise = f"visemill_noise_{len(noises)}"
        noises.append(noise)
        graph.input.append(helper.make_tensor_value_info(noise, TensorProto.FLOAT, [NOISE]))
        shape, count, numbers, places, flat = (
            f"{noise}_{step}" for step in ("shape", "count", "numbers", "places", "flat")
        )
        nodes += [
            helper.make_node("Shape", [node.input[0]], [shape]),
            helper.make_node("ReduceProd", [shape], [count], keepdims=0),
            helper.make_node("Range", ["visemill_zero", count, "visemill_one"], [numbers]),
            helper.make_node("Mod", [numbers, "visemill_period"], [places]),
            helper.make_node("Gather", [noise, places], [flat]),
            helper.make_node("Reshape", [flat, shape], [node.output[0]]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    for kind in _random_kinds([*graph.node, *(n for f in proto.functions for n in f.node)]):
        raise BadParams(
            f"the voice draws random numbers in a way that cannot be repeated ({kind})",
            where=str(model),
            remedy="use a voice that piper's own export wrote",
        )
    return noises


def _is_standard(node: Any) -> bool:
    """Whether the numbers have mean 0 and deviation 1, and are float32."""
    from onnx import TensorProto, helper

    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    usual = {"mean": 0.0, "scale": 1.0, "dtype": TensorProto.FLOAT}
    return all(given.get(name, value) == value for name, value in usual.items())


def _random_kinds(nodes: Any) -> Iterator[str]:
    """The kinds of the nodes that draw random numbers, also of those in branches and loops."""
    for node in nodes:
        if node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial"):
            yield node.op_type
        for attribute in node.attribute:
            yield from _random_kinds(attribute.g.node)


def _broken(model: Path, error: object) -> BadParams:
    return BadParams(
        f"cannot be read as a piper voice ({str(error).strip()[:160]})",
        where=str(model),
        remedy="download it again: a voice is an ONNX file of some 20 to 120 MB",
    )
