from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clips import Reject, read_clips, read_rejects
from pipelines import ingest
from pipelines.ingest import IngestParams, Work, clip_id_of, plan, speech_bounds
from pipelines.recordings import Recording
from pipelines.splits import Splits

PARAMS = IngestParams(
    partitions=2,
    min_seconds=0.4,
    max_seconds=20.0,
    margin_seconds=0.1,
    silence_db=40.0,
    min_level_db=-55.0,
    max_clipped_share=0.01,
    max_rejects=1.0,
)
WORK = Work(PARAMS, Splits(0.1, 0.1, 0.1, 0.1))


def tone(seconds: float = 1.0, rate: int = 16000, level: float = 0.3) -> np.ndarray:
    """Half a second of silence, a tone, half a second of silence."""
    silence = np.zeros(rate // 2)
    sound = level * np.sin(2 * np.pi * 300 * np.arange(int(seconds * rate)) / rate)
    return np.concatenate([silence, sound, silence])


def corpus(folder: Path, rows: list[tuple], licence: str = "CC0-1.0") -> Path:
    """A folder of recordings: (utt, samples or bytes, rate, text)."""
    folder.mkdir()
    lines = ["utt\tspeaker\taudio\ttext\tlicence\tattribution"]
    for utt, samples, rate, text in rows:
        if isinstance(samples, bytes):
            (folder / f"{utt}.wav").write_bytes(samples)
        elif samples is not None:
            soundfile.write(folder / f"{utt}.wav", samples, rate)
        lines.append(f"{utt}\tann\t{utt}.wav\t{text}\t{licence}\tAnn")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


def ingested(folder: Path):
    """Clips and rejects of a folder, by id."""
    items = [i for task in plan([folder], 2) for i in ingest.ingest_partition(task, WORK)]
    clips = {i.clip_id: i for i in items if not isinstance(i, Reject)}
    return clips, {i.clip_id: i for i in items if isinstance(i, Reject)}


def test_a_recording_becomes_a_trimmed_mono_clip_at_16_khz(tmp_path):
    stereo = tone(rate=44100)[:, None].repeat(2, 1)
    clips, rejects = ingested(corpus(tmp_path / "mine", [("a", stereo, 44100, "hum")]))
    assert not rejects
    clip = clips["mine-a"].validate()
    assert clip.seconds == pytest.approx(1.2, abs=0.03)
    (op,) = clip.ops
    assert op.read()["start"] / 16000 == pytest.approx(0.4, abs=0.015)
    assert (clip.speaker, clip.source, clip.licence) == ("mine:ann", "mine", "CC0-1.0")
    assert (clip.timing, clip.split != "") == ("none", True)
    assert clip.score["peak_db"] == pytest.approx(20 * np.log10(0.3), abs=0.3)


def test_each_bad_recording_is_rejected_with_its_reason_and_the_others_go_on(tmp_path):
    folder = corpus(
        tmp_path / "mine",
        [
            ("good", tone(), 16000, "hum"),
            ("again", tone(), 16000, "hum"),
            ("empty", np.zeros(0), 16000, "hum"),
            ("short", np.sin(np.arange(800) * 0.1) * 0.3, 16000, "hum"),
            ("quiet", tone(level=0.0005), 16000, "hum"),
            ("clipped", np.clip(tone(level=3.0), -1, 1), 16000, "hum"),
            ("long", tone(seconds=21), 16000, "hum"),
            ("untold", tone(), 16000, ""),
            ("broken", b"RIFFnothing", 16000, "hum"),
            ("missing", None, 16000, "hum"),
        ],
    )
    with (folder / "manifest.tsv").open("a") as manifest:
        manifest.write("again\tbob\tgood.wav\thum\tCC0-1.0\tBob\n")
    clips, rejects = ingested(folder)
    assert set(clips) == {"mine-good", "mine-again"}
    reasons = {name.removeprefix("mine-"): f"{r.reason}|{r.detail}" for name, r in rejects.items()}
    for name, words in {
        "again": "the same id as",
        "empty": "holds no samples",
        "short": "too short",
        "quiet": "too quiet",
        "clipped": "clipped",
        "long": "longer than 20 s",
        "untold": "no text",
        "broken": "cannot be read as audio",
        "missing": "cannot be read as audio",
    }.items():
        assert words in reasons[name]
    for name in ("empty", "broken"):
        assert f"{name}.wav" in reasons[name], "the message names the file"
    assert "manifest.tsv:" in reasons["short"], "the message names the line"


def test_a_licence_is_required(tmp_path):
    folder = corpus(tmp_path / "mine", [("a", tone(), 16000, "hum")], licence="")
    clips, rejects = ingested(folder)
    assert not clips
    assert rejects["mine-a"].reason == "no licence"
    assert "corpus.yaml" in rejects["mine-a"].detail


def test_a_folder_with_a_faulty_manifest_is_one_reject_and_other_folders_go_on(tmp_path):
    good = corpus(tmp_path / "good", [("a", tone(), 16000, "hum")])
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "manifest.tsv").write_text("utt\ttext\n")
    items = [i for task in plan([bad, good], 2) for i in ingest.ingest_partition(task, WORK)]
    assert sorted(type(i).__name__ for i in items) == ["Clip", "Reject"]
    (reject,) = (i for i in items if isinstance(i, Reject))
    assert "manifest.tsv:1" in reject.detail
    assert "speaker, audio" in reject.reason


def test_ids_from_strangers_become_safe_names():
    def name(utt: str) -> str:
        return clip_id_of(Recording(utt, "s", Path("a"), "t", "en", "l", "a", "my corpus"))

    assert re.fullmatch(r"my_corpus-______etc_passwd-[0-9a-f]{8}", name("../../etc/passwd"))
    assert re.fullmatch(r"my_corpus-ha____-[0-9a-f]{8}", name("häß\n\x00"))
    assert len(name("x" * 500)) == 169
    assert name("да") != name("не"), "two names never become one"


def test_sound_up_to_the_end_is_kept_whole():
    audio = np.sin(np.arange(1655) * 0.3)
    assert speech_bounds(audio, 40.0, 0.1) == (0, 1655)


def test_the_stage_writes_clips_and_rejects(tmp_path, monkeypatch):
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    monkeypatch.chdir(tmp_path)
    Path("datasets/recordings").mkdir(parents=True)
    corpus(Path("datasets/recordings/mine"), [("a", tone(), 16000, "x"), ("b", None, 1, "y")])
    source = (Path(__file__).parents[2] / "params.yaml").read_text()
    Path("params.yaml").write_text(source.replace("max_rejects: 0.2", "max_rejects: 0.9"))
    done = ingest.run("recordings")
    assert (done.rows, done.rejects.total()) == (1, 1)
    parts = sorted(Path("datasets/ingest/recordings").glob("part-*.parquet"))
    assert [c.clip_id for part in parts for c in read_clips(part)] == ["mine-a"]
    assert [r.clip_id for r in read_rejects("datasets/ingest/recordings")] == ["mine-b"]
