"""The model that learns from the recordings, and what is aligned again with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from align import compare, total
from clips import Op, read_clips, write_clips
from pipelines import realign, relearn
from pipelines.aligners import ready_aligner
from pipelines.relearn import ALIGNED, RELEARNED, RelearnParams, people_clips
from tests.align.test_neural import ASKED, TAUGHT, spoken

SURE = (("confidence", 0.9), ("align_heard", 0.3))


@pytest.fixture(scope="module")
def exact():
    names = [f"en-us+{name}" for name in ("f1", "m3", "m1", "f4", "m7", "Andrea")]
    return spoken(TAUGHT, names)


@pytest.fixture(scope="module")
def people():
    """Eight aligned clips: every boundary is 30 ms late, one text is not what is said."""
    made = []
    for n, clip in enumerate(spoken(ASKED, ["en-us+f2", "en-us+m2", "en-us+f3", "en-us+m4"])):
        ends = [min(p.end + 480, len(clip)) for p in clip.phones[:-1]] + [len(clip)]
        late = zip(clip.phones, [0, *ends[:-1]], ends, strict=True)
        phones = tuple(p.__class__(p.label, start, end) for p, start, end in late if end > start)
        scores = (("confidence", 0.1),) if n == 1 else SURE
        made.append(
            clip.with_(
                clip_id=f"p{n}", timing="aligned", phones=phones, words=(), ipa=(), source="mine",
                scores=scores, split="valid" if n == 2 else "train",
                ops=(Op.of("align", aligner="neural"),), text="x" if n == 3 else clip.text,
            )
        )  # fmt: skip
    return made


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
    return [c for p in sorted(realign.REALIGNED.glob("part-*")) for c in read_clips(p)]


def change(block, **values):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params[block] |= values
    Path("params.yaml").write_text(yaml.safe_dump(params))


def test_sure_clips_that_are_not_held_out_are_learned_from():
    names = [clip.clip_id for clip in people_clips(RelearnParams())]
    assert names == ["p0", "p3", "p4", "p5", "p6", "p7"]


def test_phones_move_and_all_else_stays(people):
    relearn.run()
    done = realign.run()
    found = realigned()
    assert done.rows == len(people)
    assert [c.clip_id for c in found] == [c.clip_id for c in people]
    for before, after in zip(people, found, strict=True):
        assert (after.scores, after.split, after.text) == (before.scores, before.split, before.text)
        if before.text == "x":  # one letter does not fit: it keeps what it had, or one phone or two
            continue
        assert [op.name for op in after.ops] == ["align", "realign"]
        assert after.words and after.ipa and after.phones != before.phones
    version = ready_aligner("neural", RELEARNED).version()
    assert found[0].ops[-1].read() == {"version": version}
    truth = spoken(ASKED, ["en-us+f2", "en-us+m2", "en-us+f3", "en-us+m4"])
    wanted = [n for n in range(len(people)) if people[n].text != "x"]
    errors = [
        total([compare(truth[n].phones, clips[n].phones) for n in wanted]).f1
        for clips in (people, found)
    ]
    assert errors[1] > errors[0] + 0.1


def test_the_same_recordings_give_the_same_bytes():
    def made():
        relearn.run()
        realign.run()
        return RELEARNED.read_bytes(), [p.read_bytes() for p in realign.REALIGNED.glob("*")]

    before = made()
    assert made() == before


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
