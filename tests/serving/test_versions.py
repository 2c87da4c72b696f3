import io
import shutil
import threading
import time

import pytest

from kerastl.progress import Progress
from kerastl.serving import versions
from kerastl.serving.export_path import find_export
from kerastl.serving.versions import Versions
from serving_client import metric, wait_until


@pytest.fixture
def export(color_run, tmp_path):
    """A directory of one version."""
    copy_version(color_run, tmp_path / "export/3")
    return tmp_path / "export"


def copy_version(run, path):
    shutil.copytree(run.result.export_path, path)
    return path


def reverse_class_names(path):
    names = path / "assets/class_names.txt"
    names.write_text("".join(reversed(names.read_text().splitlines(keepends=True))))


def count_loads(monkeypatch):
    calls, function = [], versions.load_version

    def noted(*arguments, **named):
        calls.append(arguments)
        return function(*arguments, **named)

    monkeypatch.setattr(versions, "load_version", noted)
    return calls


@pytest.fixture
def served(start, export):
    output = io.StringIO()
    client = start(export, name="", progress=Progress(output), timeouts={"new_version": 0.02})
    client.output = output.getvalue
    return client


@pytest.mark.thorough
def test_new_version_is_served_without_a_request_lost(served, export, color_run, files):
    answers, stop = [], threading.Event()

    def ask_repeatedly():
        while not stop.is_set():
            answers.append(served.post("/predict", files[0]))

    threads = [threading.Thread(target=ask_repeatedly) for _ in range(4)]
    for thread in threads:
        thread.start()
    # As an export does: written elsewhere, then moved.
    hidden = copy_version(color_run, export / ".writing-abc")
    wait_until(lambda: len(answers) > 20)
    hidden.rename(export / "10")
    wait_until(lambda: served.serving.versions.current.version == 10)
    count = len(answers)
    wait_until(lambda: len(answers) > count + 20)
    stop.set()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200}
    versions = [answer.json["model"]["version"] for answer in answers]
    assert set(versions) == {3, 10}
    assert versions[-1] == 10
    assert served.output() == f"Now serving version 10 from {export}/10.\n"
    assert metric(served, "kerastl_model_version") == 10
    assert served.get("/v1/models/export/versions/3").status == 404


@pytest.mark.thorough
def test_request_that_waits_is_answered_by_the_version_that_it_came_for(
    served, export, color_run, files, blocker
):
    blocker.block(served.serving.batcher)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(served.post("/predict", files[0])))
    thread.start()
    wait_until(lambda: served.serving.batcher.num_waiting == 1)
    copy_version(color_run, export / "4")
    wait_until(lambda: served.serving.versions.current.version == 4)
    blocker.release.set()
    thread.join()
    assert answers[0].json["model"]["version"] == 3


@pytest.mark.thorough
def test_broken_version_leaves_the_old_one_until_it_is_repaired(
    served, export, color_run, files, monkeypatch
):
    whole = copy_version(color_run, export.parent / "whole")
    shutil.copytree(whole, export / "4", ignore=shutil.ignore_patterns("variables.data*"))
    wait_until(lambda: "cannot be served" in served.output())
    line = served.output()
    assert line.startswith(f"{export}/4: cannot be served (")
    assert line.endswith("Export it again with kerastl export. Still serving version 3.\n")
    assert served.post("/predict", files[0]).json["model"]["version"] == 3
    tries = count_loads(monkeypatch)
    time.sleep(0.2)
    assert (tries, served.output()) == ([], line)
    shutil.copytree(whole, export / "4", dirs_exist_ok=True)
    wait_until(lambda: served.serving.versions.current.version == 4)


@pytest.mark.thorough
def test_version_that_is_still_being_copied_is_not_loaded(start, export, color_run):
    output = io.StringIO()
    progress = Progress(output)
    served = start(export, name="", progress=progress, timeouts={"new_version": 0.05})
    (export / "4").mkdir()
    for number in range(15):
        (export / "4/saved_model.pb").write_bytes(bytes(number))
        time.sleep(0.02)
    assert output.getvalue() == ""
    shutil.copytree(color_run.result.export_path, export / "4", dirs_exist_ok=True)
    wait_until(lambda: served.serving.versions.current.version == 4)
    assert "cannot be served" not in output.getvalue()


@pytest.mark.thorough
def test_version_is_taken_back_by_removing_it(served, export, color_run):
    copy_version(color_run, export / "4")
    wait_until(lambda: served.serving.versions.current.version == 4)
    shutil.rmtree(export / "4")
    wait_until(lambda: served.serving.versions.current.version == 3)


@pytest.mark.thorough
def test_directory_that_is_away_stops_nothing(served, export, color_run, files):
    moved = export.rename(export.parent / "moved")
    wait_until(lambda: "cannot be read (No such file or directory)." in served.output())
    assert served.post("/predict", files[0]).status == 200
    moved.rename(export)
    copy_version(color_run, export / "4")
    wait_until(lambda: served.serving.versions.current.version == 4)
    assert served.output().count("cannot be read") == 1


@pytest.mark.thorough
def test_server_starts_with_the_highest_version_that_can_be_served(export, color_run):
    copy_version(color_run, export / "10")
    (export / "11").mkdir()
    (export / "11/saved_model.pb").write_text("nonsense")
    (export / "12").mkdir()
    output = io.StringIO()
    loaded = Versions(find_export(export), batch_sizes=[1], progress=Progress(output))
    assert loaded.current.version == 10
    assert loaded.current.class_names == ("blue", "green", "red")
    assert f"{export}/11: cannot be served (" in output.getvalue()


@pytest.mark.thorough
def test_one_version_is_not_watched(start, export, color_run):
    client = start(export / "3", name="", timeouts={"new_version": 0.02})
    copy_version(color_run, export / "4")
    time.sleep(0.2)
    assert client.serving.versions.current.version == 3
    assert client.serving.versions.current.name == "export"
