from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from lipsync.export import load_cherry, save_cherry, save_onnx, save_ptx
from lipsync.infer import Model
from lipsync.model import CherryNet
from lipsync.untrusted import MOST_HIDDEN

NAMES = {
    "net.1.weight": (26,), "net.1.bias": (26,), "net.1.running_mean": (26,),
    "net.1.running_var": (26,), "net.1.num_batches_tracked": (),
    "net.4.weight_ih_l0": (240, 26), "net.4.weight_hh_l0": (240, 80),
    "net.4.bias_ih_l0": (240,), "net.4.bias_hh_l0": (240,),
    "net.7.weight_ih_l0": (240, 80), "net.7.weight_hh_l0": (240, 80),
    "net.7.bias_ih_l0": (240,), "net.7.bias_hh_l0": (240,),
    "net.9.weight": (12, 80), "net.9.bias": (12,),
}  # fmt: skip


def random_net(seed: int = 0, hidden: int = 80) -> CherryNet:
    torch.manual_seed(seed)
    net = CherryNet(hidden=hidden)
    net.norm.running_mean.normal_(-20, 5)
    net.norm.running_var.uniform_(50, 800)
    net.norm.weight.data.uniform_(0.5, 2)
    net.norm.bias.data.normal_()
    torch.nn.init.normal_(net.net[9].weight, std=3.0)
    return net.eval()


def random_features(frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(-20, 20, (frames, 26)).astype(np.float32)


def test_the_weights_have_cherrys_names_and_shapes_and_no_others(tmp_path):
    save_cherry(random_net(), tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == NAMES


def test_cherrys_published_weights_have_these_names_too(cherry):
    state = torch.load(cherry / "model.pt", weights_only=True, map_location="cpu")
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == NAMES
    assert load_cherry(cherry / "model.pt").load_state_dict(state, strict=True)


def test_the_network_has_65824_weights_to_train():
    assert sum(p.numel() for p in CherryNet().parameters() if p.requires_grad) == 65_824


def test_the_layout_for_cherrys_rust_program_has_every_gate_by_itself(tmp_path):
    net = random_net()
    save_ptx(net, tmp_path / "a.ptx")
    state = torch.load(tmp_path / "a.ptx", weights_only=True)
    plain = net.state_dict()
    assert {name for name in state if name[-2:] not in (".r", ".z", ".n")} == set(NAMES)
    gates = [name for name in NAMES if "_ih_" in name or "_hh_" in name]
    assert len(state) == len(NAMES) + 3 * len(gates) == len(NAMES) + 24
    for name in gates:
        parts = [state[f"{name}.{gate}"] for gate in "rzn"]
        assert all(len(part) == 80 for part in parts)
        assert torch.equal(torch.cat(parts), plain[name])


@pytest.mark.parametrize("save", [save_cherry, save_onnx, save_ptx])
def test_the_same_weights_give_the_same_bytes(tmp_path, save):
    save(random_net(), tmp_path / "a")
    save(random_net(), tmp_path / "b")
    save(random_net(1), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("hidden", [80, 24, MOST_HIDDEN])
def test_weights_come_back_from_a_file_whatever_their_width(tmp_path, hidden):
    net = random_net(0, hidden)
    save_cherry(net, tmp_path / "a.pt")
    again = load_cherry(tmp_path / "a.pt")
    assert again.hidden == hidden
    torch.testing.assert_close(again.state_dict(), net.state_dict(), atol=0, rtol=0)
    save_onnx(net, tmp_path / "a.onnx")
    Model.load(tmp_path / "a.onnx")


@pytest.mark.parametrize("hidden", [80, 24, 200])
def test_onnx_gives_pytorchs_probabilities_for_a_whole_file(tmp_path, hidden):
    net = random_net(0, hidden)
    save_onnx(net, tmp_path / "a.onnx")
    x = random_features(500)
    ours, theirs = Model.of(net), Model.load(tmp_path / "a.onnx")
    expected = ours.predict_features(x)
    assert expected.max() > 0.9  # the probabilities are not all alike
    np.testing.assert_allclose(theirs.predict_features(x), expected, atol=1e-5)


@pytest.mark.parametrize("hidden", [80, 24, 200])
def test_onnx_gives_pytorchs_probabilities_frame_by_frame(tmp_path, hidden):
    net = random_net(0, hidden)
    save_onnx(net, tmp_path / "a.onnx")
    x = random_features(200)
    network, state, rows = Model.load(tmp_path / "a.onnx").network, None, []
    for frame in x:
        probabilities, state = network.run(frame[None], state)
        rows.append(probabilities)
    np.testing.assert_allclose(np.concatenate(rows), Model.of(net).predict_features(x), atol=1e-5)


def test_the_onnx_file_says_what_its_numbers_mean(tmp_path):
    save_onnx(random_net(), tmp_path / "a.onnx")
    about = {p.key: p.value for p in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert about["classes"].split()[5:7] == ["M", "Neutral"]
    assert about["letters"] == "D B I G H A X E K J C F"
    assert (about["rate"], about["hop"], about["lookahead"]) == ("16000", "160", "3")
