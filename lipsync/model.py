"""The network: batch normalization, two GRUs, one linear layer; 65,824 weights at Cherry's width.

Its parameters have the names and shapes of Cherry Lip Sync's, so weights go both ways.
"""

from __future__ import annotations

import torch
from torch import nn

from lipsync.features import FEATURES
from lipsync.recurrence import run_gru
from visemes.classes import CLASSES

HIDDEN = 80
"""Width of both GRU layers, if nothing else is said: Cherry Lip Sync's."""
OUTPUTS = len(CLASSES)
"""Visemes, in the order of visemes.classes.CLASSES."""
LOOKAHEAD = 3
"""Frames that the network hears beyond the one it names: output k + 3 is the viseme of frame k."""

_NORM, _GRU1, _GRU2, _OUT = 1, 4, 7, 9  # places in `net` that hold weights


class Dropout(nn.Dropout):
    """nn.Dropout that draws a byte for a number: on a CPU an eighth of the work.

    There p counts in steps of 1/256.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (any shape) with a share p of its numbers 0 and the others raised, while it trains."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        dropped = min(255, round(256 * self.p))
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return x * (kept * (256 / (256 - dropped)))


class CherryNet(nn.Module):
    """Features (batch, frames, 26) to logits (batch, frames, 12); a stream when given its state.

    `net` has ten places because the names of the weights count them: normalization at 1, GRUs at
    4 and 7, output at 9, dropout before each GRU; the others do nothing.
    """

    def __init__(self, dropout: float = 0.2, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.hidden = hidden
        places: list[nn.Module] = [nn.Identity() for _ in range(_OUT + 1)]
        places[_NORM] = nn.BatchNorm1d(FEATURES)
        places[_GRU1 - 1] = Dropout(dropout)
        places[_GRU1] = nn.GRU(FEATURES, hidden, batch_first=True)
        places[_GRU2 - 1] = Dropout(dropout)
        places[_GRU2] = nn.GRU(hidden, hidden, batch_first=True)
        places[_OUT] = nn.Linear(hidden, OUTPUTS)
        self.net = nn.ModuleList(places)

    @property
    def norm(self) -> nn.BatchNorm1d:
        """The normalization of the input."""
        return self.net[_NORM]

    def forward(
        self,
        features: torch.Tensor,
        h1: torch.Tensor | None = None,
        h2: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits (batch, frames, 12) and the state (1, batch, hidden) of both GRUs after them.

        Without a state given, sequences start from zeros.
        """
        batch, frames, bands = features.shape
        x = self.norm(features.reshape(-1, bands)).reshape(batch, frames, bands)
        x, h1 = self._layer(_GRU1, x, h1)
        x, h2 = self._layer(_GRU2, x, h2)
        return self.net[_OUT](x), h1, h2

    def _layer(
        self, place: int, x: torch.Tensor, state: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return _run(self.net[place], self.net[place - 1](x), state)


class OfflineNet(nn.Module):
    """Like CherryNet, but each layer hears the whole sound, forwards and backwards; no stream.

    Only teaches: it knows more of each frame than a network that must answer after 3 more.
    """

    def __init__(self, dropout: float = 0.2, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(FEATURES)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.GRU(inputs, hidden, batch_first=True) for _ in ("forth", "back"))
            for inputs in (FEATURES, 2 * hidden)
        )
        self.out = nn.Linear(2 * hidden, OUTPUTS)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor]:
        """Logits (batch, frames, 12) of features (batch, frames, 26), about the same frames as
        CherryNet's."""
        batch, frames, bands = features.shape
        x = self.norm(features.reshape(-1, bands)).reshape(batch, frames, bands)
        for forth, back in self.layers:
            x = self.dropout(x)
            x = torch.cat([_run(forth, x)[0], _run(back, x.flip(1))[0].flip(1)], 2)
        return (self.out(x),)


def _run(
    gru: nn.GRU, x: torch.Tensor, state: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs of a layer, and its state after them."""
    if gru.training and x.device.type == "cpu":
        out = run_gru(gru, x, state)
        return out, out[:, -1][None]
    return gru(x, state)
