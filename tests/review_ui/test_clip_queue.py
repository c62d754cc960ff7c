"""The queue: ranked, quick to open, and honest about what it shows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clips import BadInput, unit_hash
from pipelines.triage import STATUS_SCHEMA
from review_ui.clip_queue import Queue
from tests.review_ui.sets import write_set


def row(number: int, **changes) -> dict:
    """A row of a triage table."""
    values = {
        "clip_id": f"c{number}", "status": "waiting", "basis": "", "reason": "unsure",
        "doubt": number / 10, "labels": "x", "split": "train", "timing": "aligned",
        "seconds": 4.0, "reviewer": "", "fix": "", "folder": "align/recordings", "row": number,
        "worst_start": 0, "worst_end": 8000, "lot": "", "lot_sample": 0,
    }  # fmt: skip
    return {**values, **changes}


def write_table(datasets, rows, source="recordings", part="part-0000.parquet"):
    """A triage table as a file."""
    path = datasets / "triage" / source / part
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=STATUS_SCHEMA), path)


def test_what_needs_nobody_is_not_there_and_the_rest_is_ranked(tmp_path):
    write_table(
        tmp_path,
        [
            row(0, status="approved", basis="rule"),
            row(1, status="rejected", basis="parent"),
            row(2, basis="parent"),
            row(9),
            row(3, doubt=0.2),
            row(4, status="approved", basis="rule", lot="l", lot_sample=1, doubt=0.0),
            row(5, status="approved", basis="listened", reviewer="ann", doubt=0.1),
        ],
    )
    queue = Queue.from_folder(tmp_path)
    assert [(item.clip_id, item.view) for item in queue.items] == [
        ("c3", "sheet"),
        ("c9", "one"),
        ("c4", "sheet"),
        ("c5", "sheet"),
    ]
    assert queue.lots["l"].sample == 1


def test_a_lot_is_heard_in_an_order_that_its_ids_alone_decide(tmp_path):
    write_table(tmp_path, [row(n, lot="l", lot_sample=5) for n in range(50)])
    members = [item.clip_id for item in Queue.from_folder(tmp_path).lots["l"].members]
    assert members == sorted(members, key=lambda name: unit_hash(f"lot\x1f{name}"))
    assert members != sorted(members)


def test_clips_are_read_one_by_one_with_their_mouths(tmp_path):
    queue = Queue.from_folder(write_set(tmp_path, doubtful=4))
    for item in queue.items:
        clip = queue.clip(item)
        assert (clip.clip_id, clip.labels_digest()) == (item.clip_id, item.labels)
        assert clip.visemes and queue.clip(item) is clip


def test_a_clip_that_has_changed_is_not_shown(tmp_path):
    datasets = write_set(tmp_path, doubtful=2)
    queue = Queue.from_folder(datasets)
    write_set(tmp_path, doubtful=1, sure=1)
    with pytest.raises(BadInput, match="triage"):
        queue.clip(queue.items[1])


def test_a_table_never_leads_out_of_the_datasets(tmp_path):
    datasets = write_set(tmp_path / "set", doubtful=1)
    outside = write_set(tmp_path / "outside", doubtful=1)
    table = pq.read_table(datasets / "triage" / "recordings" / "part-0000.parquet").to_pylist()
    write_table(datasets, [{**table[0], "folder": str(outside / "align" / "recordings")}])
    queue = Queue.from_folder(datasets)
    with pytest.raises(BadInput, match="outside"):
        queue.clip(queue.items[0])


def test_without_triage_the_remedy_is_named(tmp_path):
    with pytest.raises(BadInput, match="make repro"):
        Queue.from_folder(tmp_path)
    write_table(tmp_path, [row(1)])
    path = tmp_path / "triage" / "recordings" / "part-0000.parquet"
    pq.write_table(pq.read_table(path).drop(["lot"]), path)
    with pytest.raises(BadInput, match="run the stage again"):
        Queue.from_folder(tmp_path)


def test_ten_thousand_clips_are_in_the_queue(tmp_path):
    for part in range(8):
        rows = [row(n, clip_id=f"c{part}-{n}", doubt=n / 1250) for n in range(1250)]
        write_table(tmp_path, rows, part=f"part-{part:04d}.parquet")
    assert len(Queue.from_folder(tmp_path).items) == 10_000
