from __future__ import annotations

import numpy as np
import pytest
import soundfile

from clips import BadManifest
from pipelines.truth import read_truth
from visemes.inventory import load_inventory

INVENTORY = load_inventory("cherry12")


@pytest.mark.parametrize(("folder", "clips"), [("emodb", 276), ("emu_ae", 3)])
def test_real_hand_labelled_folders_are_read(shared, folder, clips):
    truth = read_truth(shared / "speech" / folder, INVENTORY)
    assert len(truth) == clips
    groups = {entry.group for entry in truth}
    assert groups == ({"neutral", "acted"} if folder == "emodb" else {""})
    for entry in truth[:20]:
        assert not entry.clip.validate().score
        assert entry.clip.visemes[-1].end == len(entry.clip)


def test_what_nobody_labelled_is_not_measured(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(16000, 0.1), 16000)
    (tmp_path / "a.tsv").write_text("0.1\t0.2\ta\n0.2\t0.3\tqqq\n0.3\t0.5\tm\n")
    rows = "utt\tspeaker\taudio\ttext\tlabel\na\ts\ta.wav\tx\ta.tsv\n"
    (tmp_path / "manifest.tsv").write_text(rows)
    with pytest.raises(BadManifest, match="no labelled"):
        (tmp_path / "none").mkdir()
        (tmp_path / "none" / "manifest.tsv").write_text("utt\tspeaker\taudio\ttext\n")
        read_truth(tmp_path / "none", INVENTORY)
    labels = [f"{n / 100:.2f}\t{(n + 1) / 100:.2f}\ta" for n in range(50, 90)]
    with (tmp_path / "a.tsv").open("a") as file:
        file.write("\n".join(labels) + "\n")
    for label in "bdfgIE6":  # enough known labels for the notation to be recognised
        with (tmp_path / "a.tsv").open("a") as file:
            file.write(f"0.9\t0.9\t{label}\n")
    (entry,) = read_truth(tmp_path, INVENTORY)
    times = np.array([0, 3300, 5000, 15000])
    assert list(entry.known_at(times)) == [True, False, True, False]
