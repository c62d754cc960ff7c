"""Small queues, a real server on a free port, and a real Chromium."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clips import RATE, Clip, Segment, partition_name, tile, to_grid, write_clips
from clips.store import CLIP_SCHEMA, to_row, write_table
from pipelines.visemes import TRACK_SCHEMA
from visemes.inventory import load_inventory
from visemes.rules import to_visemes

ROOT = Path(__file__).parents[2]
ONSETS = np.arange(8000, 160_000, 8000)
"""Where the tones of `bursts` begin, in samples."""

SENTENCES = (
    "Bob packed five big maps and a piano.",
    "Where did the yellow umbrella go?",
    "She sells fresh fish by the shore.",
    "My father moved the heavy wooden box.",
    "We will leave before the weather changes.",
    "The little boat floats over the lake.",
    "Please bring me a cup of warm milk.",
    "Five people waved from the window.",
)


def bursts(clip_id: str, seconds: float = 4.0, text: str = "") -> Clip:
    """A tone of 0.1 s every half second from 0.5 s on; the lips close 50 ms before each."""
    time = np.arange(1600) / RATE
    tone = (0.4 * np.sin(2 * np.pi * 240 * time)).astype(np.float32)
    audio, phones = np.zeros(round(seconds * RATE), np.float32), []
    for start in ONSETS[len(audio) - 3200 > ONSETS]:
        audio[start : start + 1600] = tone
        phones += [
            Segment("P", int(start) - 800, int(start)),
            Segment("AA", int(start), int(start) + 1600),
        ]
    phones = tile(phones, len(audio), filler="SIL")
    return Clip(
        clip_id, to_grid(audio) + np.float32(0), text or f"Tones of {clip_id}", "en", "nobody",
        "test", "CC0-1.0", "made for a test", timing="aligned", phones=phones, split="train",
        visemes=to_visemes(phones, load_inventory("cherry12")),
    )  # fmt: skip


def speech(count: int) -> list[Clip]:
    """Clips that espeak speaks, with several voices and the sentences above."""
    from clips import draw_stream
    from synth import Prompt, find_engine

    engine = find_engine("espeak")
    voices = [voice for voice in engine.voices("en") if "+" in voice.name] or engine.voices("en")
    made = []
    for n in range(count):
        prompt = Prompt(f"s{n}", SENTENCES[n % len(SENTENCES)])
        voice = voices[(5 * n) % len(voices)]
        clip_id = f"espeak-{n:04d}"
        params = engine.draw(draw_stream(1, "review-test", clip_id), prompt, voice)
        clip = engine.speak(prompt, voice, params, clip_id)
        visemes = to_visemes(clip.phones, load_inventory("cherry12"), ipa=clip.ipa)
        # A stored clip has no negative zeros, and labels_digest hashes the bytes.
        made.append(clip.with_(visemes=visemes, audio=clip.audio + np.float32(0)))
    return made


def write_queue(datasets: Path, clips: Sequence[Clip], sheet: int, *, copies: int = 1) -> None:
    """A folder of data whose queue holds the clips: the first `sheet` of them likely good.

    With `copies`, every clip stands there that many times under other names.
    """
    (datasets / "reviews").mkdir(parents=True, exist_ok=True)
    part, rows = partition_name(0), []
    for number in range(len(clips) * copies):
        clip = clips[number % len(clips)]
        name = clip.clip_id if copies == 1 else f"{clip.clip_id}-{number // len(clips)}"
        middle = next((p.start for p in clip.phones if p.label in "PBM"), len(clip) // 2)
        likely = number < sheet
        rows.append(
            {
                "clip_id": name, "status": "waiting", "basis": "", "split": "train",
                "reason": "" if likely else "closure not heard", "folder": "align/test",
                "doubt": 0.1 if likely else 0.6 + 0.3 * number / len(clips) / copies,
                "labels": clip.labels_digest(), "seconds": clip.seconds, "reviewer": "",
                "row": number, "worst_start": middle, "worst_end": min(len(clip), middle + 2000),
                "lot": "", "lot_sample": 0,
            }
        )  # fmt: skip
    if copies == 1:
        write_clips(datasets / "align/test" / part, clips)
    else:
        stored = [to_row(clip) for clip in clips]
        everything = (
            stored[n % len(clips)] | {"clip_id": rows[n]["clip_id"]} for n in range(len(rows))
        )
        write_table(datasets / "align/test" / part, everything, CLIP_SCHEMA)
    tracks = [
        {
            "clip_id": row["clip_id"],
            "seconds": row["seconds"],
            "visemes": [
                {"label": v.label, "start": v.start, "end": v.end, "score": v.score}
                for v in clips[n % len(clips)].visemes
            ],
        }
        for n, row in enumerate(rows)
    ]
    write_table(datasets / "visemes/test" / part, tracks, TRACK_SCHEMA)
    folder = datasets / "triage/test"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / part)


class Server:
    """The review page's server as a process; it can be killed and started again on its port."""

    def __init__(self, datasets: Path, journals: Path) -> None:
        self.datasets, self.journals = datasets, journals
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        settings = {
            "server.address": "127.0.0.1", "server.port": self.port, "server.headless": "true",
            "server.fileWatcherType": "none", "browser.gatherUsageStats": "false",
        }  # fmt: skip
        options = [f"--{name}={value}" for name, value in settings.items()]
        folders = {
            "VISEMILL_DATASETS": str(self.datasets),
            "VISEMILL_JOURNALS": str(self.journals),
        }
        app = ROOT / "review_ui/app.py"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(app), *options],
            cwd=ROOT,
            env=os.environ | folders,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"no server at {self.address}")

    def kill(self) -> None:
        """Kills it at once, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(timeout=20)

    def memory(self) -> int:
        """Resident memory of the server in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024


@contextmanager
def serving(datasets: Path, journals: Path) -> Iterator[Server]:
    """A server for as long as the block runs."""
    server = Server(datasets, journals)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def begin(page, server: Server, reviewer: str) -> None:
    """Opens the page and gives a name."""
    page.goto(server.address)
    page.wait_for_selector("#start .box")
    page.locator("#reviewer").fill(reviewer)
    page.keyboard.press("Enter")


def inside(page, script: str, *arguments):
    """The value of a JavaScript expression in which `page` is the page's own object."""
    whole = f"""(given) => {{
        const host = document.querySelector('[data-testid="stBidiComponentIsolated"]');
        const page = host.shadowRoot.querySelector("#review").visemill;
        return ({script});
    }}"""
    return page.evaluate(whole, list(arguments))


def wait_inside(page, script: str, *arguments, timeout: float = 20_000) -> None:
    """Waits until that expression is true."""
    end = time.monotonic() + timeout / 1000
    while not inside(page, script, *arguments):
        if time.monotonic() > end:
            raise TimeoutError(script)
        page.wait_for_timeout(20)
