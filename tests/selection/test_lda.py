import numpy as np
import pytest

from kerastl.selection.label_issues import rank_label_issues
from kerastl.selection.lda import predict_out_of_fold


def clouds(per_class=60, distance=4.0, seed=0):
    """Features of three classes, each a cloud of its own."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    centers = rng.normal(size=(3, 20)) * distance / np.sqrt(20)
    features = (centers[labels] + rng.normal(size=(len(labels), 20))).astype(np.float32)
    return features, labels


def test_most_labels_are_recognized_the_same_way_each_time():
    features, labels = clouds()
    judged = predict_out_of_fold(features, labels, np.arange(len(labels)), seed=0)
    assert np.mean(judged.likeliest == labels) > 0.9
    right = judged.likeliest == labels
    np.testing.assert_array_equal(judged.highest[right], judged.of_label[right])
    assert (judged.highest[~right] > judged.of_label[~right]).all()
    steps = []
    again = predict_out_of_fold(
        features, labels, np.arange(len(labels)), seed=0, on_step=steps.append
    )
    assert steps == [f"probe {number}/5" for number in range(1, 6)]
    np.testing.assert_array_equal(judged.of_label, again.of_label)


def test_classes_keep_their_numbers_where_some_have_no_images():
    features, labels = clouds()
    numbers = np.array([3, 7, 8])
    judged, plain = (
        predict_out_of_fold(features, of, np.arange(len(of)), seed=0)
        for of in (numbers[labels], labels)
    )
    np.testing.assert_array_equal(judged.likeliest, numbers[plain.likeliest])


def test_no_image_judges_itself_or_its_copy():
    # Noise says nothing of the labels, unless a copy is among what the probe has learned.
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(100, 60)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 100), 2)
    accuracy = {}
    for name, groups in (("apart", np.arange(200)), ("together", np.arange(200) // 2)):
        judged = predict_out_of_fold(features, labels, groups, seed=0)
        accuracy[name] = np.mean(judged.likeliest == labels)
    assert accuracy["together"] < 0.65 < accuracy["apart"]


@pytest.mark.parametrize(
    ("sizes", "is_checked"),
    [
        # The classifier of a fold needs two images of each class.
        ((10, 2), [True] * 10 + [False] * 2),
        ((50, 2), [True] * 50 + [False] * 2),
        ((10, 1), [True] * 10 + [False]),
        ((3, 3), [True] * 6),
        ((2, 2), [False] * 4),
        ((1, 1), [False] * 2),
    ],
)
def test_images_of_unknown_classes_are_no_issues(sizes, is_checked):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    features = rng.normal(size=(len(labels), 8)).astype(np.float32)
    judged = predict_out_of_fold(features, labels, np.arange(len(labels)), seed=0)
    known = ~np.isnan(judged.of_label)
    # A classifier of one class predicts nothing.
    assert not (known & ~np.array(is_checked)).any()
    assert not set(rank_label_issues(judged, labels)) & set(np.flatnonzero(~known))
    if sizes == (3, 3):
        assert known.all()


def test_class_of_one_group_has_no_judge():
    features, labels = clouds(per_class=14)
    groups = np.where(labels == 1, 1000, np.arange(len(labels)))
    judged = predict_out_of_fold(features, labels, groups, seed=0)
    np.testing.assert_array_equal(np.isnan(judged.of_label), labels == 1)
    together = predict_out_of_fold(features, labels, np.zeros(len(labels), int), seed=0)
    assert np.isnan(together.of_label).all()
    assert len(rank_label_issues(together, labels)) == 0


def test_few_images_of_many_channels_have_graded_probabilities():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 40)
    features = 8 * rng.normal(size=(3, 400))[labels] / 20 + rng.normal(size=(120, 400))
    spoilt = labels.copy()
    spoilt[::15] = (labels[::15] + 1) % 3
    judged = predict_out_of_fold(
        features.astype(np.float32), spoilt, np.arange(len(labels)), seed=0
    )
    right = judged.likeliest == spoilt
    # As sure as it is right, which it is not without a temperature.
    assert abs(judged.highest.mean() - right.mean()) < 0.05
    issues = rank_label_issues(judged, spoilt)
    assert len({f"{value:.4g}" for value in judged.of_label[issues]}) == len(issues)
