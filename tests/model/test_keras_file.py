"""A network of one's own, from a file that Keras wrote."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

import fakes
import kerastl
import picture_folders
from kerastl.api.checks import check_network
from kerastl.errors import UsageError
from kerastl.model.build import scale_pixels
from kerastl.model.network import open_network
from kerastl.model.sources.applications import BACKBONES
from kerastl.model.sources.table import find_backbone
from kerastl.settings import ModelSettings

SIZE = fakes.IMAGE_SIZE
layers = keras.layers


def net(size=SIZE, *, images=None, channels=3, dtype="float32"):
    """The layers of the tiny network, one by one, from any scaling."""
    images = images if images is not None else keras.Input((size, size, channels), dtype=dtype)
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="stem")(images)
    x = layers.BatchNormalization(name="pooled")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="block2_conv")(x)
    return images, x


def save(path, inputs, outputs):
    keras.Model(inputs, outputs).save(path)
    return str(path)


@pytest.fixture
def own(tmp_path):
    return save(tmp_path / "own.keras", *net(None))


def settings(path, **changes):
    values = {"backbone": path, "image_size": SIZE, "input_scaling": "0..1"} | changes
    return ModelSettings(**values)


def lambda_layer():
    images, x = net()
    return images, layers.Lambda(lambda x: x)(x)


def two_inputs():
    images, x = net()
    other = keras.Input((1,), name="other")
    return [images, other], layers.Flatten()(x) * other


def ends_in(layer):
    images, x = net()
    return images, layer(layers.GlobalAveragePooling2D()(x))


def of_another_size(height, width):
    images = keras.Input((height, width, 3))
    return images, layers.Conv2D(2, 3)(images)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda_layer, "has a Lambda layer, whose code from a file is not run. Put a layer of Ke"),
        (two_inputs, "has 2 inputs: input_layer.*, other. Save a model from one batch of images"),
        (lambda: net(channels=1), r"takes float32 \(None, 16, 16, 1\), which is no batch of imag"),
        (lambda: net(dtype="uint8"), r"takes uint8 \(None, 16, 16, 3\), which is no batch of im"),
        (lambda: ends_in(layers.Dense(9, name="top")), "ends in the Dense layer 'top', as a class"),
        (lambda: ends_in(layers.Softmax(name="last")), "ends in the Softmax layer 'last', as a cl"),
        (
            lambda: ends_in(layers.Activation("softmax", name="last")),
            "ends in the Activation layer 'last', as a classifier does. Save the part below it",
        ),
        (lambda: of_another_size(8, 16), "takes images of 8x16 pixels. Give one for square images"),
    ],
)
def test_what_no_features_can_be_had_of_is_refused(tmp_path, make, message):
    path = save(tmp_path / "own.keras", *make())
    with pytest.raises(UsageError, match=rf"^backbone='.*own\.keras': {message}"):
        find_backbone(settings(path))


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def call(self, images):
        return images


def test_subclassed_model_is_refused(tmp_path):
    model = Subclassed()
    model(np.zeros((1, SIZE, SIZE, 3)))
    model.save(tmp_path / "own.keras")
    with pytest.raises(UsageError, match="is of the class Subclassed, whose graph is not in the"):
        find_backbone(settings(str(tmp_path / "own.keras")))


@keras.saving.register_keras_serializable("tests")
class Own(layers.Layer):
    def call(self, images):
        return images


@pytest.mark.parametrize("inner", [Own, Subclassed])
def test_class_of_ones_own_inside_is_named(tmp_path, inner):
    images, x = net()
    path = save(tmp_path / "own.keras", images, inner()(x))
    with pytest.raises(UsageError, match=rf"own\.keras': holds {inner.__name__}, whose code is n"):
        find_backbone(settings(path))


@keras.saving.register_keras_serializable("tests")
class OwnRule(keras.optimizers.SGD):
    pass


@keras.saving.register_keras_serializable("tests")
def own_loss(labels, answers):
    return answers


def test_what_it_was_trained_with_does_not_count(tmp_path):
    model = keras.Model(*net())
    model.compile(loss=own_loss, optimizer=OwnRule())
    model.save(tmp_path / "own.keras")
    open_network(settings(str(tmp_path / "own.keras")), num_classes=2)


def in_dictionaries():
    images, x = net(images=keras.Input((SIZE, SIZE, 3), name="image"))
    return {"image": images}, {"features": x}


def test_ends_may_have_names(tmp_path):
    path = save(tmp_path / "own.keras", *in_dictionaries())
    network = open_network(settings(path), num_classes=2)
    assert tuple(network.pooled.tensor.shape) == (None, 8)


def test_sequential_model_is_opened(tmp_path):
    inner = keras.Sequential([layers.Conv2D(4, 3), layers.ReLU()])
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), inner, layers.Conv2D(8, 3)])
    model.save(tmp_path / "own.keras")
    network = open_network(settings(str(tmp_path / "own.keras")), num_classes=2)
    assert tuple(network.pooled.tensor.shape) == (None, 8)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    expected = np.array(model(pixels / 255)).mean(axis=(1, 2))
    np.testing.assert_allclose(network.lower(network.pooled)(pixels), expected, atol=1e-5)


def test_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"^backbone='.*gone\.keras': is not a file\."):
        find_backbone(settings(str(tmp_path / "gone.keras")))
    (tmp_path / "text.keras").write_text("no zip")
    with pytest.raises(UsageError, match=r"text\.keras': is damaged or not a file that Keras sav"):
        find_backbone(settings(str(tmp_path / "text.keras")))


def test_other_size_is_refused_with_the_files_own(tmp_path):
    path = save(tmp_path / "own.keras", *net(24))
    with pytest.raises(UsageError, match=r"image_size=16: is not the 24 pixels .*image_size=24"):
        find_backbone(settings(path))
    assert find_backbone(settings(path, image_size=24)).only_size == 24


def test_its_own_size_is_taken_where_none_is_given(tmp_path):
    path = save(tmp_path / "own.keras", *net(24))
    values = {"dataset": "digits", "run_dir": "r", "backbone": path, "input_scaling": "0..1"}
    assert check_network(kerastl.Config(**values, head_epochs=1)).image_size == 24
    with pytest.raises(UsageError, match=r"image_size=16: is not the 24 pixels"):
        check_network(kerastl.Config(**values, image_size=16))


def test_scaling_is_needed_and_only_for_a_file(own):
    with pytest.raises(UsageError, match=r"^input_scaling='': is needed with .*own\.keras"):
        settings(own, input_scaling="")
    other = ModelSettings(backbone="ResNet50", input_scaling="0..1")
    with pytest.raises(UsageError, match=r"^input_scaling='0\.\.1': is for a network of your own"):
        find_backbone(other)
    with pytest.raises(UsageError, match=r"^input_scaling='0\.1': is not one of its choices"):
        settings(own, input_scaling="0.1")


def test_weights_are_those_of_the_file(own):
    assert settings(own).weights == settings(own, weights="imagenet").weights == "own"
    assert ModelSettings(backbone="ResNet50", weights="own").weights == "imagenet"
    with pytest.raises(UsageError, match=r"^weights='x\.h5': are for a network of keras\.applica"):
        settings(own, weights="x.h5")


def test_second_scaling_is_noticed(tmp_path):
    images = keras.Input((SIZE, SIZE, 3))
    _, x = net(images=layers.Rescaling(1 / 255, name="to_one")(images))
    path = save(tmp_path / "own.keras", images, x)
    with pytest.raises(UsageError, match=r"input_scaling='0\.\.1': would scale .*layer 'to_one'"):
        find_backbone(settings(path))
    assert find_backbone(settings(path, input_scaling="none")).rescaling == "to_one"
    normalize = layers.Normalization(mean=[124, 116, 104], variance=[3000] * 3, name="own")
    _, x = net(images=normalize(images))
    path = save(tmp_path / "other.keras", images, x)
    with pytest.raises(UsageError, match=r"input_scaling='0\.\.1': would scale .*layer 'own'"):
        find_backbone(settings(path))
    normalize = layers.Normalization(mean=[0.5] * 3, variance=[0.1] * 3)
    _, x = net(images=normalize(images))
    assert not find_backbone(settings(save(tmp_path / "other.keras", images, x))).rescaling
    # One that takes 0..1 to -1..1 comes behind another scaling.
    _, x = net(images=layers.Rescaling(2, -1)(images))
    path = save(tmp_path / "other.keras", images, x)
    assert not find_backbone(settings(path)).rescaling


SEEN = {
    "0..1": lambda pixels: pixels / 255,
    "-1..1": keras.applications.mobilenet_v2.preprocess_input,
    "imagenet": keras.applications.densenet.preprocess_input,
    "caffe": keras.applications.resnet.preprocess_input,
    "none": lambda pixels: pixels,
}


def notes_of(path, scaling, **changes):
    return open_network(settings(path, input_scaling=scaling, **changes), num_classes=2).notes


def photographs(size):
    """Fifty pictures with the mean and deviation of ImageNet's, float32 in 0..255."""
    rng = np.random.default_rng(0)
    mean = rng.normal(0.45, 0.2, (50, 1, 1, 3)) + rng.normal(0, 0.15, (50, 1, 1, 1))
    return np.float32(np.clip(mean + rng.normal(0, 0.1, (50, size, size, 3)), 0, 1) * 255)


def learn_statistics(layer, inputs):
    values = np.asarray(inputs, np.float64).reshape(-1, inputs.shape[-1])
    learned = values.mean(axis=0), values.var(axis=0)
    layer.set_weights([*layer.get_weights()[:-2], *learned])


def test_another_scaling_that_fits_far_better_is_named(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Model(*net())
    pictures = SEEN["-1..1"](photographs(SIZE))
    learn_statistics(model.get_layer("pooled"), model.get_layer("stem")(pictures))
    model.save(tmp_path / "own.keras")
    path = str(tmp_path / "own.keras")
    assert notes_of(path, "-1..1") == ()
    for wrong in ("0..1", "imagenet", "caffe", "none"):
        (note,) = notes_of(path, wrong)
        assert note.startswith(f"input_scaling={wrong} is doubtful: drawn pictures are ")
        assert note.endswith(" with --input_scaling=-1..1")


def test_scaling_that_nothing_shows_is_said_to_be_unchecked(tmp_path, own):
    images = keras.Input((SIZE, SIZE, 3))
    path = save(tmp_path / "without.keras", images, layers.Conv2D(4, 3)(images))
    for network in (own, path):
        (note,) = notes_of(network, "0..1")
        assert note.startswith("input_scaling=0..1 cannot be checked, as the network has no batch")


@pytest.mark.thorough
def test_scaling_of_real_weights_is_told_from_the_others(tmp_path, shared_dir):
    model = keras.applications.MobileNetV2(
        include_top=False,
        input_shape=(96, 96, 3),
        weights=str(shared_dir / "weights" / "mobilenetv2_imagenet_notop.weights.h5"),
    )
    model.save(tmp_path / "own.keras")
    path = str(tmp_path / "own.keras")
    assert notes_of(path, "-1..1", image_size=96) == ()
    for wrong in ("0..1", "imagenet", "caffe", "none"):
        assert "-1..1" in notes_of(path, wrong, image_size=96)[0]


# A network of each family with batch normalization.
FAMILIES = (
    *("DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3"),
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2"),
    "Xception",
)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FAMILIES)
def test_right_scaling_of_no_family_is_doubted(tmp_path, name):
    keras.utils.set_random_seed(0)
    row = BACKBONES[name]
    model = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(96, 96, 3)
    )
    first = next(x for x in model.layers if isinstance(x, layers.BatchNormalization))
    pictures = scale_pixels(photographs(96), row.scaling)
    learn_statistics(first, keras.Model(model.input, first.input)(pictures))
    model.save(tmp_path / "own.keras")
    scaled = scale_pixels(photographs(4), row.scaling)
    (right,) = (one for one in SEEN if np.allclose(SEEN[one](photographs(4)), scaled, atol=1e-3))
    assert notes_of(str(tmp_path / "own.keras"), right, image_size=96) == ()


@pytest.mark.parametrize("scaling", SEEN)
def test_network_sees_pixels_as_scaled(tmp_path, scaling):
    images = keras.Input((None, None, 3))
    path = save(tmp_path / "own.keras", images, layers.Identity(name="same")(images))
    network = open_network(settings(path, input_scaling=scaling), num_classes=2)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    place = next(one for one in network.boundaries if network.name_of(one) == "same")
    seen = network.lower(place)(pixels)
    np.testing.assert_allclose(seen, SEEN[scaling](pixels.copy()), atol=1e-4)


@pytest.mark.parametrize(("factor", "message"), [(0.0, "the same"), (np.nan, "not finite")])
def test_features_that_tell_nothing_are_refused(tmp_path, factor, message):
    images, x = net()
    model = keras.Model(images, x)
    model.set_weights([values * factor for values in model.get_weights()])
    model.save(tmp_path / "own.keras")
    with pytest.raises(
        UsageError, match=rf"^input_scaling='0\.\.1': gives features that are {message}"
    ):
        open_network(settings(str(tmp_path / "own.keras")), num_classes=2)


def vector():
    images, x = net()
    return images, layers.GlobalMaxPooling2D()(x)


def tokens():
    images, x = net()
    return images, layers.Reshape((-1, 8))(x)


@pytest.mark.parametrize("make", [net, vector, tokens])
def test_head_sees_one_vector(tmp_path, make):
    network = open_network(settings(save(tmp_path / "own.keras", *make())), num_classes=2)
    assert tuple(network.pooled.tensor.shape) == (None, 8)
    assert network.name_of(network.pooled) == "pooled"
    assert network.find("stem") < network.find("block2_conv") < network.find(None)


def test_random_weights_are_others_than_those_of_the_file(own):
    kernels = [
        open_network(settings(own, weights=weights), num_classes=2).model.get_layer("backbone")
        for weights in ("own", "none")
    ]
    first, second = (np.array(one.weights[0]) for one in kernels)
    assert first.shape == second.shape
    assert (first != second).any()


def config_for(folder, path, **changes):
    values = {
        "weights": "own",
        "backbone": path,
        "input_scaling": "-1..1",
        "head_epochs": 2,
        "finetune_epochs": 1,
        "finetune_learning_rate": 0.005,
        "unfreeze_from": "stage_2",
        "cache_dir": str(folder / "cache"),
    } | changes
    return fakes.tiny_config(folder, **values)


@pytest.mark.thorough
def test_a_run_of_it_stands_without_the_file(tmp_path, own, in_this_process):
    config = config_for(tmp_path, own, export_dir=str(tmp_path / "exports"))
    source = fakes.color_source()
    run = fakes.finish_run(config, source)
    assert run.result.metrics["test"]["accuracy"] > 0.5
    folder = run.result.run_dir
    flags = (folder / "flags.txt").read_text()
    assert f"--backbone={own}\n" in flags
    assert "--input_scaling=-1..1\n" in flags
    assert "--weights=own\n" in flags
    receipt = json.loads((folder / "receipt.json").read_text())
    assert receipt["flags"]["input_scaling"]["value"] == "-1..1"
    assert receipt["weights"]["name"] == "own"
    card = json.loads((folder / "model_card.json").read_text())
    assert "--input_scaling=-1..1" in card["flags"]
    assert any("finetune phase" in check["text"] for check in receipt["checks"])

    # Another name, another run: everything is in the store.
    shutil.move(own, tmp_path / "moved.keras")
    again = config_for(tmp_path / "b", str(tmp_path / "moved.keras"), cache_dir=config.cache_dir)
    repeated = fakes.finish_run(again, source)
    assert "0 images to compute" in repeated.printed
    first, second = (one.result.run_dir / "predictions.csv" for one in (run, repeated))
    assert first.read_bytes() == second.read_bytes()

    (tmp_path / "moved.keras").unlink()
    picture = tmp_path / "red.png"
    picture.write_bytes(source.read(len(source.labels) - 1))
    (answer,) = kerastl.predict(folder, [str(picture)])
    assert answer.class_name
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(fakes.BUILT_IN, "digits", lambda: source)
        exported = kerastl.export(folder, format="savedmodel,keras", export_dir=str(tmp_path / "x"))
    assert set(exported.formats) == {"savedmodel", "keras"}
    with pytest.raises(UsageError, match=r"moved\.keras': is not a file"):
        kerastl.run(dataclasses.replace(again, run_dir=str(tmp_path / "c")))


@pytest.mark.thorough
def test_other_content_of_the_file_is_computed_anew(tmp_path, own):
    source = fakes.color_source(per_class=8)
    config = config_for(tmp_path, own, finetune_epochs=0, unfreeze_from="")
    fakes.finish_run(config, source)
    keras.utils.set_random_seed(7)
    save(own, *net(None))
    again = dataclasses.replace(config, run_dir=str(tmp_path / "again"))
    assert "24 images to compute, 0 in the store" in fakes.finish_run(again, source).printed


@pytest.mark.thorough
def test_it_is_ranked_beside_others(tmp_path, own, monkeypatch):
    fakes.install_tiny_net(monkeypatch)
    monkeypatch.setattr("kerastl.selection.measurements.MOST_CALLS", 3)
    monkeypatch.setitem(fakes.BUILT_IN, "digits", fakes.color_source)
    weights = fakes.write_tiny_weights(tmp_path / "tiny.weights.h5")
    ranking = kerastl.rank(
        kerastl.Config(
            dataset="digits",
            run_dir=str(tmp_path / "rank"),
            image_size=SIZE,
            input_scaling="0..1",
            cache_dir=str(tmp_path / "cache"),
        ),
        backbones=f"{own},TinyNet={weights}",
    )
    rows = {row.config.backbone: row for row in ranking.rows}
    assert rows[own].config.input_scaling == "0..1"
    assert rows["TinyNet"].config.input_scaling == ""
    assert rows[own].reason == ""


@pytest.mark.thorough
def test_recipe_and_search_take_it(tmp_path, own):
    picture_folders.write_rgb36(tmp_path / "data")
    config = kerastl.Config(
        dataset=f"folder:{tmp_path / 'data'}",
        run_dir=str(tmp_path / "tune"),
        backbone=own,
        input_scaling="0..1",
        image_size=SIZE,
        recipe="auto",
        budget="2m",
        cache_dir=str(tmp_path / "cache"),
    )
    space = {"unfreeze_from": "choice(stage_1,stage_2)"}
    found = kerastl.tune(config, space, kerastl.SearchOptions(max_trials=2))
    assert [trial.status for trial in found.trials.values()] == ["completed", "completed"]
