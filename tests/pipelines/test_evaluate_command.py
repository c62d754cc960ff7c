from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from clips import BadInput, BadManifest
from lipsync.export import save_cherry
from lipsync.infer import SHIPPED_MODEL
from lipsync.model import CherryNet
from pipelines import evaluate
from pipelines.evaluate import titles
from pipelines.evaluate_command import add_arguments, run


def visemill_evaluate(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def truth(tmp_path):
    """Two speakers who say a, m, a, f; labels in German SAMPA, ages in speakers.tsv."""
    rng = np.random.default_rng(0)
    rows = ["utt\tspeaker\taudio\ttext\tlabel"]
    notation = "".join(f"0.9\t0.9\t{label}\n" for label in "bdgIE6")  # so that it is recognised
    for speaker in ("s1", "s2"):
        soundfile.write(tmp_path / f"{speaker}.wav", rng.normal(0, 0.1, 16000), 16000)
        labels = "0.0\t0.2\ta\n0.2\t0.4\tm\n0.4\t0.6\ta\n0.6\t0.9\tf\n"
        (tmp_path / f"{speaker}.tsv").write_text(labels + notation)
        rows.append(f"{speaker}a\t{speaker}\t{speaker}.wav\tx\t{speaker}.tsv")
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "speakers.tsv").write_text("speaker\tsex\tage\ns1\tm\t9\ns2\tf\t30\n")
    torch.manual_seed(0)
    save_cherry(CherryNet(), tmp_path / "one.pt")
    save_cherry(CherryNet(), tmp_path / "two.pt")
    return tmp_path


def test_models_stand_beside_each_other_by_condition_and_group(truth, capsys):
    models = [truth / "one.pt", truth / "two.pt"]
    out = truth / "figures.json"
    assert visemill_evaluate("--truth", truth, "--model", *models, "--json", out) == 0
    found = json.loads(out.read_text())[truth.name]
    assert set(found) == {"one.pt", "two.pt", "the labels"}
    assert found["the labels"]["frame_accuracy"] == found["the labels"]["lip_score"] == 1
    assert set(found["the labels"]["by_condition"]) == {"as recorded"}
    one = found["one.pt"]
    assert list(one["by_sex"]) == ["f", "m"] and list(one["by_age"]) == ["adult", "child"]
    assert {"as recorded", "-12 dB", "noise 10 dB", "room 0.4 s"} <= set(one["by_condition"])
    assert one["intervals_95"]["frame_accuracy"][0] <= one["frame_accuracy"]
    table = capsys.readouterr().out
    assert table.count("one.pt") == table.count("two.pt") == len(one["by_condition"]) + 6


def test_the_stage_names_a_damaged_file(tmp_path, monkeypatch):
    settings = Path("params.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(settings)
    Path("models").mkdir()
    shutil.copyfile(SHIPPED_MODEL, "models/visemill.onnx")
    history, data = Path("models/history.json"), Path("datasets/export/dataset.json")
    history.write_text('[{"epoch": 0')
    with pytest.raises(BadInput, match=r"history\.json: is no JSON"):
        evaluate.run()
    history.write_text("[]")
    data.parent.mkdir(parents=True)
    data.write_text("half")
    with pytest.raises(BadInput, match=r"dataset\.json: is no JSON"):
        evaluate.run()


def test_folders_of_the_same_name_have_figures_of_their_own(truth, tmp_path_factory, capsys):
    other = tmp_path_factory.mktemp("other") / truth.name
    shutil.copytree(truth, other)
    out = truth / "figures.json"
    model = truth / "one.pt"
    words = ["--truth", truth, other, "--model", model, "--filter", "--json", out]
    assert visemill_evaluate(*words) == 0
    found = json.loads(out.read_text())
    assert list(found) == sorted(f"{path.parent.name}/{path.name}" for path in (truth, other))
    for models in found.values():
        raw, steady = models["one.pt"], models["one.pt --filter"]
        assert steady["changes_per_second"] <= raw["changes_per_second"]
    assert "one.pt --filter" in capsys.readouterr().out


def test_titles_are_as_short_as_can_be():
    paths = [Path("/a/b/x"), Path("/c/b/x"), Path("/c/y"), Path("z")]
    assert titles(paths) == ["a/b/x", "c/b/x", "y", "z"]
    assert titles([]) == []


def test_a_table_of_speakers_that_cannot_be_read_is_named(truth):
    (truth / "speakers.tsv").write_text("speaker\tsex\tage\ns1\tm\tyoung\n")
    with pytest.raises(BadManifest, match=r"speakers\.tsv"):
        visemill_evaluate("--truth", truth, "--model", truth / "one.pt")
