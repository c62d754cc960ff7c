"""The optimizer: Muon for the matrices of the GRU layers, AdamW for everything else.

Muon (Jordan et al. 2024) makes every direction of a matrix's gradient equally long, so that the
few strong ones do not drown the others. From people's recordings a network learns as much in 12
epochs with it as in 30 with AdamW alone (docs/training.md). Its steps are made about as large as
AdamW's are (Liu et al. 2025), so both parts take the same learning rate and weight decay.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

OPTIMIZERS = ("adamw", "muon")
"""What `TrainParams.optimizer` may be: AdamW alone, or Muon and AdamW."""


class Optimizer:
    """What changes the weights of a network, with its state for a checkpoint.

    kind: one of OPTIMIZERS. weight_decay: the share of each weight that a step takes
    away, times its learning rate. The learning rate comes with each step.
    """

    def __init__(self, kind: str, model: nn.Module, weight_decay: float) -> None:
        recurrent = [
            weight
            for layer in model.modules()
            if kind == "muon" and isinstance(layer, nn.GRU)
            for weight in layer.parameters()
            if weight.ndim == 2
        ]
        taken = set(map(id, recurrent))
        others = [weight for weight in model.parameters() if id(weight) not in taken]
        adamw = torch.optim.AdamW(others, weight_decay=weight_decay, fused=others[0].is_cuda)
        self.parts: list[torch.optim.Optimizer] = [adamw]
        if recurrent:
            muon = torch.optim.Muon(
                recurrent, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            )
            self.parts.append(muon)

    def step(self, learning_rate: float) -> None:
        """Changes the weights once, by their gradients."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """The state of each part."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Goes on from there."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)
