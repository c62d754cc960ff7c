from __future__ import annotations

import threading

from pipelines.dvc_lock import mend


def test_half_a_table_is_removed_and_a_whole_one_stays(tmp_path, capsys):
    table = tmp_path / "rwlock"
    assert not mend(table, 0)
    table.write_text('{"datasets": {"read": []}}')
    assert not mend(table, 0)
    assert table.exists()
    for half in ("", '{"datasets": {"re'):
        table.write_text(half)
        assert mend(table, 0)
        assert not table.exists()
        assert "rwlock" in capsys.readouterr().err


def test_a_table_that_is_being_written_stays(tmp_path):
    table = tmp_path / "rwlock"
    table.write_text("")
    writer = threading.Timer(0.05, table.write_text, ["{}"])
    writer.start()
    assert not mend(table, 1.0)
    writer.join()
    assert table.read_text() == "{}"
