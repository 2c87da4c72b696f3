import itertools

import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl.data.content import hash_all
from kerastl.data.images import decode_and_resize
from kerastl.data.pipeline import (
    count_steps,
    evaluation_dataset,
    shared_places,
    training_dataset,
)
from kerastl.data.source import Source
from kerastl.data.splits import make_splits
from kerastl.replicas import share
from kerastl.settings import DataSettings, ImageSettings


def numbered_source(count=100, classes=4):
    """Images of one pixel whose value is their index."""
    files = [
        tf.io.encode_png(np.full((1, 1, 3), index, np.uint8)).numpy() for index in range(count)
    ]
    return Source(
        name="numbers",
        class_names=tuple("abcdefgh"[:classes]),
        examples=[f"numbers[{index}]" for index in range(count)],
        labels=np.arange(count, dtype=np.int64) % classes,
        hashes=hash_all(files),
        given_splits=np.full(count, "train"),
        load=files.__getitem__,
    )


SOURCE = numbered_source()
ALL = np.arange(100)


def make_images(**changes):
    return ImageSettings(**({"image_size": 1} | changes))


def train_on(indices, *, epochs=1, batch_size=32, **changes):
    return training_dataset(
        SOURCE, indices, make_images(**changes), batch_size=batch_size, epochs=range(epochs)
    )


def evaluate_on(indices, **changes):
    return evaluation_dataset(SOURCE, indices, make_images(**changes), batch_size=32)


def numbers(dataset):
    """The images' indices, batch by batch; their labels are checked on the way."""
    batches = []
    for images, labels in dataset.as_numpy_iterator():
        assert images.dtype == np.float32
        assert labels.dtype == np.int64
        indices = images[:, 0, 0, 0].astype(int)
        assert np.array_equal(labels, indices % 4)
        batches.append(indices.tolist())
    return batches


def epochs_of(indices=ALL, epochs=3, **changes):
    dataset = train_on(indices, epochs=epochs, **changes)
    flat = [number for batch in numbers(dataset) for number in batch]
    return [flat[start : start + len(indices)] for start in range(0, len(flat), len(indices))]


def test_each_epoch_has_every_image_once_in_another_order():
    orders = epochs_of()
    assert len(orders) == 3
    assert all(sorted(order) == ALL.tolist() for order in orders)
    assert len({tuple(order) for order in [*orders, ALL.tolist()]}) == 4


def test_shuffling_is_over_the_whole_split():
    order = epochs_of(epochs=1)[0]
    # A window of a few batches would leave the last images near the end.
    assert min(order.index(number) for number in range(90, 100)) < 30
    assert max(order.index(number) for number in range(10)) > 70


def test_seed_decides_the_order():
    assert epochs_of(seed=1) == epochs_of(seed=1)
    assert all(
        first != second for first, second in zip(epochs_of(seed=1), epochs_of(seed=2), strict=True)
    )
    assert epochs_of(seed=2**32 - 1) != epochs_of(seed=0)


def test_order_does_not_depend_on_what_ran_before(tensorflow_seed):
    tf.random.set_seed(1)
    first = epochs_of()
    tf.random.set_seed(2)
    tf.random.uniform([])
    assert epochs_of() == first


@pytest.mark.parametrize(("count", "steps"), [(20, 3), (17, 2), (8, 1)])
def test_epochs_that_begin_at_a_step_have_the_batches_of_the_whole_from_there(count, steps):
    whole = numbers(train_on(np.arange(count), epochs=3, batch_size=8))
    assert len(whole) == 3 * steps
    for step in range(steps):
        rest = training_dataset(
            SOURCE,
            np.arange(count),
            make_images(),
            batch_size=8,
            epochs=range(1, 3),
            first_step=step,
        )
        assert numbers(rest) == whole[steps + step :]


def test_one_dataset_read_twice_gives_the_same():
    dataset = train_on(ALL, epochs=2)
    assert numbers(dataset) == numbers(dataset)


def test_last_batch_of_each_epoch_may_be_smaller():
    batches = numbers(train_on(ALL, epochs=2))
    assert [len(batch) for batch in batches] == [32, 32, 32, 4] * 2


@pytest.mark.parametrize(
    ("count", "batch_size", "lengths"),
    [
        (9, 4, [4, 5]),
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (5, 4, [5]),
        (4, 4, [4]),
        (3, 1, [1, 1, 1]),
        (1, 4, [1]),
    ],
)
def test_single_image_joins_the_batch_before(count, batch_size, lengths):
    few = ALL[:count]
    dataset = train_on(few, epochs=2, batch_size=batch_size)
    batches = numbers(dataset)
    assert [len(batch) for batch in batches] == lengths * 2
    assert count_steps(count, batch_size) == len(lengths)
    assert sorted(number for batch in batches[: len(lengths)] for number in batch) == few.tolist()


def test_fewer_images_than_a_batch_are_one_step():
    few = np.array([90, 3, 50, 7, 60, 11, 20])
    batches = numbers(train_on(few, epochs=3))
    assert [sorted(batch) for batch in batches] == [sorted(few.tolist())] * 3


def test_validation_images_are_never_trained_on():
    splits = make_splits(SOURCE, DataSettings(dataset="digits", validation_fraction=0.2))
    trained = {number for order in epochs_of(splits.train, epochs=3) for number in order}
    validated = [
        {number for batch in numbers(evaluate_on(splits.validation)) for number in batch}
        for _ in range(3)
    ]
    assert trained == set(splits.train.tolist())
    assert validated == [set(splits.validation.tolist())] * 3
    assert not trained & validated[0]
    assert trained | validated[0] | set(splits.test.tolist()) == set(range(100))


def test_evaluation_has_each_image_once_in_order():
    indices = np.random.default_rng(0).permutation(100)[:71]
    batches = numbers(evaluate_on(indices))
    assert [len(batch) for batch in batches] == [32, 32, 7]
    assert [number for batch in batches for number in batch] == indices.tolist()


def test_evaluation_does_not_follow_the_seed():
    first, second = (numbers(evaluate_on(ALL, seed=seed)) for seed in (0, 1))
    assert first == second


@pytest.mark.parametrize(
    "rule",
    [
        "crop",
        pytest.param("pad", marks=pytest.mark.thorough),
        pytest.param("stretch", marks=pytest.mark.thorough),
    ],
)
def test_pixels_are_those_of_the_one_path(rule):
    source = fakes.color_source(per_class=2)
    images = make_images(image_size=10, resize=rule)
    indices = np.array([5, 0, 3, 2, 1])
    for dataset in (
        evaluation_dataset(source, indices, images, batch_size=4),
        training_dataset(source, indices, images, batch_size=4, epochs=range(1)),
    ):
        assert dataset.element_spec[0] == tf.TensorSpec((None, 10, 10, 3), tf.float32)
        assert dataset.element_spec[1] == tf.TensorSpec((None,), tf.int64)
    batches = evaluation_dataset(source, indices, images, batch_size=4).as_numpy_iterator()
    found = np.concatenate([batch for batch, _ in batches])
    for index, image in zip(indices, found, strict=True):
        expected = decode_and_resize(source.read(index), image_size=10, rule=rule)
        np.testing.assert_array_equal(image, expected)


class Indices:
    """Features that are the index of their image."""

    def read(self, indices):
        return tf.cast(indices, tf.float32)[:, tf.newaxis, tf.newaxis, tf.newaxis]


def shares(count):
    return [lambda rows, place=place: share(rows, place, count) for place in range(count)]


@pytest.mark.parametrize("features", [None, Indices()], ids=["images", "features"])
@pytest.mark.parametrize("first_step", [0, 2])
@pytest.mark.parametrize("count", [2, 4])
def test_processes_read_each_a_part_of_every_batch(count, first_step, features):
    # The last batch of an epoch has 3 images, fewer than there are processes.
    arguments = {"batch_size": 32, "epochs": range(2), "first_step": first_step}
    images = make_images()
    whole = numbers(training_dataset(SOURCE, ALL[:99], images, **arguments, features=features))
    parts = [
        numbers(
            training_dataset(SOURCE, ALL[:99], images, **arguments, features=features, share=one)
        )
        for one in shares(count)
    ]
    joined = [[*itertools.chain(*each)] for each in zip(*parts, strict=True)]
    assert joined == whole
    sizes = [list(map(len, part)) for part in parts]
    assert all(max(each) - min(each) <= 1 for each in zip(*sizes, strict=True))


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("class_weights", [None, np.array([1, 2, 3, 4], np.float32)])
@pytest.mark.parametrize("features", [None, Indices()], ids=["images", "features"])
def test_answers_are_those_for_each_image_and_view(features, class_weights, count):
    images = make_images(augment="mirror")
    arguments = {"batch_size": 32, "epochs": range(2), "first_step": 2, "features": features}
    for one in shares(count):
        dataset = training_dataset(
            SOURCE,
            ALL[:99],
            images,
            **arguments,
            class_weights=class_weights,
            answers=Indices(),
            share=one,
        )
        views = set()
        for seen, labels, weights, answers in dataset.as_numpy_iterator():
            # Without features an image's pixels are its own number, whatever the view.
            indices = answers[:, 0, 0, 0] if features else answers[:, 0, 0, 0] % 100
            assert seen[:, 0, 0, 0].tolist() == indices.tolist()
            assert labels.tolist() == (answers[:, 0, 0, 0] % 4).tolist()
            expected = np.ones(4) if class_weights is None else class_weights
            assert weights.tolist() == expected[labels].tolist()
            views |= {*(answers[:, 0, 0, 0] // 100).tolist()}
        assert views == {1, 2}


@pytest.mark.parametrize("features", [None, Indices()], ids=["images", "features"])
def test_processes_evaluate_each_image_once(features):
    indices, found = np.arange(99)[::-1], np.full(99, -1)
    for one in shares(4):
        places = shared_places(99, 32, one)
        dataset = evaluation_dataset(
            SOURCE, indices, make_images(), batch_size=32, features=features, passes=one
        )
        batches = numbers(dataset.take(2 * 4))
        assert batches[:4] == batches[4:]
        assert (found[places] == -1).all()
        found[places] = [number for batch in batches[:4] for number in batch]
    assert found.tolist() == indices.tolist()


@pytest.mark.parametrize("features", [None, Indices()], ids=["images", "features"])
def test_processes_without_a_single_image_have_empty_batches(features):
    # Three images for four processes.
    trained, evaluated = [], []
    for one in shares(4):
        arguments = {"batch_size": 4, "features": features}
        dataset = training_dataset(
            SOURCE, ALL[:3], make_images(), epochs=range(2), share=one, **arguments
        )
        trained.append(numbers(dataset.take(2)))
        dataset = evaluation_dataset(SOURCE, ALL[:3], make_images(), passes=one, **arguments)
        evaluated.append(numbers(dataset.take(2)))
    for place in range(2):
        assert sorted(itertools.chain(*(part[place] for part in trained))) == [0, 1, 2]
        assert [part[place] for part in evaluated] == [[], [0], [1], [2]]
