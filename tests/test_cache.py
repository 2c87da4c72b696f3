import numpy as np
import pytest

import command_line
from kerastl.commands.table import run_command
from kerastl.data.store import FeatureStore


def begin(root, name, *, rows=10):
    identity = {"backbone": name, "image_size": 32}
    store = FeatureStore(root, identity, shape=(4,), dtype="float32")
    with store.adding() as writer:
        hashes = np.arange(rows * 16, dtype=np.uint8).reshape(rows, 16)
        writer.add(hashes, np.zeros((rows, 4), np.float32))
    store.describe(datasets=["digits"], boundary="pooled")
    return store


def command(capsys, *arguments):
    code = run_command("cache", arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_store_is_listed_by_last_use(tmp_path, capsys):
    keys = [begin(tmp_path, name).path.name[:8] for name in ("ResNet50", "MobileNet")]
    code, out, _ = command(capsys, f"--cache_dir={tmp_path}")
    first, second, total = out.splitlines()
    assert code == 0
    assert first.startswith(f"{keys[0]}  digits  ResNet50 at 32 px  up to pooled  ")
    assert second.startswith(f"{keys[1]}  digits  MobileNet at 32 px  up to pooled  ")
    assert total.startswith("2 combinations, ")
    assert total.endswith(f" bytes in {tmp_path}.")


def test_what_is_named_is_removed_and_what_is_in_use_stays(tmp_path, capsys):
    gone = begin(tmp_path, "ResNet50").path
    used = begin(tmp_path, "MobileNet")
    other = begin(tmp_path, "DenseNet121").path
    code, out, _ = command(capsys, f"--cache_dir={tmp_path}", f"--remove={gone.name[:8]}")
    assert code == 0
    assert out.startswith(f"Removed {gone.name[:8]}, ")
    assert not gone.exists()
    code, _, err = command(capsys, f"--cache_dir={tmp_path}", "--remove=all")
    assert code == 2
    assert err == (
        f"error: remove={used.path.name[:8]!r}: is in use by a run, and was not removed. Try again "
        "when it has ended.\n"
    )
    assert not other.exists()
    path = used.path
    del used
    assert command(capsys, f"--cache_dir={tmp_path}", "--remove=all")[0] == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cache_dir="], "cache_dir='': is not a directory."),
        (["--remove=zzz"], "remove='zzz': is not a key of the store."),
    ],
)
def test_wrong_usage_removes_nothing(tmp_path, capsys, arguments, message):
    store = begin(tmp_path, "ResNet50")
    code, _, err = command(capsys, f"--cache_dir={tmp_path}", *arguments)
    assert code == 2
    assert message in err
    assert store.path.exists()


def test_list_needs_no_tensorflow(tmp_path):
    begin(tmp_path, "ResNet50")
    finished = command_line.run_python("-m", "kerastl", "cache", f"--cache_dir={tmp_path}")
    assert finished.code == 0
    assert finished.stderr == ""
    assert "tensorflow" not in finished.imported


def test_list_of_many_combinations_and_data_sets_is_short(tmp_path, capsys):
    for number in range(30):
        store = begin(tmp_path, f"Net{number}", rows=1)
        store.describe(datasets=[f"folder:/a/{'long' * 40}/{name}" for name in range(40)])
        store.close()
    code, out, _ = command(capsys, f"--cache_dir={tmp_path}")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) <= 20
    assert max(map(len, lines)) < 300
    assert lines[0].startswith("15 older combinations, ")
    assert "  Net29 at " in lines[-2]
    assert "longlong/0, " in lines[1]
    assert " and 37 more  " in lines[1]
    _, out, _ = command(capsys, f"--cache_dir={tmp_path}", "--all")
    assert len(out.splitlines()) == 31
