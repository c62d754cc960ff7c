"""The stage `augment`: who has children, what refuses them, and bytes that never change."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from augment import Choice, QualityLimits, Step
from clips import BadParams, Reject, read_clips, write_clips
from pipelines.augment import AugmentParams, Work, augment_partition, run
from pipelines.runner import Task, run_partitions
from tests.augment.conftest import make_bursts

PARENTS = 4
CHAIN = (
    Step(1.0, (Choice("world", 2.0), Choice("praat"))),
    Step(0.5, (Choice("babble"), Choice("join"))),
    Step(0.5, (Choice("gain"),)),
)


@pytest.fixture
def parts(tmp_path, monkeypatch) -> list[str]:
    """Three partitions of short clips; the last clip of each is not for training."""
    monkeypatch.chdir(tmp_path)
    names = []
    for part in range(3):
        clips = []
        for number in range(PARENTS + 1):
            clip = make_bursts(10 * part + number).between(0, 24000)
            split = "test" if number == PARENTS else "train"
            clips.append(clip.with_(split=split, root_id=clip.clip_id))
        names.append(f"part-{part:04d}.parquet")
        write_clips(Path("datasets/synthesize/espeak") / names[-1], clips)
    return names


def work(**changes) -> Work:
    values = {"variants": 2, "share": 1.0, "chain": CHAIN, "max_rejects": 1.0, **changes}
    return Work(1, AugmentParams(**values))


def task(name: str) -> Task:
    return Task(name, (Path("datasets/synthesize/espeak") / name,), ["espeak", name])


def test_training_clips_have_children_and_others_none(parts):
    children = list(augment_partition(task(parts[0]), work()))
    assert len(children) == 2 * PARENTS
    assert {c.split for c in children} == {"train"}
    assert len({c.clip_id for c in children}) == len(children)
    parents = {c.clip_id for c in read_clips(f"datasets/synthesize/espeak/{parts[0]}")}
    assert {c.parent_id for c in children} < parents


def test_a_share_of_nothing_and_of_some(parts):
    assert list(augment_partition(task(parts[0]), work(share=0.0))) == []
    made = sum(len(list(augment_partition(task(p), work(share=0.5, variants=1)))) for p in parts)
    assert 0 < made < 3 * PARENTS


def test_spoilt_voices_become_rejects_with_a_phrase_that_can_be_counted(parts):
    strict = QualityLimits(max_distance_db=0.0)
    made = list(augment_partition(task(parts[0]), work(quality=strict)))
    assert len(made) == 2 * PARENTS
    assert all(isinstance(m, Reject) and m.reason == "sounds different" for m in made)
    assert all(" dB from the parent" in m.detail for m in made)


@pytest.mark.parametrize("count", ["3"])
def test_one_worker_and_several_write_the_same_bytes(parts, monkeypatch, count):
    written = []
    for workers, out in (("1", Path("one")), (count, Path("many"))):
        monkeypatch.setenv("VISEMILL_WORKERS", workers)
        monkeypatch.setattr("pipelines.runner.WORK", Path(f".work-{workers}"))
        tasks = [task(name) for name in (parts if workers == "1" else parts[::-1])]
        done = run_partitions(
            "augment", augment_partition, tasks, out, work(), rooms=("augment", "clips")
        )
        assert done.rows == 3 * 2 * PARENTS
        written.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert written[0] == written[1]


def test_a_source_may_have_a_share_of_its_own(parts):
    made = list(augment_partition(task(parts[0]), work(share=0.0, shares={"espeak": 1.0})))
    assert len(made) == 2 * PARENTS
    assert list(augment_partition(task(parts[0]), work(shares={"espeak": 0.0}))) == []


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"espeak": 1.5}, "espeak is 1.5"),
        ({"augmented": 1.0}, "augmented"),
        ({"flit": 1.0}, "flit"),
    ],
)
def test_a_share_of_no_source_and_no_share_are_named(parts, shares, message):
    params = {"variants": 1, "share": 0.5, "shares": shares, "max_rejects": 0.1}
    params["chain"] = [{"chance": 1.0, "one_of": [{"name": "gain"}]}]
    table = {"seed": 1, "augment": params, "run": {"executor": "serial"}}
    table["synthesize"] = {"engines": ["espeak"], "partitions": 1, "max_rejects": 0.1}
    table["synthesize"] |= {"settings": {}, "seconds_per_clip": 9, "voices_per_prompt": {}}
    Path("params.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(BadParams, match=message):
        run()
