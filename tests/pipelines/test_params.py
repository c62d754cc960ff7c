from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from clips import BadParams
from pipelines.params import build, load_params
from pipelines.train import train_params


@dataclass(frozen=True)
class Inner:
    ratio: float
    on: bool = True


@dataclass(frozen=True)
class Block:
    count: int
    names: tuple[str, ...] = ()
    inner: Inner | None = None
    shares: dict[str, float] | None = None

    def __post_init__(self):
        if self.count < 1:
            raise ValueError("count must be at least 1")


def test_a_block_becomes_a_dataclass():
    value = {"count": 3, "names": ["a", "b"], "inner": {"ratio": 1}}
    assert build(Block, value, "x") == Block(3, ("a", "b"), Inner(1.0))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"count": 3, "nmaes": []}, "unknown key `nmaes`"),
        ({}, "`count` is missing"),
        ({"count": "3"}, r"x\.count.*must be int"),
        ({"count": True}, r"x\.count.*must be int"),
        ({"count": 3, "inner": {"ratio": "high"}}, r"x\.inner\.ratio.*must be float"),
        ({"count": 3, "inner": {"ratio": 1, "on": 0}}, r"x\.inner\.on.*must be bool"),
        ({"count": 3, "names": "a"}, r"x\.names.*not a list"),
        ({"count": 3, "names": [1]}, r"x\.names\[0\].*must be str"),
        ({"count": 0}, "count must be at least 1"),
        ([], "not a block"),
        ({"count": 3, "shares": {False: 1.0}}, "key False.*must be str"),
        ({"count": 3, "shares": {"en": "two"}}, r"x\.shares\.en.*must be float"),
        ({"count": 3, "inner": {"ratio": float("nan")}}, "not a finite number"),
    ],
)
def test_a_mistake_names_its_key(value, message):
    with pytest.raises(BadParams, match=message):
        build(Block, value, "x")


def test_a_missing_block_and_a_broken_file_are_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: 1\n")
    with pytest.raises(BadParams, match=r"params\.yaml.*no block `b`"):
        load_params("b", Block, path)
    path.write_text("a: [1\n")
    with pytest.raises(BadParams, match=r"params\.yaml.*line 2"):
        load_params("a", Block, path)


def test_every_stage_reads_its_block_of_the_real_file(monkeypatch):
    from align.training import AcousticParams
    from lipsync.train import TrainParams
    from pipelines.align import AlignParams
    from pipelines.augment import AugmentParams
    from pipelines.evaluate import EvaluateParams
    from pipelines.executors import RunParams
    from pipelines.export import ExportParams
    from pipelines.ingest import IngestParams
    from pipelines.narrate import NarrateParams
    from pipelines.prompts import PromptsParams
    from pipelines.relearn import RelearnParams
    from pipelines.splits import Splits
    from pipelines.synthesize import SynthesizeParams
    from pipelines.transfer import TransferParams
    from pipelines.triage import TriageParams
    from pipelines.visemes import VisemesParams

    blocks = {
        "acoustic": AcousticParams,
        "align": AlignParams,
        "augment": AugmentParams,
        "evaluate": EvaluateParams,
        "export": ExportParams,
        "ingest": IngestParams,
        "narrate": NarrateParams,
        "prompts": PromptsParams,
        "relearn": RelearnParams,
        "run": RunParams,
        "splits": Splits,
        "synthesize": SynthesizeParams,
        "train": TrainParams,
        "transfer": TransferParams,
        "triage": TriageParams,
        "visemes": VisemesParams,
    }
    root = Path(__file__).parents[2]
    for block, kind in blocks.items():
        load_params(block, kind, root / "params.yaml")
    table = yaml.safe_load((root / "params.yaml").read_text())
    assert set(table) == {*blocks, "seed"}


def test_training_takes_the_seed_of_all_stages_unless_it_has_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block, expected in (({"epochs": 3}, 7), ({"epochs": 3, "seed": 9}, 9)):
        Path("params.yaml").write_text(yaml.safe_dump({"seed": 7, "train": block}))
        params = train_params()
        assert (params.epochs, params.seed) == (3, expected)
