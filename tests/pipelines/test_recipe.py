"""Recipes change params.yaml as a person would: those keys, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from clips import BadParams
from lipsync.train import TrainParams
from pipelines.augment import AugmentParams
from pipelines.command import main
from pipelines.engines import SynthesizeParams
from pipelines.ingest import IngestParams
from pipelines.params import load_params
from pipelines.prompts import PromptsParams
from pipelines.recipe import apply_recipe
from pipelines.splits import Splits
from pipelines.triage import TriageParams

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))

PLAIN = """\
# the first line
seed: 1

a:              # a block
  one: 1        # the first
  deep: {x: 1, y: [1, 2]}

b:
  two: 2
  quoted: ""
"""


@pytest.fixture
def params(tmp_path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PLAIN)
    return path


def recipe(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def holds(mixed: object, wanted: object) -> bool:
    """Whether every key of `wanted` has its value in `mixed`."""
    if isinstance(wanted, dict):
        return all(key in mixed and holds(mixed[key], value) for key, value in wanted.items())
    return mixed == wanted


def test_its_keys_change_and_nothing_else(tmp_path, params):
    told = apply_recipe(recipe(tmp_path, "a: {deep: {y: [3]}, new: 5}\n"), params)
    text = params.read_text()
    assert yaml.safe_load(text) == {
        "seed": 1,
        "a": {"new": 5, "one": 1, "deep": {"x": 1, "y": [3]}},
        "b": {"two": 2, "quoted": ""},
    }
    assert told == ["a.deep.y: [3] (was [1, 2])", "a.new: 5"]
    assert "# the first line" in text and "# a block" in text and "# the first" in text
    assert "\n\nb:" in text  # the new key stands in its block
    assert "y: [3]" in text and 'quoted: ""' in text  # lists and quotes stay as they are written


def test_the_second_time_nothing_changes(tmp_path, params):
    one = recipe(tmp_path, "a: {one: 7}\n")
    assert apply_recipe(one, params)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "recipe.yaml"]
    before = params.read_bytes(), params.stat().st_mtime_ns
    assert apply_recipe(one, params) == []
    assert (params.read_bytes(), params.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c: {one: 1}\n", "a block `c`"),
        ("a: {one: 1\n", "recipe.yaml"),
        ("- 1\n", "recipe.yaml"),
        (None, "recipe.yaml"),
    ],
)
def test_what_is_no_recipe_changes_nothing(tmp_path, params, text, message):
    path = tmp_path / "recipe.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadParams, match=message):
        apply_recipe(path, params)
    assert params.read_text() == PLAIN


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_stages_accept_ours(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    plain = yaml.safe_load(Path("params.yaml").read_text())
    assert apply_recipe(path, Path("params.yaml"))
    mixed, wanted = (yaml.safe_load(p.read_text()) for p in (Path("params.yaml"), path))
    assert [*mixed] == [*plain]
    for block, kind in (
        ("prompts", PromptsParams),
        ("splits", Splits),
        ("ingest", IngestParams),
        ("synthesize", SynthesizeParams),
        ("augment", AugmentParams),
        ("triage", TriageParams),
        ("train", TrainParams),
    ):
        load_params(block, kind)
        assert holds(mixed[block], wanted.pop(block))
    assert not wanted  # another block would need a line above


def test_the_verb_says_what_changed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    path = recipe(tmp_path, "train: {epochs: 3}\n")
    assert main(["inputs", "--engines", "embedded", "--recipe", str(path)]) == 0
    assert "train.epochs: 3 (was 10)" in capsys.readouterr().err
    assert load_params("train", TrainParams).epochs == 3
    assert main(["inputs", "--recipe", "elsewhere.yaml"]) == 1
    assert "elsewhere.yaml" in capsys.readouterr().err
