import csv
import io
import pathlib

import numpy as np
import pytest
from PIL import Image

import fakes
import kerastl
from kerastl.commands.table import run_command
from kerastl.data.tables import list_table
from kerastl.progress import Progress
from kerastl.serving import suggesting
from kerastl.serving.suggesting import choose_different
from kerastl.serving.suggestions import HEADER, Suggestion, Suggestions
from picture_files import file_bytes, solid


def test_each_is_the_farthest_from_those_before_times_its_weight():
    features = np.float32([[0, 0], [1, 0], [0, 10], [9, 0]])
    # The first has the highest weight; then 2 * 10, and 9 * 2 beats 1 * 3 at last.
    assert choose_different(features, np.array([4.0, 3.0, 2.0, 2.0]), 4) == [0, 2, 3, 1]
    assert choose_different(features, np.array([4.0, 3.0, 2.0, 0.1]), 4) == [0, 2, 1, 3]
    assert choose_different(features, np.array([4.0, 3.0, 2.0, 2.0]), 2) == [0, 2]


def test_all_are_chosen_once_if_they_are_few_or_the_same():
    assert sorted(choose_different(np.ones((3, 2), np.float32), np.zeros(3), 9)) == [0, 1, 2]
    assert choose_different(np.zeros((0, 1), np.float32), np.zeros(0), 5) == []


FOUND = Suggestions(
    tuple(Suggestion(pathlib.Path(f"photos/{n}.jpg"), "dog", 0.5123456, 0.9) for n in range(30)),
    num_files=99,
    num_labeled=8,
    num_duplicates=3,
    problems=tuple((pathlib.Path(f"photos/x{n}"), "is empty") for n in range(9)),
)


def test_table_has_paths_from_its_own_folder_and_an_empty_column_for_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    FOUND.write("lists/label.csv", progress=Progress(said))
    with open("lists/label.csv", encoding="utf-8", newline="") as file:
        header, first, *others = csv.reader(file)
    assert tuple(header) == HEADER
    assert first == ["../photos/0.jpg", "", "dog", "0.5123", "0.9000", "1"]
    assert [int(row[-1]) for row in others] == list(range(2, 31))
    lines = said.getvalue().splitlines()
    assert len(lines) <= 20
    assert "     0.9000  dog 0.5123  photos/0.jpg" in lines
    assert (
        "30 of 99 images to label next; 8 that the run has labels for and 3 that look like them "
        "left out." in lines
    )
    assert "lists/label.csv" in lines[-1]
    with pytest.raises(kerastl.UsageError, match=r"output='x\.txt': is not a CSV file\. Give"):
        FOUND.write("x.txt", progress=Progress())


def test_pipe_gets_all_rows_and_a_terminal_the_first():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    piped, terminal = io.StringIO(), Terminal()
    FOUND.write(progress=Progress(piped))
    rows = list(csv.DictReader(io.StringIO(piped.getvalue())))
    assert [row["path"] for row in rows] == [f"photos/{n}.jpg" for n in range(30)]
    FOUND.write(progress=Progress(terminal))
    lines = terminal.getvalue().split("\n")
    assert len(lines) - 1 <= 20
    assert any("and 18 more; --output=FILE.csv writes all" in line for line in lines)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Sure pictures, pictures between two classes, copies of these, and files that are none."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, color in fakes.COLORS.items():
        for number in range(4):
            (folder / f"sure_{name}{number}.png").write_bytes(file_bytes(solid(color), "PNG"))
    colors = [np.array(color, float) for color in fakes.COLORS.values()]
    for place in range(3):
        pixels = (colors[place] + colors[place - 1]) / 2 + rng.normal(0, 20, (64, 64, 3))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        image.save(folder / f"between{place}.png")
        image.save(folder / f"copy{place}.bmp")
    (folder / "text.png").write_text("no image")
    (folder / "zero.jpg").touch()
    return folder


def suggest(color_run, photos, **options):
    return kerastl.suggest(color_run.result.run_dir, str(photos), **options)


def test_uncertain_images_come_first_each_picture_once(color_run, photos):
    found = suggest(color_run, photos, count=6)
    paths = [one.path.name for one in found]
    # Of equal files the first by name, and of the sure ones of one color one each.
    assert len(paths) == 6
    uncertain = [name for name in paths if not name.startswith("sure")]
    assert sorted(name[-5] for name in uncertain) == ["0", "1", "2"]
    assert len({name[:-5] for name in paths if name.startswith("sure")}) == 3
    assert found.num_files == 20
    assert found.num_duplicates == 12
    assert [(path.name, problem) for path, problem in found.problems] == [
        ("text.png", "is text, not an image"),
        ("zero.jpg", "is empty"),
    ]
    for one in found:
        assert one.guess in fakes.COLORS
        assert 0 <= one.uncertainty <= 1
        assert one.confidence >= (1 - one.uncertainty) - 1e-6
    assert max(one.uncertainty for one in found) == next(iter(found)).uncertainty


def test_images_that_the_run_has_labels_for_are_left_out_under_any_name(color_run, tmp_path):
    """Of every split: all of them were labeled."""
    source = color_run.source
    for number in range(9):
        (tmp_path / f"again{number}.png").write_bytes(source.read(number))
    (tmp_path / "new.png").write_bytes(file_bytes(solid((9, 9, 9)), "PNG"))
    found = suggest(color_run, tmp_path, count=6)
    assert [one.path.name for one in found] == ["new.png"]
    assert (found.num_files, found.num_labeled, found.problems) == (10, 9, ())
    (tmp_path / "new.png").unlink()
    nothing = suggest(color_run, tmp_path, count=6)
    assert not len(nothing)
    assert [*nothing.lines("label.csv")][-1] == (
        "0 of 9 images to label next; 9 that the run has labels for left out."
    )


def test_images_in_memory_are_suggested_as_their_files_are(color_run, photos):
    names = [f"{kind}{place}.png" for kind in ("between", "sure_red") for place in range(3)]
    paths = [photos / name for name in names]
    forms = [paths[0].read_bytes(), Image.open(paths[1]), np.asarray(Image.open(paths[2]))]
    run = color_run.result.run_dir
    files = kerastl.suggest(run, paths, count=4)
    mixed = kerastl.suggest(run, [*forms, *paths[3:]], count=4)
    as_paths = {f"images[{place}]": path for place, path in enumerate(paths[:3])}
    assert [as_paths.get(str(one.path), one.path) for one in mixed] == [one.path for one in files]
    assert [one.uncertainty for one in mixed] == [one.uncertainty for one in files]
    assert mixed.num_duplicates == files.num_duplicates == 2
    with pytest.raises(kerastl.UsageError, match=r"^images\[0\]: is int\. Give a path"):
        kerastl.suggest(run, [1])


def test_the_same_again_and_fewer_are_the_first_of_more(color_run, photos):
    found = suggest(color_run, photos, count=5)
    assert suggest(color_run, photos, count=5) == found
    assert suggest(color_run, photos, count=2).suggestions == found.suggestions[:2]


def test_guess_and_confidence_are_those_of_predict(color_run, photos):
    found = {one.path: one for one in suggest(color_run, photos, count=5)}
    for one in kerastl.predict(color_run.result.run_dir, [*map(str, found)]):
        assert found[one.path].guess == one.class_name
        assert found[one.path].confidence == pytest.approx(one.confidence, abs=1e-5)


def test_more_are_read_until_there_are_enough_that_differ(color_run, photos, monkeypatch):
    monkeypatch.setattr(suggesting, "CANDIDATES", 1)
    found = suggest(color_run, photos, count=5)
    assert len(found) == 5
    assert len({one.path.name[:-5] for one in found if "sure" in one.path.name}) == 5 - sum(
        "sure" not in one.path.name for one in found
    )


def test_a_file_that_is_gone_when_it_is_read_again_is_a_problem(color_run, photos, tmp_path):
    for path in photos.glob("between*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    find = suggesting.find_images

    def find_and_remove(*arguments, **options):
        yield from find(*arguments, **options)
        (tmp_path / "between1.png").unlink()

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(suggesting, "find_images", find_and_remove)
        found = suggest(color_run, tmp_path, count=3, batch_size=1)
    assert len(found) + len(found.problems) == 3


def test_command_writes_a_table_that_is_read_once_it_is_filled_in(
    color_run, photos, tmp_path, capsys
):
    place = tmp_path / "label.csv"
    arguments = [str(color_run.result.run_dir), str(photos), "--count=6", f"--output={place}"]
    assert run_command("suggest", arguments) == 1
    said = capsys.readouterr()
    assert said.err == (
        f"error: paths: 2 of 20 files could not be used, the first as {photos / 'text.png'} is "
        "text, not an image. The others were looked at.\n"
    )
    with place.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = row["guess"]
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    columns = dict.fromkeys(("image", "label", "split", "group"), "")
    listing = list_table(str(place), columns=columns)
    assert {pathlib.Path(one.path).name for one in listing.files} == {
        pathlib.Path(row["path"]).name for row in rows
    }
    assert set(listing.class_names) == {row["guess"] for row in rows}


def test_what_gives_no_features_is_refused(color_run, photos, capsys):
    export = color_run.result.export_path
    with pytest.raises(kerastl.UsageError, match="is an export that does not give the features"):
        kerastl.suggest(export, str(photos))
    assert run_command("suggest", [str(color_run.result.run_dir)]) == 2
    assert "paths='': are required after the run." in capsys.readouterr().err
    with pytest.raises(kerastl.UsageError, match="count=0: must be at least 1"):
        suggest(color_run, photos, count=0)
