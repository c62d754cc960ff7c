"""What changes in the shards when clips come, go, or get other labels; and where shards go."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas
import pytest

from clips import BadInput, BadManifest, read_clips, write_clips
from clips.store import partition_name
from pipelines import export, triage
from pipelines.command import main
from pipelines.publish_command import publish
from pipelines.shards import FROZEN, frozen_shards
from pipelines.sources import source_folder
from tests.conftest import make_clip
from tests.pipelines.test_export import decide, project, run_all

__all__ = ["project"]  # a fixture

EXPORT = Path("datasets/export")


def shards() -> dict[str, bytes]:
    """The tars, Parquet files and curves of the export, by name."""
    return {
        str(path.relative_to(EXPORT)): path.read_bytes()
        for folder in ("webdataset", "parquet", "curves")
        for path in (EXPORT / folder).glob("*")
    }


def holders() -> dict[str, str]:
    """The shard of each clip."""
    manifest = pandas.read_parquet(EXPORT / "manifest.parquet")
    return dict(zip(manifest["clip_id"], manifest["shard"], strict=True))


def add_clips(*clips) -> None:
    """More clips in the first partition of the engine's."""
    path = source_folder("espeak") / partition_name(0)
    everything = sorted([*read_clips(path), *clips], key=lambda clip: clip.clip_id)
    write_clips(path, everything)


def test_clips_that_are_approved_later_go_into_new_shards(project):
    run_all()
    before, held = shards(), holders()
    for clip in ("m-more", "b-more"):
        assert main(["freeze"]) == 0
        add_clips(make_clip(clip))
        run_all()
        after = shards()
        assert before.items() < after.items(), "every old file is there, byte for byte"
        assert len(after) == len(before) + 3, "one new shard, as tar, Parquet and curves"
        assert held.items() < holders().items()
        before, held = after, holders()


def test_a_decision_published_by_the_command_touches_no_old_shard(project):
    run_all()
    before = shards()
    labels = next(r for r in pandas.read_parquet("datasets/triage/recordings").itertuples()
                  if r.clip_id == "a-unsure").labels  # fmt: skip
    line = {"clip_id": "a-unsure", "labels": labels, "verdict": "approve", "reviewer": "bob"}
    Path(".reviews").mkdir()
    Path(".reviews/bob.jsonl").write_text(json.dumps(line) + "\n")
    assert main(["review", "commit"]) == 0
    run_all()
    assert before.items() < shards().items()
    assert {"a-unsure", "a-unsure+w"} <= set(holders())
    frozen = FROZEN.read_bytes()
    assert main(["review", "commit"]) == 0
    assert FROZEN.read_bytes() == frozen, "nothing was new, so nothing more is frozen"


def test_freezing_by_itself_changes_nothing(project):
    add_clips(make_clip("z-last"))  # train is complete after valid and test
    run_all()
    before = {p: p.read_bytes() for p in EXPORT.rglob("*") if p.is_file()}
    main(["freeze"])
    export.run()
    assert {p: p.read_bytes() for p in EXPORT.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("change", ["withdrawn", "relabelled"])
def test_a_shard_that_loses_a_clip_is_made_anew_and_no_other(project, change):
    add_clips(make_clip("s-other", 1.2))
    run_all()
    main(["freeze"])
    before, held = shards(), holders()
    if change == "withdrawn":
        decide("s-other", "reject")
    else:
        phones = [["SIL", 0, 5000], ["P", 5000, 9000], ["AA", 9000, 19200]]
        mouths = [["Neutral", 0, 5000], ["M", 5000, 9000], ["Ah", 9000, 19200]]
        decide("s-other", "fix", phones=phones, visemes=mouths)
    triage.run()
    export.run()
    gone = set(before) - set(shards())
    lost = Path(held["s-other"]).stem
    assert {Path(name).stem for name in gone} == {lost}
    survivors = {clip for clip, shard in held.items() if Path(shard).stem == lost} - {"s-other"}
    assert survivors and survivors < set(holders()), "the clips beside it are exported still"
    assert ("s-other" in holders()) == (change == "relabelled")


def test_the_layout_follows_from_the_clips_and_the_frozen_file_alone(project):
    run_all()
    main(["freeze"])
    add_clips(make_clip("b-more"), make_clip("x-more"))
    run_all()
    appended, frozen = shards(), FROZEN.read_bytes()
    FROZEN.unlink()
    run_all()
    assert shards() != appended, "without the file all clips lie together"
    FROZEN.write_bytes(frozen)
    run_all()
    assert shards() == appended


def test_a_shard_ends_when_it_is_full(project, monkeypatch):
    monkeypatch.setattr(export, "SHARD_SECONDS", 2.0)
    add_clips(*(make_clip(f"t-{n}") for n in range(5)))
    run_all()
    sizes = pandas.read_parquet(EXPORT / "manifest.parquet").groupby("shard")["seconds"].sum()
    sizes = sorted(sizes.filter(like="train-espeak"))
    assert sizes == [1, 2, 2, 4], "s-train has 3 seconds; the clip that fills a shard is its last"
    assert len(holders()) == 12


@pytest.mark.parametrize(
    "line",
    [b'{"shard": "train-espeak-0000-12345678", "samples": 3}', b"{", b"\xff", b"[" * 100_000],
)
def test_a_broken_line_is_named(project, line):
    FROZEN.parent.mkdir()
    good = b'{"shard": "train-espeak-0000-12345678", "samples": ["a"]}'
    FROZEN.write_bytes(good + b"\n" + line + b"\n")
    with pytest.raises(BadManifest, match=r"shards\.jsonl:2"):
        frozen_shards()


def test_nothing_to_freeze_or_publish_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["freeze"]) == 1
    with pytest.raises(BadInput, match="no export"):
        publish(EXPORT, str(tmp_path / "out"))


def test_publishing_again_sends_new_shards_only(project, tmp_path):
    run_all()
    count = len(shards())
    address = f"file://{tmp_path}/published"
    assert publish(EXPORT, address) == (count, 0)
    main(["freeze"])
    add_clips(make_clip("b-more"))
    run_all()
    broken = next(Path(tmp_path, "published", "webdataset").glob("*.tar"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:1000])
    assert publish(EXPORT, address) == (4, count - 1)
    assert broken.read_bytes() == whole
    assert np.load(io.BytesIO(first_sample(address)["npy"])).dtype == np.uint8


def first_sample(address: str) -> dict:
    """The first training sample, read from an address."""
    webdataset = pytest.importorskip("webdataset")
    rows = pandas.read_parquet(f"{address}/manifest.parquet")
    urls = [f"{address}/{name}" for name in rows[rows.split == "train"].shard.unique()]
    return next(iter(webdataset.WebDataset(urls, shardshuffle=False)))
