from __future__ import annotations

import pytest
import torch

from lipsync.model import Dropout


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.999])
def test_dropout_takes_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    x = torch.ones(1000, 333)
    kept = Dropout(p).train()(x)
    assert (kept == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert kept.mean().item() == pytest.approx(1.0, abs=0.08 if p > 0.9 else 0.01)
    assert torch.equal(Dropout(p).eval()(x), x)
