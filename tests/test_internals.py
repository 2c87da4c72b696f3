import h5py

import fakes
from kerastl import internals
from kerastl.model.build import build_classifier


def test_keras_names_the_groups_of_a_weights_file(tmp_path):
    shape = (fakes.IMAGE_SIZE, fakes.IMAGE_SIZE, 3)
    backbone = fakes.tiny_net(include_top=False, weights=None, input_shape=shape, name="backbone")
    classifier = build_classifier(backbone, scaling=None, num_classes=2, dropout=0.0)
    path = tmp_path / "classifier.weights.h5"
    classifier.save_weights(path)
    with h5py.File(path) as file:
        layers = file[internals.KERAS_LAYERS]
        assert internals.KERAS_NESTED_MODEL in layers
        assert internals.KERAS_DENSE in layers
