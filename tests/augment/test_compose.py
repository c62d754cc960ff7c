from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import augment
from augment import CHANNEL, Chain, Choice, Pool, QualityLimits, Step, find_transform
from augment.drawn import ChannelTransform
from clips import BadAudio, BadInput, BadParams, draw_stream, read_clips, write_clips
from pipelines.params import build
from tests.augment.conftest import make_bursts

STEPS = [
    {"chance": 0.6, "one_of": [{"name": "world", "weight": 2, "settings": {"tempo": [0.9, 1.2]}},
                               {"name": "praat"}]},
    {"chance": 0.5, "one_of": [{"name": "excerpt", "settings": {"shortest": 0.5}}]},
    {"chance": 0.5, "one_of": [{"name": "join"}]},
    {"chance": 0.7, "one_of": [{"name": "noise", "weight": 3}, {"name": "babble"}]},
    {"chance": 0.5, "one_of": [{"name": "equaliser"}, {"name": "band"}]},
    {"chance": 0.4, "one_of": [{"name": "clipping"}]},
    {"chance": 0.4, "one_of": [{"name": "codec", "settings": {"codecs": ["mulaw", "gsm"]}}]},
    {"chance": 0.6, "one_of": [{"name": "gain", "settings": {"gain_db": [-20, 6]}}]},
]  # fmt: skip


def steps(tables: list[dict]) -> list[Step]:
    """As pipelines.params builds them from params.yaml."""
    return [
        build(Step, table, f"params.yaml: augment.chain[{n}]") for n, table in enumerate(tables)
    ]


def pool() -> Pool:
    return Pool(make_bursts(seed) for seed in range(1, 8))


def made(chain: Chain, count: int, clip=None) -> list:
    clip = clip or make_bursts(0)
    return [chain.make(draw_stream(1, "augment", str(n)), clip) for n in range(count)]


def test_every_child_of_a_long_chain_is_valid_and_can_be_made_again(tmp_path):
    clip = make_bursts(0)
    chain, children = Chain(steps(STEPS), pool()), []
    for child in made(chain, 20):
        if child is None:
            continue
        assert child.faults() == []
        assert child.parent_id == child.root_id == clip.clip_id
        assert Chain(steps(STEPS), pool()).replay(clip, child) == child
        children.append(child)
    used = {op.name for child in children for op in child.ops}
    assert used >= {"world", "praat", "excerpt", "join", "noise", "babble", "gain", "codec"}
    assert len({child.clip_id for child in children}) == len(children) > 16
    write_clips(tmp_path / "part.parquet", children)
    assert list(read_clips(tmp_path / "part.parquet")) == children


def test_steps_happen_in_order_and_as_often_as_their_chance():
    table = [
        {"chance": 0.3, "one_of": [{"name": "gain", "settings": {"gain_db": [-3, 3]}}]},
        {"chance": 0.8, "one_of": [{"name": "band", "weight": 3}, {"name": "noise"}]},
    ]
    children = made(Chain(steps(table)), 400, make_bursts(0).between(0, 8000))
    ops = [tuple(op.name for op in child.ops) if child else () for child in children]
    assert set(ops) == {(), ("gain",), ("band",), ("noise",), ("gain", "band"), ("gain", "noise")}
    assert np.mean([o == () for o in ops]) == pytest.approx(0.7 * 0.2, abs=0.05)
    assert np.mean(["gain" in o for o in ops]) == pytest.approx(0.3, abs=0.07)
    band, noise = (sum(name in o for o in ops) for name in ("band", "noise"))
    assert band / noise == pytest.approx(3, rel=0.4)


def test_a_step_that_does_not_fit_is_left_out():
    table = [
        {"chance": 1, "one_of": [{"name": "join"}]},  # there is no pool
        {"chance": 1, "one_of": [{"name": "excerpt", "settings": {"shortest": 60}}]},
    ]
    assert made(Chain(steps(table)), 1) == [None]
    with_gain = [*table, {"chance": 1, "one_of": [{"name": "gain"}]}]
    assert [op.name for op in made(Chain(steps(with_gain)), 1)[0].ops] == ["gain"]


def test_a_spoilt_voice_is_refused_and_noise_is_not(speech):
    world = {"chance": 1, "one_of": [{"name": "world"}]}
    noise = {"chance": 1, "one_of": [{"name": "noise", "settings": {"snr_db": [-10, -10]}}]}
    strict = QualityLimits(max_distance_db=0.01)
    assert Chain(steps([noise]), quality=strict).make(draw_stream(1, "a", "b"), speech[0])
    with pytest.raises(BadAudio, match="sounds different") as caught:
        Chain(steps([world, noise]), quality=strict).make(draw_stream(1, "a", "b"), speech[0])
    assert caught.value.what == "sounds different"  # a phrase that reports count


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"chance": 2, "one_of": [{"name": "gain"}]}, "chance is 2"),
        ({"chance": float("nan"), "one_of": [{"name": "gain"}]}, r"chain\[0\].chance"),
        ({"chance": 1, "one_of": []}, "one_of is empty"),
        ({"chance": 1}, "`one_of` is missing"),
        ({"chance": 1, "one_of": [{"name": "gain", "weight": 0}]}, "weight of gain"),
        ({"chance": 1, "one_of": [{"name": "gain", "wieght": 1}]}, r"one_of\[0\].*`wieght`"),
        ({"chance": 1, "one_of": [{"name": "reverb"}]}, r"chain\[0\].one_of\[0\] \(reverb\)"),
        (
            {"chance": 1, "one_of": [{"name": "gain", "settings": {"gain_db": [5, 99]}}]},
            r"chain\[0\].one_of\[0\] \(gain\): gain_db is 5..99",
        ),
        (
            {"chance": 1, "one_of": [{"name": "world", "settings": {"speed": 1}}]},
            r"\(world\).*no setting 'speed'",
        ),
    ],
)
def test_a_mistake_names_step_transform_and_key(table, said):
    with pytest.raises(BadParams, match=said):
        Chain(steps([table]))


def test_a_stage_learns_what_its_result_depends_on(tmp_path):
    table = {"chance": 1, "one_of": [
        {"name": "codec", "settings": {"codecs": ["gsm"]}},
        {"name": "background", "settings": {"folder": str(tmp_path)}},
    ]}  # fmt: skip
    chain = Chain(steps([table]))
    assert chain.versions()[0].startswith("libsndfile ")
    with pytest.raises(BadInput, match="no wav or flac"):
        chain.files()
    for name in ("a.wav", "corpus.yaml"):
        (tmp_path / name).write_bytes(b"")
    chain = Chain(steps([table]))
    assert [path.name for path in chain.files()] == ["a.wav", "corpus.yaml"]


def test_another_chain_says_that_it_did_not_make_the_child():
    child = made(Chain([Step(1, (Choice("gain"),))]), 1)[0]
    with pytest.raises(BadParams, match="no step of the chain makes 'gain'"):
        Chain([Step(1, (Choice("band"),))]).replay(make_bursts(0), child)


def test_the_list_of_channel_transforms_is_complete():
    modules = {path.stem for path in Path(augment.__file__).parent.glob("*.py")}
    found = set()
    for name in modules - {"__init__"}:
        if "TRANSFORM" in vars(import_module(f"augment.{name}")):
            found |= {name} if isinstance(find_transform(name), ChannelTransform) else set()
    assert found == CHANNEL
