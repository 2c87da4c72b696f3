import io
import os
import shutil
import threading
import time

import pytest
import tensorflow as tf

from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.serving import models
from kerastl.serving.place import find_place
from serving_client import metric


@pytest.fixture
def export(colour_run, tmp_path, monkeypatch):
    """A directory of one version, which is looked at often."""
    monkeypatch.setattr(models, "_SECONDS_BETWEEN_LOOKS", 0.02)
    copy_version(colour_run, tmp_path / "export/3")
    return tmp_path / "export"


def copy_version(run, path):
    shutil.copytree(run.result.export_path, path)
    return path


def reverse_class_names(path):
    names = path / "assets/class_names.txt"
    names.write_text("".join(reversed(names.read_text().splitlines(keepends=True))))


def count_calls(monkeypatch, name):
    calls, function = [], getattr(models, name)

    def noted(*arguments, **named):
        calls.append(arguments)
        return function(*arguments, **named)

    monkeypatch.setattr(models, name, noted)
    return calls


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def served(start, export):
    output = io.StringIO()
    client = start(export, name="", progress=Progress(output))
    client.output = output.getvalue
    return client


@pytest.mark.thorough
def test_new_version_is_taken_up_without_a_request_lost(served, export, colour_run, files):
    answers, stop = [], threading.Event()

    def ask_on():
        while not stop.is_set():
            answers.append(served.post("/predict", files[0]))

    threads = [threading.Thread(target=ask_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    # As an export does: written beside its place, and moved there whole.
    hidden = copy_version(colour_run, export / ".writing-abc")
    wait_until(lambda: len(answers) > 20)
    hidden.rename(export / "10")
    wait_until(lambda: served.serving.models.current.version == 10)
    count = len(answers)
    wait_until(lambda: len(answers) > count + 20)
    stop.set()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200}
    versions = [answer.json["model"]["version"] for answer in answers]
    assert set(versions) == {3, 10}
    assert versions[-1] == 10
    assert served.output() == f"Version 10 is served from now on, from {export}/10.\n"
    assert metric(served, "kerastl_model_version") == 10
    assert served.get("/v1/models/export/versions/3").status == 404


@pytest.mark.thorough
def test_request_that_waits_is_answered_by_the_version_that_it_came_for(
    served, export, colour_run, files, blocker
):
    blocker.block(served.serving.batcher)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(served.post("/predict", files[0])))
    thread.start()
    wait_until(lambda: served.serving.batcher.waiting() == 1)
    copy_version(colour_run, export / "4")
    wait_until(lambda: served.serving.models.current.version == 4)
    blocker.release.set()
    thread.join()
    assert answers[0].json["model"]["version"] == 3


@pytest.mark.thorough
def test_broken_version_leaves_the_old_one_until_it_is_mended(
    served, export, colour_run, files, monkeypatch
):
    whole = copy_version(colour_run, export.parent / "whole")
    shutil.copytree(whole, export / "4", ignore=shutil.ignore_patterns("variables.data*"))
    wait_until(lambda: "cannot be served" in served.output())
    line = served.output()
    assert line.startswith(f"{export}/4: cannot be served (")
    assert line.endswith("Write the version anew with kerastl export. Version 3 is served on.\n")
    assert served.post("/predict", files[0]).json["model"]["version"] == 3
    looks = count_calls(monkeypatch, "_content_of")
    tries = count_calls(monkeypatch, "load_model")
    wait_until(lambda: len(looks) > 5)
    assert (tries, served.output()) == ([], line)
    shutil.copytree(whole, export / "4", dirs_exist_ok=True)
    wait_until(lambda: served.serving.models.current.version == 4)


@pytest.mark.thorough
def test_version_that_is_still_being_copied_is_not_taken(served, export, colour_run, monkeypatch):
    monkeypatch.setattr(models, "_SECONDS_BETWEEN_LOOKS", 0.05)
    (export / "4").mkdir()
    for number in range(15):
        (export / "4/saved_model.pb").write_bytes(bytes(number))
        time.sleep(0.02)
    assert served.output() == ""
    shutil.copytree(colour_run.result.export_path, export / "4", dirs_exist_ok=True)
    wait_until(lambda: served.serving.models.current.version == 4)
    assert "cannot be served" not in served.output()


@pytest.mark.thorough
def test_version_is_taken_back_by_removing_it(served, export, colour_run):
    copy_version(colour_run, export / "4")
    wait_until(lambda: served.serving.models.current.version == 4)
    shutil.rmtree(export / "4")
    wait_until(lambda: served.serving.models.current.version == 3)


@pytest.mark.thorough
def test_directory_that_is_away_stops_nothing(served, export, colour_run, files):
    moved = export.rename(export.parent / "moved")
    wait_until(lambda: "cannot be read (No such file or directory)." in served.output())
    assert served.post("/predict", files[0]).status == 200
    moved.rename(export)
    copy_version(colour_run, export / "4")
    wait_until(lambda: served.serving.models.current.version == 4)
    assert served.output().count("cannot be read") == 1


@pytest.mark.thorough
def test_server_starts_with_the_highest_version_that_can_be_served(export, colour_run):
    copy_version(colour_run, export / "10")
    (export / "11").mkdir()
    (export / "11/saved_model.pb").write_text("nonsense")
    (export / "12").mkdir()
    output = io.StringIO()
    loaded = models.Models(find_place(str(export), ""), batch_sizes=[1], progress=Progress(output))
    assert loaded.current.version == 10
    assert loaded.current.class_names == ("blue", "green", "red")
    assert f"{export}/11: cannot be served (" in output.getvalue()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: (path / "saved_model.pb").write_text("x"), ""),
        (lambda path: (path / "assets/class_names.txt").unlink(), "No such file"),
        (
            lambda path: (path / "assets/class_names.txt").write_text("one\n"),
            "it has 3 outputs for 1 class",
        ),
        (lambda path: (path / "assets/model_card.json").write_text("{"), ""),
        (lambda path: os.truncate(path / "variables/variables.data-00000-of-00001", 10), ""),
    ],
)
def test_damaged_version_is_told_in_one_line(export, damage, reason):
    damage(export / "3")
    with pytest.raises(KerastlError) as caught:
        models.load_model(export / "3", name="x", version=3, batch_sizes=[1])
    assert str(caught.value).startswith(f"{export}/3: cannot be served (")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_savedmodel_of_another_kind_is_refused(tmp_path):
    module = tf.Module()
    module.double = tf.function(
        lambda values: {"doubled": 2 * values}, input_signature=[tf.TensorSpec([None])]
    )
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=module.double)
    with pytest.raises(KerastlError, match="serving_default does not take image files"):
        models.load_model(tmp_path / "1", name="x", version=1, batch_sizes=[1])


@pytest.mark.parametrize(
    ("export_path", "name", "expected"),
    [
        ("flowers", "", ("flowers", None)),
        ("flowers/2", "", ("flowers", 2)),
        ("flowers", "daisies", ("daisies", None)),
        ("plain", "", ("plain", 1)),
    ],
)
def test_export_is_a_directory_of_versions_or_one_of_them(tmp_path, export_path, name, expected):
    for path in ("flowers/2", "flowers/10", "plain"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "saved_model.pb").touch()
    (tmp_path / "flowers/.writing-1").mkdir()
    (tmp_path / "flowers/99").mkdir()
    place = find_place(str(tmp_path / export_path), name)
    assert (place.name, place.version) == expected
    if place.version is None:
        assert list(place.versions()) == [10, 2]


@pytest.mark.thorough
def test_one_version_is_not_watched(start, export, colour_run):
    client = start(export / "3", name="")
    copy_version(colour_run, export / "4")
    time.sleep(0.2)
    assert client.serving.models.current.version == 3
    assert client.serving.models.current.name == "export"
