"""The model as files: Cherry Lip Sync's weights, and one ONNX graph for whole files and streams.

The same weights always give the same bytes.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from lipsync.errors import BadModel
from lipsync.features import FEATURES, HOP, RATE
from lipsync.model import LOOKAHEAD, OUTPUTS, CherryNet
from lipsync.untrusted import MOST_HIDDEN, read_weights
from visemes.classes import CLASSES, LETTERS

OPSET = 14
IR_VERSION = 8
"""Old enough for ONNX Runtime 1.10 (2021) and later, and for other engines' importers."""


def save_cherry(model: CherryNet, path: str | Path) -> None:
    """The weights as Cherry Lip Sync keeps them: a bare state dictionary on the CPU."""
    state = {name: t.detach().cpu().contiguous().clone() for name, t in model.state_dict().items()}
    buffer = io.BytesIO()  # a file would put its own name into the archive
    torch.save(state, buffer)
    _write(path, buffer.getvalue())


def save_ptx(model: CherryNet, path: str | Path) -> None:
    """The weights as `save_cherry`, and each GRU's once more gate by gate.

    Cherry Lip Sync's Rust program imports this layout: `<name>.r`, `.z` and `.n` are the rows of
    the reset, update and new gate of `<name>`.
    """
    state = {name: t.detach().cpu().contiguous().clone() for name, t in model.state_dict().items()}
    for name in [name for name in state if "_ih_" in name or "_hh_" in name]:
        for gate, rows in zip("rzn", state[name].chunk(3), strict=True):
            state[f"{name}.{gate}"] = rows.clone()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _write(path, buffer.getvalue())


def load_cherry(path: str | Path) -> CherryNet:
    """The network with the weights of a .pt file, ready to predict (evaluation mode, CPU).

    Raises BadModel that names the file if it is missing or is not such a state dictionary.
    """
    remedy = "give a model that `visemill` or Cherry Lip Sync has written"
    try:
        state = torch.load(read_weights(path), map_location="cpu", weights_only=True)
    except BadModel:
        raise
    except Exception as error:  # torch.load raises nearly anything on a file that is not its own
        reason = (str(error).splitlines() or ["?"])[0]
        raise BadModel(
            f"cannot be read as weights ({reason})", where=str(path), remedy=remedy
        ) from error
    try:
        hidden = state["net.9.weight"].shape[1]
        if hidden > MOST_HIDDEN:
            raise ValueError(f"GRUs of width {hidden}")
        model = CherryNet(hidden=hidden)
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError, ValueError, LookupError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise BadModel(
            f"holds other weights ({' '.join(lines[1:3] or lines)})",
            where=str(path),
            remedy=remedy,
        ) from error
    return model.eval()


def save_onnx(model: CherryNet, path: str | Path) -> None:
    """The network as ONNX, for whole files and for streams alike.

    Inputs: features (1, frames, 26); h1, h2 (1, 1, hidden), zeros at the start of a sound.
    Outputs: probabilities (frames, 12); h1n, h2n, the next call's h1 and h2.
    The file's metadata name the classes, letters, rate, hop and lookahead.
    """
    weights = {k: v.detach().cpu().double().numpy() for k, v in model.state_dict().items()}
    scale = weights["net.1.weight"] / np.sqrt(weights["net.1.running_var"] + model.norm.eps)
    constants = {
        "scale": scale,
        "shift": weights["net.1.bias"] - weights["net.1.running_mean"] * scale,
        "w1": _gates(weights["net.4.weight_ih_l0"])[None],
        "r1": _gates(weights["net.4.weight_hh_l0"])[None],
        "b1": _biases(weights, "net.4")[None],
        "w2": _gates(weights["net.7.weight_ih_l0"])[None],
        "r2": _gates(weights["net.7.weight_hh_l0"])[None],
        "b2": _biases(weights, "net.7")[None],
        "out_w": weights["net.9.weight"].T,
        "out_b": weights["net.9.bias"],
    }
    initializers = [
        numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name)
        for name, value in constants.items()
    ]
    initializers += [
        numpy_helper.from_array(np.array(axes, np.int64), name)
        for name, axes in (("direction", [1]), ("direction_and_batch", [1, 2]))
    ]
    gru = {"hidden_size": model.hidden, "linear_before_reset": 1}
    nodes = [
        helper.make_node("Mul", ["features", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["normalized"]),
        helper.make_node("Transpose", ["normalized"], ["sequence"], perm=[1, 0, 2]),
        helper.make_node("GRU", ["sequence", "w1", "r1", "b1", "", "h1"], ["y1", "h1n"], **gru),
        helper.make_node("Squeeze", ["y1", "direction"], ["x1"]),
        helper.make_node("GRU", ["x1", "w2", "r2", "b2", "", "h2"], ["y2", "h2n"], **gru),
        helper.make_node("Squeeze", ["y2", "direction_and_batch"], ["x2"]),
        helper.make_node("Gemm", ["x2", "out_w", "out_b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    state = (1, 1, model.hidden)
    graph = helper.make_graph(
        nodes,
        "visemill",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, (1, "frames", FEATURES)),
            helper.make_tensor_value_info("h1", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("h2", TensorProto.FLOAT, state),
        ],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ("frames", OUTPUTS)),
            helper.make_tensor_value_info("h1n", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("h2n", TensorProto.FLOAT, state),
        ],
        initializers,
    )
    file = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="visemill",
    )
    helper.set_model_props(
        file,
        {
            "classes": " ".join(CLASSES),
            "letters": " ".join(LETTERS[name] for name in CLASSES),
            "rate": str(RATE),
            "hop": str(HOP),
            "lookahead": str(LOOKAHEAD),
        },
    )
    onnx.checker.check_model(file)
    _write(path, file.SerializeToString(deterministic=True))


def _gates(weights: np.ndarray) -> np.ndarray:
    """PyTorch stacks reset, update, new; ONNX stacks update, reset, hidden."""
    reset, update, new = np.split(weights, 3)
    return np.concatenate([update, reset, new])


def _biases(weights: dict[str, np.ndarray], layer: str) -> np.ndarray:
    return np.concatenate(
        [_gates(weights[f"{layer}.bias_ih_l0"]), _gates(weights[f"{layer}.bias_hh_l0"])]
    )


def _write(path: str | Path, data: bytes) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)
