"""From labelled partitions to exports that strangers' libraries read."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
import soundfile

from clips import BadInput, BadManifest, BadParams, Op, read_clips, to_grid, write_clips
from clips.store import partition_name, read_rows
from lipsync.dataset import load_feature_tables
from pipelines import export, triage, visemes
from pipelines.params import build
from pipelines.sources import source_folder
from tests.conftest import make_clip
from visemes.classes import CLASSES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project folder, see make_project, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    make_project()
    return tmp_path


def make_project() -> None:
    """Clips from an engine, from the aligner, and a child of each, in the working directory."""
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    Path("datasets/reviews").mkdir(parents=True)
    Path("datasets/reviews/decisions.jsonl").write_text("")
    synthesized = [
        make_clip("s-train", 3.0, split="train"),
        make_clip("s-short", 1.0, split="train", licence="MIT"),
        make_clip("s-valid", 1.0, split="valid", speaker="other"),
        make_clip("s-test", 1.0, split="test", speaker="third", text="another sentence"),
        make_clip("s-unused", 1.0, split="unused"),
        make_clip("s-noisy", 1.0, audio=loud_silence()),
    ]
    aligned = [
        make_clip("a-sure", timing="aligned", scores=(("confidence", 0.95),)),
        make_clip("a-unsure", timing="aligned", scores=(("confidence", 0.1),)),
    ]
    write_clips(source_folder("espeak") / partition_name(0), synthesized)
    write_clips(source_folder("recordings") / partition_name(0), aligned)
    op = Op.of("gain", db=-3)
    quiet = to_grid(make_clip().audio * 0.7)
    write_clips(
        source_folder("augmented") / partition_name(0),
        [make_clip("s-train", 3.0).child("w", op), synthesized[-1].child("w", op)],
    )
    write_clips(
        source_folder("augmented") / partition_name(1),
        [clip.child("w", op, audio=quiet) for clip in aligned],
    )


def loud_silence() -> np.ndarray:
    """A second of noise, loudest where the labels of make_clip say silence."""
    audio = np.random.default_rng(3).normal(0, 0.2, 16000)
    audio[4000:12000] *= 0.2
    return to_grid(audio)


def statuses() -> dict[str, tuple[str, str]]:
    """(status, basis) of every clip after triage."""
    return {
        row["clip_id"]: (row["status"], row["basis"])
        for path in sorted(Path("datasets/triage").glob("*/part-*.parquet"))
        for row in read_rows(path)
    }


def run_all() -> None:
    """The three stages."""
    visemes.run()
    triage.run()
    export.run()


def decide(clip_id: str, verdict: str, labels: str | None = None, **more) -> None:
    """A reviewer's decision on a clip as it is now."""
    rows = [r for p in Path("datasets/triage").glob("*/part-*.parquet") for r in read_rows(p)]
    seen = next(row["labels"] for row in rows if row["clip_id"] == clip_id)
    line = {
        "clip_id": clip_id,
        "labels": labels or seen,
        "verdict": verdict,
        "reviewer": "ann",
        **more,
    }
    with Path("datasets/reviews/decisions.jsonl").open("a") as file:
        file.write(json.dumps(line | more) + "\n")


def test_triage_approves_what_is_clean_and_keeps_the_rest_waiting(project):
    visemes.run()
    triage.run()
    assert statuses() == {
        "s-train": ("approved", "rule"),
        "s-short": ("approved", "rule"),
        "s-valid": ("approved", "rule"),
        "s-test": ("approved", "rule"),
        "s-unused": ("approved", "rule"),
        "s-noisy": ("waiting", ""),
        "a-sure": ("approved", "rule"),
        "a-unsure": ("waiting", ""),
        "s-train+w": ("approved", "rule"),
        "s-noisy+w": ("waiting", "parent"),
        "a-sure+w": ("approved", "rule"),
        "a-unsure+w": ("waiting", "parent"),
    }


def test_a_persons_decision_overrides_the_rules_and_reaches_the_children(project):
    visemes.run()
    triage.run()
    decide("a-unsure", "approve")
    decide("s-train", "reject")
    triage.run()
    after = statuses()
    assert after["a-unsure"] == ("approved", "listened")
    assert after["a-unsure+w"] == ("approved", "listened")
    assert after["s-train"] == ("rejected", "listened")
    assert after["s-train+w"][0] == "rejected"


def test_children_whose_parents_have_no_labels_wait(project):
    write_clips(source_folder("recordings") / partition_name(0), [])
    visemes.run()
    triage.run()
    assert statuses()["a-sure+w"] == ("waiting", "")


def test_a_decision_expires_when_the_labels_change(project):
    visemes.run()
    triage.run()
    decide("a-unsure", "approve", labels="what-it-was-before")
    triage.run()
    assert statuses()["a-unsure"] == ("waiting", "")


def test_a_broken_decision_is_named_with_its_line(project):
    visemes.run()
    Path("datasets/reviews/decisions.jsonl").write_text('\n{"clip_id": 1}\n')
    with pytest.raises(BadManifest, match=r"decisions\.jsonl:2"):
        triage.run()


def test_webdataset_reads_the_shards(project):
    webdataset = pytest.importorskip("webdataset")
    run_all()
    shards = [str(path) for path in sorted(Path("datasets/export/webdataset").glob("train-*.tar"))]
    samples = {s["__key__"]: s for s in webdataset.WebDataset(shards, shardshuffle=False)}
    assert set(samples) == {"s-train", "s-short", "a-sure", "s-train+w", "a-sure+w"}
    sample = samples["s-train"]
    audio, rate = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")
    assert rate == 16000
    assert np.array_equal(audio, make_clip("s-train", 3.0).audio)
    labels = np.load(io.BytesIO(sample["npy"]))
    assert len(labels) == 298
    assert CLASSES[labels[100]] == "M"
    about = json.loads(sample["json"])
    assert about["licence"] == "CC0-1.0"
    assert about["phones"][1]["label"] == "P"


def test_hugging_face_datasets_reads_the_parquet(project, tmp_path):
    datasets = pytest.importorskip("datasets")
    run_all()
    table = datasets.load_dataset(
        "parquet",
        data_files={"train": "datasets/export/parquet/train-*.parquet"},
        cache_dir=str(tmp_path / "cache"),
    )["train"]
    row = next(r for r in table if r["clip_id"] == "s-short")
    assert row["audio"]["bytes"][:4] == b"fLaC"
    assert row["visemes"][0]["label"] == "Neutral"
    assert len(row["frames"]) == 98


def test_pandas_reads_the_training_table_of_cherry(project):
    run_all()
    table = pandas.read_parquet("datasets/export/cherry/lipsync.parquet")
    assert len(table) == 2, "only training clips longer than 2.2 s"
    for audio, mouths in zip(table["audio"], table["visemes"], strict=True):
        assert audio.dtype == np.float32
        assert len(audio) == round(len(mouths) / 30 * 16000)
        assert (mouths[0], mouths[30], mouths[50]) == (
            CLASSES.index("Neutral"), CLASSES.index("M"), CLASSES.index("Ah"),
        )  # fmt: skip


def set_curves_fps(value: float) -> None:
    """Writes `curves_fps` into the block `export` of params.yaml."""
    text = Path("params.yaml").read_text()
    lines = [line for line in text.split("\n") if "curves_fps" not in line]
    lines.insert(lines.index("export:") + 1, f"  curves_fps: {value}")
    Path("params.yaml").write_text("\n".join(lines))


def test_soft_labels_and_curves_are_written_beside_the_labels(project):
    set_curves_fps(0)
    run_all()
    assert not Path("datasets/export/curves").exists()
    set_curves_fps(29.97)
    export.run()
    path = sorted(Path("datasets/export/curves").glob("train-espeak-*.parquet"))[0]
    names = pq.read_schema(path).metadata[b"blendshapes"].decode().split()
    row = next(r for r in read_rows(path) if r["clip_id"] == "s-train")
    frames = round(3.0 * 30000 / 1001)
    assert row["rate"] == "29.97"
    assert [len(row[key]) for key in ("hard", "soft", "curves")] == [frames] * 3
    soft, curves = np.array(row["soft"]), np.array(row["curves"])
    assert soft.shape == (frames, 12) and np.allclose(soft.sum(1), 1, atol=1e-3)
    shut = np.array(row["hard"]) == CLASSES.index("M")
    assert shut.any() and (soft[shut, CLASSES.index("M")] == 1).all()
    assert (curves[shut, names.index("jawOpen")] == 0).all()
    assert (curves[shut, names.index("mouthPressLeft")] > 0.5).all()


@pytest.mark.parametrize("rate", [-1, 2000, "fast"])
def test_a_rate_of_curves_that_is_none_is_named(rate):
    with pytest.raises(BadParams, match="curves_fps"):
        build(export.ExportParams, {"licences": [], "bases": [], "curves_fps": rate}, "export")


def test_the_manifest_holds_the_sums_of_shards_and_samples(project):
    run_all()
    manifest = pandas.read_parquet("datasets/export/manifest.parquet")
    assert set(manifest["split"]) == {"train", "valid", "test"}
    for shard, rows in manifest.groupby("shard"):
        data = Path("datasets/export", shard).read_bytes()
        assert set(rows["shard_sha256"]) == {hashlib.sha256(data).hexdigest()}
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for _, row in rows.iterrows():
                names = [f"{row['clip_id']}.{suffix}" for suffix in ("flac", "json", "npy")]
                parts = b"".join(tar.extractfile(name).read() for name in names)
                assert row["sample_sha256"] == hashlib.sha256(parts).hexdigest()
            assert {(m.mtime, m.uid, m.gid) for m in tar.getmembers()} == {(0, 0, 0)}


def test_the_trainer_reads_the_features_by_split(project):
    run_all()
    tables = sorted(Path("datasets/export/features").glob("*.parquet"))
    train = load_feature_tables(tables, "train")
    assert "s-test" not in train.clip_ids
    assert load_feature_tables(tables, "test").clip_ids == ("s-test",)
    assert train.mel.shape == (train.frames, 13)


def test_the_card_counts_clips_licences_and_attributions(project):
    run_all()
    card = json.loads(Path("datasets/export/dataset.json").read_text())
    assert card["licences"] == {"CC0-1.0": 6, "MIT": 1}
    train = card["splits"]["train"]
    assert sum(train.pop("minutes_by_source").values()) == pytest.approx(0.15, abs=0.02)
    assert train == {"clips": 5, "minutes": 0.15, "speakers": 1}
    text = Path("datasets/export/README.md").read_text()
    assert "**MIT**: 1 clips" in text
    assert "the tests" in text


def test_the_export_can_ask_for_licences(project):
    params = Path("params.yaml").read_text().replace("licences: []", "licences: [MIT]")
    Path("params.yaml").write_text(params)
    run_all()
    manifest = pandas.read_parquet("datasets/export/manifest.parquet")
    assert list(manifest["clip_id"]) == ["s-short"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"text": "Pa!"}, "sentences are in train too"), ({"speaker": "tester"}, "speakers are in")],
)
def test_a_speaker_or_sentence_of_test_in_train_stops_the_export(project, change, message):
    path = source_folder("espeak") / partition_name(0)
    clips = [c.with_(**change) if c.split == "test" else c for c in read_clips(path)]
    write_clips(path, clips)
    with pytest.raises(BadInput, match=message):
        run_all()


def test_the_same_clips_export_the_same_bytes_on_any_number_of_workers(project, monkeypatch):
    run_all()
    first = {p: p.read_bytes() for p in Path("datasets/export").rglob("*") if p.is_file()}
    shutil.rmtree(".work")
    monkeypatch.setenv("VISEMILL_WORKERS", "2")
    run_all()
    assert {p: p.read_bytes() for p in Path("datasets/export").rglob("*") if p.is_file()} == first


def test_nothing_approved_is_an_error_that_says_what_to_do(project):
    for source in ("espeak", "recordings", "augmented"):
        for path in source_folder(source).glob("part-*.parquet"):
            clips = [clip.with_(split="unused") for clip in read_clips(path)]
            write_clips(path, clips)
    visemes.run()
    triage.run()
    with pytest.raises(BadInput, match="nothing to export"):
        export.run()


def test_what_a_reviewer_mended_is_what_is_exported(project):
    visemes.run()
    triage.run()
    phones = [["SIL", 0, 5000], ["P", 5000, 9000], ["AA", 9000, 16000]]
    mouths = [["Neutral", 0, 5000], ["M", 5000, 9000], ["Ah", 9000, 16000]]
    decide("a-unsure", "fix", phones=phones, visemes=mouths)
    triage.run()
    export.run()
    frames = [pandas.read_parquet(path) for path in Path("datasets/export/parquet").glob("*")]
    rows = pandas.concat(frames).set_index("clip_id")
    mended = rows.loc["a-unsure"]
    assert [[p["label"], p["start"], p["end"]] for p in mended["phones"]] == phones
    assert mended["timing"] == "manual"
    assert mended["frames"][40] == CLASSES.index("M") and mended["frames"][70] == CLASSES.index(
        "Ah"
    )
    assert "a-unsure+w" not in rows.index
