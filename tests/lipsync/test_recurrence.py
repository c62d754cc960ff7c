from __future__ import annotations

import pytest
import torch

from lipsync.model import CherryNet
from lipsync.recurrence import BLOCK, run_gru


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("frames", [1, 2, BLOCK, 2 * BLOCK + 5])
def test_outputs_and_gradients_are_those_of_pytorchs_gru(frames, carried):
    torch.manual_seed(0)
    gru = torch.nn.GRU(5, 7, batch_first=True).double()
    x = torch.randn(3, frames, 5, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(3, frames, 7, dtype=torch.float64)
    state = torch.randn(1, 3, 7, dtype=torch.float64) if carried else None
    expected = gru(x, state)[0]
    theirs = torch.autograd.grad((expected * pull).sum(), [x, *gru.parameters()])
    ours = run_gru(gru, x, state)
    torch.testing.assert_close(ours, expected)
    got = torch.autograd.grad((ours * pull).sum(), [x, *gru.parameters()])
    for mine, his in zip(got, theirs):
        torch.testing.assert_close(mine, his)


@pytest.mark.parametrize(("half", "most"), [(True, 1e-2), (False, 1e-5)])
def test_gradients_that_are_worked_out_in_bfloat16_stay_near(monkeypatch, half, most):
    monkeypatch.setattr("lipsync.recurrence.HALF", half)
    torch.manual_seed(0)
    gru = torch.nn.GRU(26, 80, batch_first=True)
    x, pull = torch.randn(8, 90, 26, requires_grad=True), torch.randn(8, 90, 80)
    exact = torch.autograd.grad((gru(x)[0] * pull).sum(), [x, *gru.parameters()])
    found = torch.autograd.grad((run_gru(gru, x) * pull).sum(), [x, *gru.parameters()])
    names = ["inputs", *dict(gru.named_parameters())]
    for name, mine, true in zip(names, found, exact, strict=True):
        summed = half and not name.startswith("bias")
        assert (mine - true).norm() < (most if summed else 1e-5) * true.norm(), name
        assert mine.dtype == torch.float32 and not (summed and torch.equal(mine, true))


def test_what_one_way_back_needs_is_not_touched_by_another():
    torch.manual_seed(0)
    gru = torch.nn.GRU(2, 3, batch_first=True).double()
    sounds = torch.randn(3, 2, 30, 2, dtype=torch.float64)
    alone = [torch.autograd.grad(run_gru(gru, x).sum(), gru.weight_hh_l0)[0] for x in sounds]
    outputs = [run_gru(gru, x).sum() for x in sounds]
    together = [torch.autograd.grad(out, gru.weight_hh_l0)[0] for out in outputs]
    torch.testing.assert_close(together, alone, atol=0, rtol=0)


def test_a_second_way_back_is_refused():
    gru = torch.nn.GRU(2, 3, batch_first=True)
    out = run_gru(gru, torch.ones(1, 4, 2)).sum()
    out.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="only once"):
        out.backward()


def test_the_network_says_the_same_while_it_trains_and_when_it_predicts():
    torch.manual_seed(0)
    net = CherryNet(dropout=0.0).train()
    net.norm.eval()
    x = torch.randn(4, 50, 26)
    training = net(x)
    again = net(x, *training[1:])
    net.eval()
    for mine, his in zip((*training, *again), (*net(x), *net(x, *training[1:]))):
        torch.testing.assert_close(mine, his, atol=1e-5, rtol=1e-5)
    assert training[0].requires_grad
