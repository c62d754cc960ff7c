from __future__ import annotations

import pytest

from lipsync.model import CherryNet
from pipelines.model_card import model_card, weights

SOURCES = {"augmented": 2.0, "recordings": 1.4}
DATA = {
    "splits": {"train": {"clips": 2, "minutes": 3.4, "speakers": 5, "minutes_by_source": SOURCES}},
    "licences": {"CC0-1.0": 2},
    "attributions": {"CC0-1.0": ["eSpeak NG", "a reader"]},
}


def test_the_card_says_what_went_in_and_how_good_it_is_beside_the_rival():
    figures = {"frame_accuracy": 0.61234, "intervals_95": {"frame_accuracy": [0.5, 0.7]}}
    metrics = {
        "held_out": {"visemill": {"frame_accuracy": 0.7}},
        "truth": {"people": {"visemill": figures, "cherry": {"frame_accuracy": 0.4}}},
    }
    card = model_card(DATA, {"epochs": 10}, metrics)
    assert "3 minutes of speech, 2 clips, 5 speakers" in card
    assert "(augmented 2, recordings 1 minutes)" in card
    assert "| CC0-1.0 | 2 | eSpeak NG; a reader |" in card
    assert "| frames right | 0.612 (0.500–0.700) | 0.400 |" in card
    assert "epochs 10" in card and "65 ms" in card


def test_what_was_not_measured_is_left_out():
    card = model_card(DATA, {}, {"held_out": {"visemill": {"frame_accuracy": 0.7}}, "truth": {}})
    assert "lip score |" not in card and "frames right" in card
    assert "unseen voices" not in model_card(DATA, {}, {"held_out": {}, "truth": {}})


@pytest.mark.parametrize("hidden", [1, 80, 160])
def test_the_card_counts_the_weights_of_the_network(hidden):
    learned = sum(p.numel() for p in CherryNet(hidden=hidden).parameters())
    card = model_card(DATA, {"hidden": hidden}, {"held_out": {}, "truth": {}})
    assert weights(hidden) == learned and f"{learned:,} weights" in card
    assert ("in another width" in card) == (hidden != 80)
