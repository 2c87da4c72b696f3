import csv
import io
import json
import pathlib

import numpy as np
import pytest

from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress
from kerastl.serving.prediction import Prediction
from kerastl.serving.prediction_writer import Written
from kerastl.serving.predictor import Predictions
from kerastl.training.class_sets import ClassSets

NAMES = ("cat", "dog", "bird")


def predictions(count=1, sets=None):
    inside = ("dog", "cat") if sets else ()
    found = [
        Prediction(
            pathlib.Path("cat/1.jpg"), "dog", np.float32([0.25, 0.7, 0.05]), class_set=inside
        ),
        Prediction(pathlib.Path("a,b.jpg"), problem="is empty"),
    ]
    return Predictions(NAMES, iter(found * count), sets)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_pipe_gets_csv():
    output = io.StringIO()
    written = predictions().write(top_k=2, progress=Progress(output))
    assert output.getvalue() == (
        "image,class_name,confidence,class_name_2,confidence_2,error\n"
        "cat/1.jpg,dog,0.7,cat,0.25,\n"
        '"a,b.jpg",,,,,is empty\n'
    )
    assert (written.num_files, written.num_failed, written.score) == (2, 1, ())


def test_what_was_written_is_counted_by_class():
    written = predictions(count=3).write(progress=Progress(io.StringIO()))
    assert written.describe() == "Classified 3 images: dog 3"
    assert Written(5, 1, {f"class {n}": 9 - n for n in range(10)}, ()).describe() == (
        "Classified 4 images: class 0 9, class 1 8, class 2 7, class 3 6, class 4 5, class 5 4, "
        "class 6 3, class 7 2, 2 more"
    )
    assert Written(1, 1, {}, ()).describe() == "Classified 0 images"


def test_the_error_speaks_of_others_only_if_there_are_some():
    with pytest.raises(KerastlError, match=r"1 of 1 file could not be used\. See .* rows\.$"):
        Written(1, 1, {}, ()).check()


def test_sets_are_a_column_of_names_the_most_probable_first(tmp_path):
    sets = ClassSets(0.95, 0.2, 100)
    output = io.StringIO()
    predictions(sets=sets).write(progress=Progress(output))
    assert output.getvalue() == (
        "image,class_name,confidence,class_set,error\n"
        "cat/1.jpg,dog,0.7,dog; cat,\n"
        '"a,b.jpg",,,,is empty\n'
    )
    terminal = Terminal()
    predictions(sets=sets).write(top_k=2, progress=Progress(terminal))
    assert "    0.7000  dog  cat/1.jpg  cat 0.2500\n" in terminal.getvalue()
    for ending in (".jsonl", ".parquet"):
        path = tmp_path / f"rows{ending}"
        predictions(sets=sets).write(str(path), progress=Progress())
        if ending == ".jsonl":
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        else:
            rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
        assert [row["class_set"] for row in rows] == [["dog", "cat"], None]


def test_whether_an_image_is_known_is_a_column(tmp_path):
    def known(is_known):
        found = Prediction(pathlib.Path("1.jpg"), "dog", np.float32([0.25, 0.7]), is_known=is_known)
        bad = Prediction(pathlib.Path("2.jpg"), problem="is empty")
        return Predictions(NAMES, iter([found, bad]), tells_known=True)

    output, terminal = io.StringIO(), Terminal()
    known(False).write(progress=Progress(output))
    assert output.getvalue() == (
        "image,class_name,confidence,is_known,error\n1.jpg,dog,0.7,false,\n2.jpg,,,,is empty\n"
    )
    known(False).write(progress=Progress(terminal))
    assert "    0.7000  dog  1.jpg  (unknown image)\n" in terminal.getvalue()
    for ending in (".jsonl", ".parquet"):
        path = tmp_path / f"rows{ending}"
        known(True).write(str(path), progress=Progress())
        if ending == ".jsonl":
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        else:
            rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
        assert [row["is_known"] for row in rows] == [True, None]


def test_terminal_gets_a_table():
    output = Terminal()
    predictions().write(top_k=2, progress=Progress(output))
    assert output.getvalue().replace("\r\x1b[K", "") == (
        "confidence  class and image\n"
        "    0.7000  dog  cat/1.jpg  cat 0.2500\n"
        "         -  a,b.jpg: is empty\n"
    )


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_file_has_every_row(tmp_path, ending):
    path = tmp_path / "deep" / f"rows{ending}"
    predictions(7000).write(str(path), progress=Progress())
    if ending == ".csv":
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    elif ending == ".jsonl":
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    assert len(rows) == 14000
    assert rows[:2] == rows[-2:]
    assert list(rows[0]) == ["image", "class_name", "confidence", "error"]
    assert (rows[0]["image"], rows[0]["class_name"], rows[0]["error"] or None) == (
        "cat/1.jpg",
        "dog",
        None,
    )
    assert float(rows[0]["confidence"]) == pytest.approx(0.7)
    assert (rows[1]["image"], rows[1]["error"]) == ("a,b.jpg", "is empty")


def test_folders_give_the_score():
    written = predictions().write(labels_from="folder", progress=Progress())
    assert written.score[0] == "Accuracy 0.0000 (0.0000-0.7935) on 1 image"


def test_failed_files_are_an_error_after_everything_is_written():
    written = predictions(2).write(progress=Progress())
    with pytest.raises(KerastlError, match=r"paths: 2 of 4 files could not be used\. See"):
        written.check()


def test_more_classes_than_the_model_has_are_refused():
    with pytest.raises(UsageError, match=r"top_k=4: is more than the model's 3 classes\. Use 3"):
        predictions().write(top_k=4, progress=Progress())


def test_error_leaves_no_half_written_file(tmp_path):
    def broken():
        yield next(iter(predictions()))
        raise KerastlError("in between")

    found = Predictions(NAMES, broken())
    for ending in (".csv", ".jsonl", ".parquet"):
        with pytest.raises(KerastlError, match="in between"):
            found.write(str(tmp_path / f"rows{ending}"), progress=Progress())
        found = Predictions(NAMES, broken())
    assert list(tmp_path.iterdir()) == []


def test_closed_output_ends_it():
    class Closed(io.StringIO):
        def write(self, text):
            if "cat/1.jpg" in text:
                raise BrokenPipeError(32, "Broken pipe")
            return len(text)

    with pytest.raises(KerastlError, match=r"stdout: was closed \(Broken pipe\) after 1 file\."):
        predictions(100).write(progress=Progress(Closed()))
