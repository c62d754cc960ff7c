"""Which engines a run uses, as params.yaml says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clips import BadParams, read_clips, read_rejects
from clips.store import partitions_in
from pipelines import synthesize
from pipelines.engines import configured_engine, is_used, listed_engines
from pipelines.inputs import write_inputs
from pipelines.prompts import CHOSEN, write_prompts
from synth import Prompt

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes params.yaml with another `synthesize` block."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISEMILL_WORKERS", "1")

    def write(**synthesize):
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["synthesize"] |= synthesize
        Path("params.yaml").write_text(yaml.safe_dump(params))
        write_inputs([], [], {})

    return write


def test_engines_have_the_settings_of_params(project):
    project(engines=["espeak"], settings={"espeak": {"people": {"f": 1}}})
    voices = {voice.speaker for voice in configured_engine("espeak").voices("en")}
    assert "espeak:f-00" in voices and "espeak:m-00" not in voices


def test_embedded_engines_are_always_used_and_others_only_where_found(project):
    project(engines=["espeak", "flite"])
    assert listed_engines() == ("espeak", "flite")
    assert is_used("espeak") and not is_used("flite")
    write_inputs([], [], {"flite": "2.2"})
    assert is_used("flite")


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"engines": ["espeak", "espeak"]}, "twice"),
        ({"engines": ["espeak"], "settings": {"piper": {}}}, "piper"),
        ({"seconds_per_clip": 0.0}, "seconds_per_clip"),
        ({"voices_per_prompt": {"en": -1}}, r"voices_per_prompt\.en"),
        ({"voices_per_prompt": {"english": 9}}, "english"),
        ({"max_rejects": 7.0}, "max_rejects"),
        ({"engine": ["espeak"]}, "engine"),
    ],
)
def test_mistakes_are_named(project, block, named):
    project(**block)
    with pytest.raises(BadParams, match=named):
        listed_engines()


def test_an_engine_that_nobody_wrote_is_named(project):
    project(engines=["espeak", "marytts"])
    with pytest.raises(BadParams, match="marytts"):
        configured_engine("marytts")


def test_a_text_that_cannot_be_spoken_costs_its_clip(project):
    project(engines=["espeak"], partitions=2, max_rejects=0.9, voices_per_prompt={"en": 1})
    prompts = [Prompt("good", "Bob keeps a puppy.", "en", "train"),
               Prompt("bad", "Привет!", "en", "train")]  # fmt: skip
    write_prompts(CHOSEN, prompts)
    done = synthesize.run("espeak")
    assert done.rows == 1 and done.rejects.total() == 1
    folder = Path("datasets/synthesize/espeak")
    (clip,) = [c for path in partitions_in(folder) for c in read_clips(path)]
    assert clip.text == "Bob keeps a puppy." and clip.licence == "CC0-1.0"
    (reject,) = read_rejects(folder)
    assert reject.text == "Привет!" and "script" in reject.reason
