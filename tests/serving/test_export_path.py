import pytest

from kerastl.errors import UsageError
from kerastl.serving.export_path import find_export


@pytest.mark.parametrize(
    ("export_path", "name", "expected"),
    [
        ("flowers", "", ("flowers", None)),
        ("flowers/2", "", ("flowers", 2)),
        ("flowers", "daisies", ("daisies", None)),
        ("plain", "", ("plain", 1)),
        ("flowers/2/..", "", ("flowers", None)),
        ("current", "", ("current", None)),
        ("current/latest", "", ("flowers", 10)),
    ],
)
def test_export_is_a_directory_of_versions_or_one_of_them(tmp_path, export_path, name, expected):
    for path in ("flowers/2", "flowers/10", "plain"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "saved_model.pb").touch()
    (tmp_path / "flowers/latest").symlink_to("10")
    (tmp_path / "current").symlink_to("flowers")
    (tmp_path / "flowers/.writing-1").mkdir()
    (tmp_path / "flowers/99").mkdir()
    found = find_export(tmp_path / export_path, name)
    assert (found.name, found.version) == expected
    if found.version is None:
        assert list(found.versions()) == [10, 2]


@pytest.mark.parametrize(
    ("export", "name", "message"),
    [
        ("none", "", "export='none': is not a directory. Give the directory of an export, such as"),
        ("empty", "", "export='empty': contains no version with a saved_model.pb. Create one with"),
        ("plain", "a/b", "name='a/b': cannot be part of a URL. Use a name without / and :."),
    ],
)
def test_wrong_path_or_name_is_refused(tmp_path, monkeypatch, export, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/saved_model.pb").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_export(export, name)
    assert str(caught.value).startswith(message)
