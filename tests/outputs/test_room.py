import re
import types

import pytest

import kerastl
from kerastl.outputs import room
from kerastl.outputs.exporting import export_room
from kerastl.outputs.room import Room, check_room, run_room
from kerastl.settings import OutputSettings


def limit(monkeypatch, free):
    found = types.SimpleNamespace(free=free)
    monkeypatch.setattr("kerastl.outputs.room.shutil.disk_usage", lambda _: found)


def test_disk_without_room_for_a_run_is_refused(tmp_path):
    check_room(run_room(tmp_path, 1000))
    with pytest.raises(kerastl.KerastlError) as caught:
        check_room(run_room(tmp_path, 10**18))
    assert re.fullmatch(
        r"run_dir='.*': cannot be written \(No space left on device: .* are free, and up to "
        r"1000000000\.00 GB needed\)\. Free some space and repeat the command, or .*",
        str(caught.value),
    )


def test_what_a_run_has_written_is_a_part_of_the_room_that_it_takes(tmp_path, monkeypatch):
    limit(monkeypatch, 500)
    with pytest.raises(kerastl.KerastlError, match="are free, and up to"):
        check_room(run_room(tmp_path, 900))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.keras").write_bytes(bytes(400))
    check_room(run_room(tmp_path, 900))
    # More than was thought: it makes no room for anything else.
    assert run_room(tmp_path, 300).num_bytes == 0


def test_exports_need_room_for_the_weights_in_every_format(tmp_path):
    output = OutputSettings(
        run_dir="x", export_dir=str(tmp_path), format="savedmodel,litert_float16,litert_int8"
    )
    expected = Room("export_dir", tmp_path, 6_000_700)
    assert export_room(output, num_weights=100) == (expected,)
    assert export_room(OutputSettings(run_dir="x"), num_weights=10**18) == ()


@pytest.mark.parametrize("on_one_disk", [True, False])
def test_directories_on_one_disk_share_its_room(tmp_path, monkeypatch, on_one_disk):
    rooms = [
        Room(name, tmp_path / name, size) for name, size in (("run_dir", 4), ("export_dir", 6))
    ]
    for one in rooms:
        one.path.mkdir()
    monkeypatch.setattr(
        room.os,
        "stat",
        lambda path: types.SimpleNamespace(st_dev=on_one_disk or path == rooms[0].path),
    )
    limit(monkeypatch, 10)
    check_room(*rooms)
    limit(monkeypatch, 9)
    if not on_one_disk:
        check_room(*rooms)
        limit(monkeypatch, 5)
    words = ", with run_dir" if on_one_disk else ""
    needed = "10 bytes" if on_one_disk else "6 bytes"
    with pytest.raises(
        kerastl.KerastlError, match=rf"^export_dir=.*up to {needed} needed{words}\)\. Free some"
    ):
        check_room(*rooms)
