"""The program and the page that the docs give for ONNX Runtime alone, as they are printed."""

import functools
import http.server
import json
import re
import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import browser
import fakes
from command_line import REPOSITORY
from kerastl.data.images import decode_and_resize
from picture_files import every_kind, file_bytes, picture

PAGE = (REPOSITORY / "docs/how_to/without_tensorflow.md").read_text("utf-8")
# `npm install onnxruntime-web` puts it there, which .ci/run does. Without it something stands for
# it that keeps what it is given.
RUNTIME = REPOSITORY / "node_modules/onnxruntime-web/dist"
STAND_IN = """
window.ort = {
  Tensor: class { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } },
  InferenceSession: { create: async () => ({ run: async ({ images }) => {
    window.given = images;
    return { probabilities: { data: Float32Array.from([0.2, 0.7, 0.1]) } };
  } }) },
};
"""
# What is decoded in another way, as the page says.
OTHERWISE = {"16-bit png"}
SIZE = 96


def code_of(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def program():
    pytest.importorskip("onnxruntime")
    names = {}
    exec(compile(code_of("python")[0], "classify.py", "exec"), names)
    return names


def files(*, sizes=((96, 64), (51, 300), (225, 226), (1200, 901))):
    """Photos, larger and smaller than the network takes them, and every kind of file."""
    color = {"blue PNG": file_bytes(Image.new("RGB", (24, 16), fakes.COLORS["blue"]), "PNG")}
    photos = {
        f"{size} {form}": file_bytes(picture(number, size), form, quality=90)
        for number, size in enumerate(sizes)
        for form in ("PNG", "JPEG")
    }
    return (
        color
        | photos
        | {name: content for name, content in every_kind().items() if name not in OTHERWISE}
    )


@pytest.mark.thorough
@pytest.mark.parametrize(
    "rule",
    [
        *("crop", "pad", "crop:bicubic", "stretch:lanczos3"),
        *("pad:bilinear:keras_antialias", "stretch:bicubic:keras_antialias"),
    ],
)
def test_program_prepares_images_as_training_does(rule, program, tmp_path):
    for name, content in files().items():
        (tmp_path / "image").write_bytes(content)
        found = program["load_pixels"](tmp_path / "image", SIZE, rule)
        expected = decode_and_resize(content, image_size=SIZE, rule=rule).numpy()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=0.02, err_msg=name)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The version that a run has exported, which decides which images are known."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as monkeypatch:
        fakes.open_in_this_process(monkeypatch)
        config = fakes.tiny_config(
            folder,
            known_coverage=0.9,
            validation_fraction=0.3,
            export_dir=str(folder / "exports"),
            format="savedmodel,onnx",
        )
        fakes.finish_run(config, fakes.color_source())
    return folder / "exports" / "1"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number, (name, content) in enumerate(files().items()):
        (folder / f"{number} {name.replace('/', '')}").write_bytes(content)
    return sorted(folder.iterdir())


@pytest.mark.thorough
def test_program_answers_as_the_saved_model_does(exported, images, program, tmp_path):
    # A server has these two alone.
    for name in ("model.onnx", "model_card.json"):
        shutil.copy(exported / name, tmp_path)
    answers = program["Classifier"](tmp_path)(images)
    classify = tf.saved_model.load(str(exported)).signatures["serving_default"]
    expected = classify(image_bytes=tf.constant([path.read_bytes() for path in images]))
    names = [name.decode() for name in expected["class_name"].numpy()]
    assert [answer["class_name"] for answer in answers] == names
    for key in ("confidence", "is_known"):
        found = [answer[key] for answer in answers]
        np.testing.assert_allclose(found, expected[key].numpy(), atol=1e-3)
    assert {answer["is_known"] for answer in answers} == {True, False}
    for answer, row in zip(answers, expected["probabilities"].numpy(), strict=True):
        assert list(answer["probabilities"]) == sorted(fakes.COLORS)
        np.testing.assert_allclose([*answer["probabilities"].values()], row, atol=1e-3)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    """The folder of the page, and its address."""
    [html] = code_of("html")
    (tmp_path / "index.html").write_text(html)
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


STATUS = "document.querySelector('p').textContent"


def choose(tab, path, status):
    tab.choose("input", [path])
    tab.wait(f"{STATUS} !== 'Looking.' && {STATUS} !== 'Choose an image.'")
    assert re.fullmatch(status, tab.value(STATUS))


@pytest.mark.thorough
@pytest.mark.parametrize("rule", ["crop", "pad", "stretch"])
def test_page_prepares_images_as_training_does(rule, site, tmp_path):
    folder, url = site
    card = {"input": {"image_size": SIZE, "resize": rule}, "class_names": ["a", "b", "c"]}
    (folder / "model_card.json").write_text(json.dumps(card))
    (folder / "model.onnx").touch()
    script = folder / re.search(r'src="(\S+)"', (folder / "index.html").read_text())[1]
    script.parent.mkdir(parents=True)
    script.write_text(STAND_IN)
    photos = files(sizes=((96, 64), (51, 140), (225, 226)))
    with browser.open_tab() as tab:
        for name, content in photos.items():
            tab.open(url)
            tab.wait(f"{STATUS} === 'Choose an image.'")
            (tmp_path / "image").write_bytes(content)
            choose(tab, tmp_path / "image", "b")
            assert tab.value("given.dims") == [1, SIZE, SIZE, 3]
            found = np.reshape(tab.value("Array.from(given.data)"), (SIZE, SIZE, 3))
            expected = decode_and_resize(content, image_size=SIZE, rule=rule).numpy()
            # A browser decodes the colors of JPEGs and what is transparent in its own way.
            atol = 3 if re.search("(?i)jpeg|webp|alpha|rgba", name) else 0.02
            np.testing.assert_allclose(found, expected, atol=atol, err_msg=name)
        assert tab.value("document.querySelector('li').textContent") == "b 70.00%"
        assert tab.complaints() == []


@pytest.mark.thorough
def test_page_says_what_it_cannot_do(site):
    folder, url = site
    card = {"input": {"image_size": SIZE, "resize": "crop:bicubic"}, "class_names": []}
    (folder / "model_card.json").write_text(json.dumps(card))
    (folder / "node_modules/onnxruntime-web/dist").mkdir(parents=True)
    (folder / "node_modules/onnxruntime-web/dist/ort.wasm.min.js").write_text(STAND_IN)
    with browser.open_tab() as tab:
        tab.open(url)
        tab.wait(f"{STATUS} === 'This page cannot resize by bicubic.'")


@pytest.mark.thorough
@pytest.mark.skipif(not RUNTIME.is_dir(), reason="needs `npm install onnxruntime-web`")
def test_page_answers_as_the_saved_model_does(exported, images, site):
    folder, url = site
    for name in ("model.onnx", "model_card.json"):
        shutil.copy(exported / name, folder)
    (folder / "node_modules/onnxruntime-web").mkdir(parents=True)
    (folder / "node_modules/onnxruntime-web/dist").symlink_to(RUNTIME)
    classify = tf.saved_model.load(str(exported)).signatures["serving_default"]
    with browser.open_tab() as tab:
        for path in [path for path in images if path.name.endswith("PNG")]:
            tab.open(url)
            tab.wait(f"{STATUS} === 'Choose an image.'")
            choose(tab, path, f"Unlike the images .*|{'|'.join(fakes.COLORS)}")
            expected = classify(image_bytes=tf.constant([path.read_bytes()]))
            name = expected["class_name"].numpy()[0].decode()
            confidence = 100 * expected["confidence"].numpy()[0]
            first = tab.value("document.querySelector('li').textContent").removesuffix("%")
            assert first.split(" ")[0] == name
            assert float(first.split(" ")[1]) == pytest.approx(confidence, abs=0.02)
            is_known = tab.value(STATUS) == name
            assert is_known == expected["is_known"].numpy()[0]
        assert tab.complaints() == []
