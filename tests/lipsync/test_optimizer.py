"""The optimizer: who changes which weights, and how."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lipsync.model import CherryNet, OfflineNet
from lipsync.optimizer import OPTIMIZERS, Optimizer

RATE, DECAY = 0.01, 0.03


def with_gradients(model: nn.Module, seed: int = 1) -> nn.Module:
    rng = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.grad = torch.randn(weight.shape, generator=rng)
    return model


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("network", [CherryNet, OfflineNet])
def test_every_weight_has_one_part_that_changes_it(kind, network):
    model = network(0.0, 8)
    parts = Optimizer(kind, model, DECAY).parts
    held = [id(p) for part in parts for group in part.param_groups for p in group["params"]]
    assert sorted(held) == sorted(map(id, model.parameters()))


@pytest.mark.parametrize(("network", "matrices"), [(CherryNet, 4), (OfflineNet, 8)])
def test_muon_takes_the_matrices_of_the_gru_layers_and_nothing_else(network, matrices):
    model = network(0.0, 8)
    adamw, muon = Optimizer("muon", model, DECAY).parts
    (group,) = muon.param_groups
    assert len(group["params"]) == matrices
    assert {p.shape[0] for p in group["params"]} == {24}  # three gates of 8
    assert all(p.ndim == 1 or p.shape[0] == 12 for p in adamw.param_groups[0]["params"])


def test_muon_moves_a_matrix_as_far_in_every_direction():
    model = with_gradients(CherryNet(0.0, 8))
    name = "net.4.weight_hh_l0"
    rng = torch.Generator().manual_seed(2)
    column, row = torch.randn(24, generator=rng), torch.randn(8, generator=rng)
    strong = 100 * torch.outer(column, row)  # one direction drowns all others
    model.get_parameter(name).grad += strong
    before = weights(model)
    Optimizer("muon", model, 0.0).step(RATE)
    moved = torch.linalg.svdvals(weights(model)[name] - before[name])
    assert moved.max() < 4 * moved.min()
    drowned = torch.linalg.svdvals(model.get_parameter(name).grad)
    assert drowned.max() > 50 * drowned.min()
    size = (weights(model)[name] - before[name]).square().mean().sqrt()
    assert 0.1 * RATE < size < 0.3 * RATE  # as AdamW's steps are


def test_adamw_alone_is_torchs():
    model = with_gradients(CherryNet(0.0, 8))
    twin = with_gradients(copy.deepcopy(model))
    other = torch.optim.AdamW(twin.parameters(), lr=RATE, weight_decay=DECAY)
    ours = Optimizer("adamw", model, DECAY)
    for _ in range(3):
        ours.step(RATE)
        other.step()
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_it_goes_on_from_its_state(kind):
    model = with_gradients(CherryNet(0.0, 8))
    first = Optimizer(kind, model, DECAY)
    first.step(RATE)
    twin = copy.deepcopy(model)
    second = Optimizer(kind, twin, DECAY)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for seed in (2, 3):
        for optimizer, network in ((first, model), (second, twin)):
            with_gradients(network, seed)
            optimizer.step(RATE)
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
