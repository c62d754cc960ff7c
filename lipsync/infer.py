"""From sound to mouth shapes: a model file, whole sounds, streams, and cues at a frame rate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lipsync.errors import BadModel
from lipsync.features import FEATURES, HOP, RATE, FeatureStream, features
from lipsync.step import WEIGHTS, Step, read_weights
from lipsync.untrusted import MOST_HIDDEN, read_graph
from visemes.classes import CLASSES, LETTERS

if TYPE_CHECKING:
    from lipsync.model import CherryNet

LOOKAHEAD = 3
"""Output k + 3 is the prediction for frame k (as in lipsync.model, which needs torch)."""
OWN_MODEL = Path("models/visemill.onnx")
"""Where `make repro` leaves its model, from the working directory."""

SHIPPED_MODEL = Path(__file__).parent / "weights" / "visemill.onnx"
"""The model that comes with the package; its card lies beside it."""

_LIPS = (CLASSES.index("M"), CLASSES.index("F"))
_LETTERS = tuple(LETTERS[name] for name in CLASSES)


class Network(Protocol):
    """A loaded network: one function from features and state to probabilities and state."""

    def run(self, x: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Features (frames, 26) and a state (None at the start) to (frames, 12) and a state."""
        ...


def usual_model() -> Path:
    """The model that this working directory has trained, else the one that comes with visemill."""
    return OWN_MODEL if OWN_MODEL.is_file() else SHIPPED_MODEL


class Model:
    """A lip-sync model from a file, for whole sounds (`predict`) and streams (`stream`)."""

    def __init__(self, network: Network) -> None:
        self.network = network

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Loads .onnx (needs onnxruntime) or .pt (needs torch; Cherry Lip Sync's are read too).

        Raises BadModel that names the file if it is missing or holds something else.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".onnx":
            return cls(_OnnxNetwork(path))
        if suffix == ".pt":
            from lipsync.export import load_cherry

            return cls.of(load_cherry(path))
        raise BadModel(
            f"{suffix or 'no suffix'} is no kind of model that can be read",
            where=str(path),
            remedy="give a file that ends in .onnx or .pt",
        )

    @classmethod
    def of(cls, net: CherryNet) -> Model:
        """The model of a network in memory; it predicts on the device that the network is on."""
        return cls(_TorchNetwork(net))

    def predict(self, audio: np.ndarray) -> np.ndarray:
        """Probabilities (frames, 12), float32, of mono samples at 16 kHz.

        Row k + 3 is about frame k: see `frame_classes`. Sounds under 25 ms have no frames.
        """
        return self.predict_features(features(audio))

    def predict_features(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (frames, 12) of features (frames, 26) from lipsync.features."""
        return self.network.run(x, None)[0] if len(x) else np.zeros((0, len(CLASSES)), np.float32)

    def stream(self) -> Stream:
        """A stream of its own, at the start of a sound. Many may run beside each other."""
        return Stream(self.network)


class Stream:
    """Probabilities of sound that arrives in pieces; together those of the whole sound.

    The prediction for time t comes out once the sound up to t + 65 ms has arrived: the frame
    itself is 25 ms, the delta looks 10 ms ahead and the network 30 ms.
    """

    def __init__(self, network: Network) -> None:
        self._network, self._features, self._state = network, FeatureStream(), None

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes mono samples at 16 kHz (any number), returns new probabilities (frames, 12)."""
        return self._run(self._features.push(samples))

    def finish(self) -> np.ndarray:
        """The probabilities still held back, at the end of the sound; then starts afresh."""
        last = self._run(self._features.finish())
        self._state = None
        return last

    def _run(self, x: np.ndarray) -> np.ndarray:
        if not len(x):
            return np.zeros((0, len(CLASSES)), np.float32)
        probabilities, self._state = self._network.run(x, self._state)
        return probabilities


def frame_classes(probabilities: np.ndarray) -> np.ndarray:
    """The class of each 10 ms frame, (frames − 3,): entry k is the prediction for frame k.

    The last 3 frames have none, since the sound ends before the network's lookahead.
    """
    return probabilities[LOOKAHEAD:].argmax(axis=1)


def cues(classes: Sequence[int], fps: float, *, filter: bool = False) -> list[tuple[float, str]]:
    """When the mouth changes, (seconds, letter), at `fps` pictures a second.

    `classes` is the raw class of each network output (`predict(...).argmax(1)`), so that entry
    k + 3 is about frame k. The rule is that of `CueStream`.
    """
    stream = CueStream(fps, filter=filter)
    return stream.push(classes) + stream.finish()


class CueStream:
    """Cues of classes that arrive in pieces; together exactly those of the whole.

    The rule is the command line's of Cherry Lip Sync, in its float32 arithmetic, halves rounded
    up: round((outputs − 3) · 0.01 · fps) pictures, where picture k shows the class of output
    round(k / fps / 0.01) + 3. With `filter`, a shape that has come stays for at least 2
    pictures, unless lips close or touch the teeth: a closure is never held back.
    """

    def __init__(self, fps: float, *, filter: bool = False) -> None:
        """fps: pictures a second, above 0 and at most 1000; else ValueError."""
        if not 0 < fps <= 1000:
            raise ValueError(f"fps is {fps}, not between 0 and 1000")
        self._fps, self._filter = np.float32(fps), filter
        self._start()

    def _start(self) -> None:
        self._classes: list[int] = []  # those not yet shown
        self._received = self._forgotten = self._picture = 0
        self._shown, self._held = -1, 2

    def push(self, classes: Sequence[int]) -> list[tuple[float, str]]:
        """Takes the next outputs' classes (any number), returns the cues that they complete."""
        self._classes.extend(int(entry) for entry in classes)
        self._received += len(classes)
        return self._advance(self._received)

    def finish(self) -> list[tuple[float, str]]:
        """The cues still held back, at the end of the sound; then starts afresh."""
        # Rounding may ask for one frame beyond the last, where the last one is the nearest.
        track = self._advance(None)
        self._start()
        return track

    def _advance(self, known: int | None) -> list[tuple[float, str]]:
        hop = np.float32(HOP / RATE)
        outputs = max(0, self._received - LOOKAHEAD)
        pictures = int(_round(np.float32(outputs) * hop * self._fps))
        times = np.arange(self._picture, pictures, dtype=np.float32) / self._fps
        places = _round(times / hop).astype(np.int64) + LOOKAHEAD
        if known is not None:
            times, places = times[places < known], places[places < known]
        track: list[tuple[float, str]] = []
        for time, place in zip(times, np.minimum(places, self._received - 1)):
            wanted = self._classes[place - self._forgotten]
            holds = self._filter and self._held < 2 and wanted not in _LIPS
            if wanted == self._shown or holds:
                self._held += 1
                continue
            self._shown, self._held = wanted, 1
            track.append((float(time), _LETTERS[wanted]))
        self._picture += len(times)
        keep = max(0, len(self._classes) - 1 - LOOKAHEAD - int(100 / self._fps))
        del self._classes[:keep]
        self._forgotten += keep
        return track


def _round(values: np.ndarray) -> np.ndarray:
    return np.floor(np.asarray(values, np.float64) + 0.5)


class _TorchNetwork:
    def __init__(self, net: CherryNet) -> None:
        self.net = net.eval()

    def run(self, x: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        import torch

        h1, h2 = state or (None, None)
        device = next(self.net.parameters()).device
        with torch.inference_mode():
            logits, h1, h2 = self.net(torch.from_numpy(x).to(device)[None], h1, h2)
            return logits[0].softmax(1).cpu().numpy(), (h1, h2)


class _OnnxNetwork:
    def __init__(self, path: str | Path) -> None:
        import onnxruntime

        remedy = "give a model that `visemill` has written"
        graph = read_graph(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the network is too small to gain from more
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common base that is public
            reason = (str(error).splitlines() or ["?"])[0]
            raise BadModel(
                f"cannot be read as ONNX ({reason})", where=str(path), remedy=remedy
            ) from error
        shapes = {i.name: (i.shape or [0])[-1] for i in self._session.get_inputs()}
        about = self._session.get_modelmeta().custom_metadata_map
        hidden = shapes.get("h1")
        ours = shapes == {"features": FEATURES, "h1": hidden, "h2": hidden}
        ours &= isinstance(hidden, int) and 0 < hidden <= MOST_HIDDEN
        if not ours or about.get("classes", "").split() != list(CLASSES):
            raise BadModel("is an ONNX model of another kind", where=str(path), remedy=remedy)
        self._start = np.zeros((1, 1, hidden), np.float32)
        try:
            self.run(np.zeros((2, FEATURES), np.float32), None)
        except Exception as error:  # as above: weights of other shapes are noticed here
            reason = (str(error).splitlines() or ["?"])[0]
            raise BadModel(f"does not run ({reason})", where=str(path), remedy=remedy) from error
        self._path, self._graph = path, graph

    @cached_property
    def _step(self) -> Step | None:
        """None for a graph that others have written."""
        weights = read_weights(self._graph)
        if not weights.keys() >= WEIGHTS:
            return None
        try:
            return Step(weights)
        except (ValueError, IndexError, TypeError) as error:
            raise BadModel(
                f"has other weights ({error!r})",
                where=str(self._path),
                remedy="give a model that `visemill` has written",
            ) from error

    def run(self, x: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        if len(x) == 1 and state and self._step:  # a stream in pieces of 10 ms
            probabilities, state = self._step(x[0], state)
            return probabilities[None], state
        h1, h2 = state or (self._start, self._start)
        probabilities, h1, h2 = self._session.run(
            ["probabilities", "h1n", "h2n"], {"features": x[None], "h1": h1, "h2": h2}
        )
        return probabilities, (h1, h2)
