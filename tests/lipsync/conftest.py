"""Cherry Lip Sync's published weights and test recording, where they lie beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

CHERRY = Path(__file__).parents[2].parent / "shared" / "peers" / "cherry"


@pytest.fixture
def cherry() -> Path:
    if not (CHERRY / "model.pt").exists():
        pytest.skip("Cherry Lip Sync's weights are not at ../shared/peers/cherry")
    return CHERRY


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads that wait for each other on a busy machine can make a test a hundred times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
