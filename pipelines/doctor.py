"""`visemill doctor`: engines, aligners, tools, devices: found or not, version, how to get them."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """One line of the report. version: "" if it was not found; install: the line that gets it."""

    kind: str
    name: str
    version: str
    use: str
    install: str
    needed: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`visemill doctor` takes no arguments."""


def run(args: argparse.Namespace) -> int:
    """Prints the report; 1 if something that every run needs is missing."""
    missing = []
    for finding in find_all():
        mark = "found    " if finding.version else ("MISSING  " if finding.needed else "not found")
        version = finding.version or "-"
        print(f"{mark}  {finding.kind:8s} {finding.name:18s} {version:16s} {finding.use}")
        if not finding.version:
            print(f"{'':21s}to get it: {finding.install}")
        if finding.needed and not finding.version:
            missing.append(finding.name)
    if missing:
        print(f"\nA run needs {', '.join(missing)}.", file=sys.stderr)
    return 1 if missing else 0


def find_all() -> Iterator[Finding]:
    """Everything that a run may use."""
    from align import find_aligner
    from synth import engine_names, find_engine
    from synth.narrator import pyttsx3_works

    python = f"Python {sys.version.split()[0]}"
    yield Finding("machine", "processors", str(os.cpu_count()), python, "")
    for name in engine_names():
        engine = find_engine(name)
        timing = "timing moved to the sound" if engine.predicted else "exact timing"
        use = f"speech with {timing}" + (" (embedded)" if engine.embedded else "")
        version = engine.version() or ""
        yield Finding("engine", name, version, use, engine.install_line, engine.embedded)
    yield Finding(
        "engine",
        "pyttsx3",
        _attempt(pyttsx3_works),
        "the system's own voices, to be aligned",
        "sudo apt-get install espeak-ng libespeak1   (macOS and Windows bring their own driver)",
    )
    aligner = find_aligner("pocketsphinx")
    yield Finding(
        "aligner", "pocketsphinx", aligner.version() or "", "English (embedded)",
        aligner.install_line, True,
    )  # fmt: skip
    mfa = find_aligner("mfa")
    version = _attempt(mfa.version)
    yield Finding("aligner", "mfa", version, "Montreal Forced Aligner", mfa.install_line)
    for package, use in (
        ("pyworld", "WORLD vocoder: augmentation"),
        ("praat-parselmouth", "Praat: augmentation"),
        ("torch", "training"),
        ("onnxruntime", "inference"),
        ("dvc", "runs the stages"),
    ):
        yield Finding("library", package, _package(package), use, "make repro", True)
    yield Finding("program", "ffmpeg", _program("ffmpeg", "-version"), "codecs, videos",
                  "sudo apt-get install ffmpeg")  # fmt: skip
    yield Finding("device", "cuda", _cuda(), "training on a GPU",
                  "install a CUDA build of torch; a CPU works too")  # fmt: skip
    yield Finding("folder", "recordings", _recordings(), "real voices",
                  "see datasets/recordings/README.md")  # fmt: skip


def _package(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _program(name: str, *arguments: str) -> str:
    path = shutil.which(name)
    if not path:
        return ""
    try:
        result = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = (result.stdout or result.stderr).split("\n")[0].split()
    return next((word for word in words if word[:1].isdigit()), "found")


def _cuda() -> str:
    try:
        import torch
    except ImportError:
        return ""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""


def _recordings() -> str:
    from pipelines.inputs import RECORDINGS, folders_in

    folders = folders_in(RECORDINGS) if Path(RECORDINGS).is_dir() else []
    return ", ".join(folder.name for folder in folders)


def _attempt(find: Callable[[], str | None]) -> str:
    try:
        return find() or ""
    except (OSError, subprocess.SubprocessError):
        return ""
