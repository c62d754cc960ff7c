"""Rhubarb Lip Sync beside the models, where node and its WebAssembly port are installed.

    npm install rhubarb-lip-sync-wasm

It hears a recording without its text, one process for each, at about the recording's own speed. Its
nine shapes are those of visemes/inventories/rhubarb.yaml, so it has a lip score and a motion; right
frames of twelve shapes cannot be asked of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

from clips import EngineFailed, EngineMissing
from clips.segment import RATE
from lipsync.measure import RATE as FRAMES
from lipsync.measure import Tally
from pipelines.truth import TruthClip
from visemes.comparison import motion
from visemes.inventory import load_inventory
from visemes.lip_score import lip_score

PACKAGE = "rhubarb-lip-sync-wasm"

FOLDER = "VISEMILL_RHUBARB"
"""The variable that names the folder in which npm has installed the package."""

_INVENTORY = load_inventory("rhubarb")
_SECONDS = 600  # that a recording may take
_SCRIPT = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const { Rhubarb } = await import(pathToFileURL(process.argv[1]).href);
const { mouthCues } = await Rhubarb.getLipSync(readFileSync(0));
console.log("\\n" + JSON.stringify(mouthCues.map((cue) => [cue.start, cue.end, cue.value])));
"""


class Rhubarb:
    """The program, as it is installed below `folder`. Raises EngineMissing if it is not."""

    def __init__(self, folder: Path) -> None:
        self._module = folder / "node_modules" / PACKAGE / "dist" / "index.js"
        self._node = shutil.which("node")
        if not self._node or not self._module.is_file():
            raise EngineMissing(
                f"{PACKAGE} is not there" if self._node else "node is not installed",
                where=str(folder),
                remedy=f"install node, then: npm install --prefix {folder} {PACKAGE}",
            )

    def track(self, audio: np.ndarray) -> np.ndarray:
        """The class of rhubarb.yaml for every 10 ms of mono samples at 16 kHz, int64.

        Raises EngineFailed.
        """
        pcm = np.rint(np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes()
        command = [self._node, "--input-type=module", "-e", _SCRIPT, str(self._module.resolve())]
        try:
            done = subprocess.run(command, input=pcm, capture_output=True, timeout=_SECONDS)
            cues = json.loads(done.stdout.split(b"\n")[-2])
        except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
            raise EngineFailed(
                "Rhubarb gave no mouths", remedy=f"check the installation of {PACKAGE}"
            ) from error
        letters = {letter: name for name, letter in _INVENTORY.letters.items()}
        track = np.full(-(-len(audio) * FRAMES // RATE), _INVENTORY.classes.index(_INVENTORY.rest))
        for start, end, letter in cues:  # where two overlap, the later one begins
            shape = _INVENTORY.classes.index(letters[letter])
            track[round(start * FRAMES) : round(end * FRAMES)] = shape
        return track

    def measure(self, truth: TruthClip, audio: np.ndarray) -> Tally:
        """The tally of a hand-labelled clip that sounds as `audio`: lips and motion."""
        clip, shown = truth.clip, self.track(audio)
        lips = lip_score(shown, FRAMES, clip.phones, _INVENTORY, ipa=clip.ipa, skip=truth.unknown)
        moved = motion(shown, FRAMES, truth.speech_seconds)
        return Tally(motion=moved, lips=lips, clips=1, seconds=len(shown) / FRAMES)


def find_rhubarb(folder: Path | None = None) -> Rhubarb | None:
    """Rhubarb in `folder`, else in that of the variable FOLDER; None if neither is named.

    Raises EngineMissing if it is not in the folder that is named.
    """
    named = folder or os.environ.get(FOLDER)
    return Rhubarb(Path(named)) if named else None
