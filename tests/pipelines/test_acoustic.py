"""How much speech the acoustic model learns from."""

from __future__ import annotations

from pathlib import Path

import pytest

from clips import write_clips
from pipelines.acoustic import share_of, training_clips
from tests.conftest import make_clip


@pytest.fixture(autouse=True)
def speech(tmp_path, monkeypatch) -> None:
    """300 clips of a second to train on, and others that do not count."""
    monkeypatch.chdir(tmp_path)
    block = "{engines: [espeak], partitions: 1, voices_per_prompt: {}, max_rejects: 0.0}"
    Path("params.yaml").write_text(f"synthesize: {block}\n")
    clips = [make_clip(f"c{number}") for number in range(300)]
    clips += [make_clip(f"v{number}", split="valid") for number in range(20)]
    clips += [make_clip(f"a{number}", timing="aligned") for number in range(20)]
    write_clips("datasets/synthesize/espeak/part-0000.parquet", clips)


def test_all_of_it_is_learned_from_when_it_is_no_more_than_the_limit():
    assert share_of(300 / 3600) == 1.0
    assert [clip.clip_id for clip in training_clips()] == [f"c{number}" for number in range(300)]


def test_of_more_about_as_much_as_the_limit_is_drawn_always_the_same():
    share = share_of(100 / 3600)
    assert share == pytest.approx(1 / 3)
    drawn = [clip.clip_id for clip in training_clips(share)]
    assert 70 < len(drawn) < 130
    assert drawn == [clip.clip_id for clip in training_clips(share)]
    assert set(drawn) < {clip.clip_id for clip in training_clips(2 * share)}
