"""Every family of backbones through every format: written, opened by its runtime, compared."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl.data.images import decode_and_resize
from kerastl.data.splits import make_splits
from kerastl.export_formats import FORMATS
from kerastl.model.boundaries import models_in
from kerastl.model.build import build_classifier
from kerastl.model.building.applications import build_backbone
from kerastl.model.sources.applications import BACKBONES
from kerastl.outputs.exporting import ToExport, export_checked
from kerastl.training.evaluation import Evaluation

SMALLEST = {
    "ConvNeXtTiny": 64,
    "DenseNet121": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "NASNetMobile": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "VGG16": 64,
    "VGG19": 64,
    "Xception": 71,
}


def test_a_member_of_every_family_is_here():
    assert {BACKBONES[name].module for name in SMALLEST} == {
        row.module for row in BACKBONES.values()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_family_passes_the_gate_in_every_format(name, tmp_path):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    size = SMALLEST[name]
    keras.utils.set_random_seed(0)
    backbone = build_backbone(BACKBONES[name], weights="none", image_size=size)
    classifier = build_classifier(
        backbone, scaling=BACKBONES[name].scaling, num_classes=3, dropout=0.5
    )
    source = fakes.color_source(per_class=8, noise=60.0, width=90, height=70)
    config = fakes.tiny_config(
        tmp_path,
        image_size=size,
        export_dir=str(tmp_path / "exports"),
        format=",".join(FORMATS),
        # With random weights the classes lie as near to each other as chance will have it.
        max_accuracy_drop=1.0,
    )
    splits = make_splits(source, config)
    images = np.stack(
        [decode_and_resize(source.read(i), image_size=size, rule="crop") for i in splits.test]
    )
    pooled = keras.Model(classifier.input, classifier.get_layer("pooled").output)
    features = pooled.predict(images, verbose=0)
    if features.std(axis=0).max() < 1e-10:
        # Its random layers let nothing through without the statistics of these images. Where
        # they do, those would only let rounding grow: folding batch norm alone then differs.
        for layer in (layer for part in models_in(backbone) for layer in part.layers):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0
        backbone.trainable = True
        classifier(images, training=True)
        backbone.trainable = False
        features = pooled.predict(images, verbose=0)
    # A head that tells the images apart, whatever the size of the random features.
    # But not by what rounding alone tells, where they hardly differ.
    scale = max(features.std(axis=0).max(), np.abs(features).max() / 50)
    kernel = np.random.default_rng(0).normal(size=(features.shape[1], 3))
    classifier.get_layer("logits").kernel.assign(kernel / scale / np.sqrt(features.shape[1]))
    probabilities = tf.nn.softmax(classifier.predict(images, verbose=0)).numpy()
    assert probabilities.std(axis=0).max() > 1e-4
    scores = dict.fromkeys(
        ("num_images", "accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "macro_f1")
    )
    (tmp_path / "exports").mkdir()
    predictions = Evaluation(source.labels[splits.test], probabilities, np.zeros(len(splits.test)))
    export_checked(
        ToExport(classifier, predictions),
        splits,
        config,
        metrics={"test": scores},
        progress=kerastl.Progress(),
    )
    written = json.loads((tmp_path / "exports" / "1" / "export.json").read_text("utf-8"))
    assert set(written) == set(FORMATS)
