"""The model that learns from the recordings, and what is aligned again with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from align import compare, total
from align.calibration import calibrated
from clips import BadParams, Op, Segment, read_clips, write_clips
from clips.store import write_table
from pipelines import realign, relearn
from pipelines.aligners import ready_aligner
from pipelines.export import MANIFEST_SCHEMA
from pipelines.relearn import RelearnParams, people_clips
from pipelines.shards import FROZEN, HELD, freeze
from pipelines.sources import ALIGNED, REALIGNED, RELEARNED
from tests.align.test_neural import ASKED, TAUGHT, spoken

SURE = (("confidence", 0.9), ("align_heard", 0.3))


@pytest.fixture(scope="module")
def exact():
    names = [f"en-us+{name}" for name in ("f1", "m3", "m1", "f4", "m7", "Andrea")]
    return spoken(TAUGHT, names)


VOICES = ("en-us+f2", "en-us+m2", "en-us+f3", "en-us+m4")
NO_FIT = "p8"


def as_people(clips):
    """The clips as recordings p0, p1 ... of the sentences: one unsure, one held out."""
    return [
        clip.with_(
            clip_id=f"p{n}", timing="aligned", source="mine", split="valid" if n == 2 else "train",
            scores=(("confidence", 0.1),) if n == 1 else SURE,
            ops=(Op.of("align", aligner="neural"), Op.of("calibrate", aligner="")),
        )
        for n, clip in enumerate(clips)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def people():
    """Eight aligned clips, every boundary of which is 30 ms late, and one whose text does not fit
    into its sound."""
    made = []
    for clip in as_people(spoken(ASKED, VOICES)):
        ends = [min(p.end + 480, len(clip)) for p in clip.phones[:-1]] + [len(clip)]
        late = zip(clip.phones, [0, *ends[:-1]], ends, strict=True)
        phones = tuple(Segment(p.label, a, b, 0.9) for p, a, b in late if b > a)
        made.append(clip.with_(phones=phones, words=(), ipa=()))
    short, cut = made[0], 1600
    phones = (Segment("SIL", 0, cut, 0.9),)
    text = " ".join([*TAUGHT, *TAUGHT])
    return [*made, short.with_(clip_id=NO_FIT, audio=short.audio[:cut], phones=phones, text=text)]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, exact, people):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    params = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    params["synthesize"]["engines"] = ["espeak"]
    params["acoustic"] |= {"epochs": 8, "batch": 8, "frames": 300, "channels": 48, "hours": 1.0}
    params["relearn"] |= {"least_minutes": 0.1, "synthetic": 50.0}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    write_clips("datasets/synthesize/espeak/part-0000.parquet", exact)
    write_clips(ALIGNED / "part-0000.parquet", people[:5])
    write_clips(ALIGNED / "part-0001.parquet", people[5:])


def realigned():
    return [c for p in sorted(REALIGNED.glob("part-*")) for c in read_clips(p)]


def change(block, **values):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params[block] |= values
    Path("params.yaml").write_text(yaml.safe_dump(params))


def test_sure_clips_that_are_not_held_out_are_learned_from():
    names = [clip.clip_id for clip in people_clips(RelearnParams())]
    assert names == ["p0", "p3", "p4", "p5", "p6", "p7", "p8"]


def test_phones_move_and_all_else_stays(people):
    relearn.run()
    done = realign.run()
    found = realigned()
    assert done.rows == len(people)
    version = ready_aligner("neural", RELEARNED).version()
    for before, after in zip(people, found, strict=True):
        if before.clip_id == NO_FIT:
            assert after == before
            continue
        labels = {name: getattr(before, name) for name in ("phones", "words", "ipa", "ops")}
        assert after.with_(**labels) == before
        assert after.words and after.ipa and after.phones != before.phones
        assert after.ops == (*before.ops, Op.of("realign", version=version))
    truth = {c.clip_id: c for c in as_people(spoken(ASKED, VOICES))}
    errors = [
        total([compare(truth[c.clip_id].phones, c.phones) for c in clips if c.clip_id in truth])
        for clips in (people, found)
    ]
    assert errors[1].f1 > errors[0].f1 + 0.1


def test_scores_of_phones_are_chances(people):
    relearn.run()
    realign.run()
    aligner = ready_aligner("neural", RELEARNED)
    for before, after in zip(people, realigned(), strict=True):
        if before.clip_id != NO_FIT:
            assert after.phones == calibrated(aligner.align(before)).phones


def test_the_same_recordings_give_the_same_bytes():
    def made():
        relearn.run()
        realign.run()
        return RELEARNED.read_bytes(), [p.read_bytes() for p in sorted(REALIGNED.glob("*"))]

    before = made()
    shutil.rmtree(".work")
    assert made() == before


def test_a_frozen_model_stays_whatever_is_added(people):
    relearn.run()
    model = RELEARNED.read_bytes()
    write_table("datasets/export/manifest.parquet", [], MANIFEST_SCHEMA)
    freeze(Path("datasets/export/manifest.parquet"))
    write_clips(ALIGNED / "part-0001.parquet", people[6:])
    relearn.run()
    assert RELEARNED.read_bytes() == model
    HELD.unlink()
    relearn.run()
    assert RELEARNED.read_bytes() != model


def test_recordings_that_were_frozen_without_a_model_get_none():
    FROZEN.parent.mkdir()
    FROZEN.write_text('{"shard": "train-recordings-0000-12345678", "samples": []}\n')
    relearn.run()
    assert not RELEARNED.exists()


@pytest.mark.parametrize("wrong", [{"hours": 0}, {"sure": 1.5}, {"least_minutes": -1}])
def test_impossible_values_are_refused(wrong):
    change("relearn", **wrong)
    with pytest.raises(BadParams, match="relearn"):
        relearn.run()


@pytest.mark.parametrize(
    ("block", "values"),
    [("relearn", {"least_minutes": 5.0}), ("align", {"aligner": "pocketsphinx"})],
)
def test_without_a_second_model_clips_stay_as_they_are(people, block, values):
    relearn.run()
    change(block, **values)
    relearn.run()
    assert list(RELEARNED.parent.iterdir()) == []
    realign.run()
    assert realigned() == people


def test_no_recordings_are_no_error():
    for path in ALIGNED.iterdir():
        path.unlink()
    relearn.run()
    assert realign.run().rows == 0
