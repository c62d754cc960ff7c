"""The network one frame at a time, in numpy: what a stream in pieces of 10 ms needs.

ONNX Runtime takes most of such a call to begin and to end; two products of a vector and a matrix
a layer are all there is to compute. The weights are those of the ONNX file (lipsync.export), the
results the same but for rounding (1e-6).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

WEIGHTS = frozenset("scale shift w1 r1 b1 w2 r2 b2 out_w out_b".split())
"""The arrays that `save_onnx` writes and a Step needs."""

State = tuple[np.ndarray, np.ndarray]
"""What both layers remember, each of shape (1, 1, units), as the ONNX graph has it."""


def read_weights(graph: bytes) -> dict[str, np.ndarray]:
    """The arrays of an ONNX file by their names; graph: what lipsync.untrusted let through."""
    import onnx

    arrays = onnx.load_from_string(graph).graph.initializer
    return {array.name: onnx.numpy_helper.to_array(array) for array in arrays}


class Step:
    """Features (26,) and a state to probabilities (12,) and the next state."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        """weights: WEIGHTS by their names."""
        of = {name: np.asarray(array, np.float64) for name, array in weights.items()}
        # The normalization of the input goes into the first layer.
        shift = of["b1"] + np.pad(of["w1"] @ of["shift"], [(0, 0), (0, of["b1"].shape[1] // 2)])
        self._layers = (
            _Layer(of["w1"][0] * of["scale"], of["r1"][0], shift[0]),
            _Layer(of["w2"][0], of["r2"][0], of["b2"][0]),
        )
        self._out, self._bias = weights["out_w"], weights["out_b"]

    def __call__(self, x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """The state that is given stays as it is."""
        first, second = self._layers
        h1 = first(x, state[0][0, 0])
        h2 = second(h1, state[1][0, 0])
        scores = np.dot(h2, self._out)
        scores += self._bias
        scores -= scores.max()
        np.exp(scores, out=scores)
        scores /= scores.sum()
        return scores, (h1[None, None], h2[None, None])


class _Layer:
    """A GRU: one product of [input, memory, 1] and a matrix gives all gates' sums.

    Its columns: reset and update, halved, since sigmoid(a) = (1 + tanh(a / 2)) / 2; the candidate's
    share of the input; its share of the memory.
    """

    def __init__(self, weights: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> None:
        """weights (3·units, inputs), recurrent (3·units, units), bias (6·units,): the gates in
        ONNX's order, update, reset, candidate."""
        self._units = units = recurrent.shape[1]
        inputs = weights.shape[1]
        rows = np.concatenate([weights, recurrent], axis=1)
        update, reset, _ = np.split(np.column_stack([rows, bias.reshape(2, -1).sum(0)]), 3)
        new = slice(2 * units, None)
        of_input = bias[2 * units : 3 * units]
        given = np.column_stack([weights[new], np.zeros((units, units)), of_input])
        kept = np.column_stack([np.zeros((units, inputs)), recurrent[new], bias[-units:]])
        matrix = np.concatenate([reset / 2, update / 2, given, kept])
        self._matrix = np.ascontiguousarray(matrix.T, np.float32)
        self._vector = np.ones(inputs + units + 1, np.float32)
        self._sums = np.empty(4 * units, np.float32)

    def __call__(self, x: np.ndarray, memory: np.ndarray) -> np.ndarray:
        units, vector, sums = self._units, self._vector, self._sums
        vector[: -units - 1] = x
        vector[-units - 1 : -1] = memory
        np.dot(vector, self._matrix, out=sums)
        gates, new = sums[: 2 * units], sums[3 * units :]
        np.tanh(gates, out=gates)
        gates *= 0.5
        gates += 0.5
        new *= gates[:units]
        new += sums[2 * units : 3 * units]
        np.tanh(new, out=new)
        out = memory - new
        out *= gates[units:]
        out += new
        return out
