import subprocess
import sys

import keras
import numpy as np
import pytest

import fakes
from kerastl.model.backbones import CAFFE, STANDARDIZED, SYMMETRIC
from kerastl.model.boundaries import trace_calls
from kerastl.model.build import build_classifier
from kerastl.model.sources.applications import BACKBONES

SIZE = fakes.IMAGE_SIZE


def backbone():
    return fakes.tiny_net(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), name="backbone"
    )


def classifier_of(scaling=SYMMETRIC, dropout=0.0):
    return build_classifier(backbone(), scaling=scaling, num_classes=3, dropout=dropout)


def set_head(classifier):
    kernel = classifier.get_layer("logits").kernel
    kernel.assign(keras.random.normal(kernel.shape, seed=1))


def pixels(dtype):
    return np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(dtype)


def test_integers_and_floats_give_the_same():
    classifier = classifier_of()
    set_head(classifier)
    np.testing.assert_array_equal(classifier(pixels("uint8")), classifier(pixels("float32")))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("ResNet50 VGG16 VGG19", (-103.939, 11.221, 131.320)),
        ("ResNet50V2 MobileNet MobileNetV2 InceptionV3 InceptionResNetV2 Xception", (1, 0.004, -1)),
        ("NASNetMobile NASNetLarge", (1, 0.004, -1)),
        ("DenseNet121", (2.249, 0.205, -1.804)),
        ("EfficientNetB0 EfficientNetV2B0 MobileNetV3Small ConvNeXtTiny", (255, 128, 0)),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_constant_image_reaches_the_first_layer_as_its_family_wants(names, expected, dtype):
    images = np.full((1, SIZE, SIZE, 3), (255, 128, 0), dtype)
    for name in names.split():
        inputs, _, calls = trace_calls(classifier_of(BACKBONES[name].scaling))
        first = next(call for call in calls if call.path == ("backbone",))
        entering = keras.Model(inputs, first.inputs[0])(images)
        assert first.layer.name == "stem"
        np.testing.assert_allclose(entering[0, 3, 5], expected, atol=0.01)


def test_untrained_head_has_no_preference():
    np.testing.assert_array_equal(classifier_of()(pixels("float32")), np.zeros((2, 3)))


def test_backbone_is_frozen_and_head_is_not():
    classifier = classifier_of(dropout=0.3)
    assert [weight.path for weight in classifier.trainable_weights] == [
        "logits/kernel",
        "logits/bias",
    ]
    assert classifier.get_layer("dropout").rate == 0.3


@pytest.mark.parametrize("scaling", [CAFFE, SYMMETRIC, STANDARDIZED])
def test_scaling_and_logits_stay_in_float32_under_a_mixed_policy(scaling):
    images = np.full((1, SIZE, SIZE, 3), 250.7, np.float32)
    plain = classifier_of(scaling)
    expected = keras.Model(plain.input, plain.get_layer("input_scaling").output)(images)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        classifier = classifier_of(scaling)
        scaled = keras.Model(classifier.input, classifier.get_layer("input_scaling").output)(images)
        assert classifier(images).dtype == "float32"
        assert classifier.get_layer("backbone").get_layer("block2_conv").compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(scaled, expected)


@pytest.mark.thorough
def test_saved_file_loads_with_keras_alone_in_safe_mode(tmp_path):
    classifier = classifier_of(CAFFE, dropout=0.2)
    set_head(classifier)
    classifier.save(tmp_path / "model.keras")
    np.save(tmp_path / "pixels.npy", pixels("float32"))
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras')\n"
        "images = np.load(sys.argv[1] + '/pixels.npy')\n"
        "np.save(sys.argv[1] + '/logits.npy', model.predict(images, verbose=0))\n"
        "assert not any(name.startswith('kerastl') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True)
    loaded = np.load(tmp_path / "logits.npy")
    np.testing.assert_allclose(loaded, classifier(pixels("float32")), atol=1e-6)
