import h5py
import keras
import tensorflow as tf

import fakes
from kerastl import internals
from kerastl.model.build import build_classifier


def test_tensorflow_takes_a_function_that_stays_one_node():
    function = tf.function(
        lambda x: x + 1,
        input_signature=[tf.TensorSpec([])],
        experimental_attributes=internals.AS_ONE_NODE,
    )
    attributes = function.get_concrete_function().function_def.attr
    assert attributes["_noinline"].b


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


def test_keras_lists_what_a_layer_holds_and_its_own_weights():
    outer = keras.layers.MultiHeadAttention(1, 2)
    outer.build((None, 3, 2), (None, 3, 2))
    norm = keras.layers.BatchNormalization()
    norm.build((None, 2))
    norm.trainable = False
    held = internals.sublayers(outer)
    assert {type(layer) for layer in held} >= {keras.layers.EinsumDense, keras.layers.Softmax}
    assert sum(len(internals.own_weights(layer)) for layer in held) == len(outer.weights)
    assert internals.own_weights(outer) == []
    assert len(internals.own_weights(norm)) == 4
    learned = internals.own_weights(norm, only_learned=True)
    assert [weight.name for weight in learned] == ["gamma", "beta"]


def test_keras_knows_which_output_a_tensor_is():
    _, second = keras.ops.split(keras.Input((4,)), 2, axis=1)
    assert internals.output_index(second) == 1
