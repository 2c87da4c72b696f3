import re
import types

import pytest

import kerastl
from kerastl.outputs.exporting import check_export_room
from kerastl.outputs.room import check_room
from kerastl.settings import OutputSettings


def test_disk_without_room_for_a_run_is_refused(tmp_path):
    check_room(tmp_path, 1000)
    with pytest.raises(kerastl.KerastlError) as caught:
        check_room(tmp_path, 10**18)
    assert re.fullmatch(
        r"run_dir='.*': cannot be written \(No space left on device: .* are free, and up to "
        r"1000000000\.00 GB needed\)\. Free some space and repeat the command, or .*",
        str(caught.value),
    )


def test_what_a_run_has_written_is_a_part_of_the_room_that_it_takes(tmp_path, monkeypatch):
    free = types.SimpleNamespace(free=500)
    monkeypatch.setattr("kerastl.outputs.room.shutil.disk_usage", lambda _: free)
    with pytest.raises(kerastl.KerastlError, match="are free, and up to"):
        check_room(tmp_path, 900)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.keras").write_bytes(bytes(400))
    check_room(tmp_path, 900)


def test_disk_of_the_exports_has_room_for_the_weights_of_every_format(tmp_path, monkeypatch):
    free = types.SimpleNamespace(free=6_000_700)
    monkeypatch.setattr("kerastl.outputs.room.shutil.disk_usage", lambda _: free)
    output = OutputSettings(
        run_dir="x", export_dir=str(tmp_path), format="savedmodel,litert_float16,litert_int8"
    )
    check_export_room(output, num_weights=100)
    with pytest.raises(kerastl.KerastlError, match=r"^export_dir=.*6\.0 MB are free, and up to "):
        check_export_room(output, num_weights=101)
    check_export_room(OutputSettings(run_dir="x"), num_weights=10**18)
