import dataclasses

import numpy as np
import pytest

from kerastl.config import Config
from kerastl.data.content import hash_all
from kerastl.data.source import Source
from kerastl.data.splits import count_per_class, describe_shared, make_splits, spread
from kerastl.data.splits_file import read_earlier
from kerastl.errors import UsageError

NAMES = ("train", "validation", "test", "unused")


def make_source(labels, *, given=None, contents=None):
    labels = np.array(labels, np.int64)
    contents = [f"image {index}" for index in range(len(labels))] if contents is None else contents
    return Source(
        name="letters",
        class_names=tuple("abcdefgh"[: labels.max() + 1]),
        examples=contents,
        labels=labels,
        hashes=hash_all(content.encode() for content in contents),
        given_splits=np.full(len(labels), "train") if given is None else np.array(given),
        load=lambda index: contents[index].encode(),
    )


def make_config(**changes):
    return Config(**({"run_dir": "x", "dataset": "digits"} | changes))


def counts(splits):
    return {name: count_per_class(splits.source, part).tolist() for name, part in splits.items()}


def contents(splits):
    return {
        name: {splits.source.examples[index] for index in part} for name, part in splits.items()
    }


def same(first, second):
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in NAMES)


@pytest.mark.parametrize(
    ("per_class", "fraction", "held_out"),
    [((10, 10), 0.2, [2, 2]), ((30, 6), 0.2, [6, 1]), ((100, 3), 0.01, [1, 1])],
)
def test_each_class_gives_its_share(per_class, fraction, held_out):
    # Sorted by class, as files in folders are.
    source = make_source(np.repeat([0, 1], per_class))
    config = make_config(validation_fraction=fraction, test_fraction=fraction)
    left = [count - 2 * held for count, held in zip(per_class, held_out, strict=True)]
    assert counts(make_splits(source, config)) == {
        "train": left,
        "validation": held_out,
        "test": held_out,
        "unused": [0, 0],
    }


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("fractions", [(0.1, 0.1), (0.5, 0.3), (0.01, 0.9)])
@pytest.mark.parametrize("keep", [0, 3])
def test_every_image_is_in_one_split(seed, fractions, keep):
    source = make_source(np.arange(200) % 4)
    splits = make_splits(
        source,
        make_config(
            seed=seed,
            validation_fraction=fractions[0],
            test_fraction=fractions[1],
            examples_per_class=keep,
        ),
    )
    together = np.concatenate([part for _, part in splits.items()])
    assert np.array_equal(np.sort(together), np.arange(200))
    for name in ("validation", "test", "unused"):
        assert np.array_equal(getattr(splits, name), np.sort(getattr(splits, name)))
    assert all(part.dtype == np.int64 for _, part in splits.items())


def test_same_seed_deals_the_same_and_another_seed_otherwise():
    source = make_source(np.arange(200) % 4)
    first, again = (make_splits(source, make_config(seed=3)) for _ in range(2))
    assert same(first, again)
    assert set(first.test) != set(make_splits(source, make_config(seed=4)).test)


def test_images_are_not_taken_from_one_end():
    test = make_splits(make_source([0, 1] * 500), make_config()).test
    assert 350 < np.mean(test) < 650
    assert np.std(test) > 200


def test_order_and_names_do_not_matter():
    labels = np.arange(200) % 4
    order = np.random.default_rng(0).permutation(200)
    original = make_source(labels)
    moved = make_source(labels[order], contents=[original.examples[index] for index in order])
    assert contents(make_splits(moved, make_config())) == contents(
        make_splits(original, make_config())
    )


def test_most_images_stay_where_they_were_when_others_come():
    labels = np.arange(1100) % 2
    before = contents(make_splits(make_source(labels[:1000]), make_config()))
    after = contents(make_splits(make_source(labels), make_config()))
    for name in ("train", "validation", "test"):
        assert len(before[name] & after[name]) > 0.75 * len(before[name])
    # By chance a tenth of the images would be in test both times.
    assert len(before["train"] & after["test"]) < 0.03 * len(before["train"])


def test_kept_examples_are_the_same_for_the_same_seed():
    source = make_source(np.arange(200) % 4)
    whole, five, ten = (
        make_splits(source, make_config(examples_per_class=count)) for count in (0, 5, 10)
    )
    assert counts(five)["train"] == [5] * 4
    assert same(five, make_splits(source, make_config(examples_per_class=5)))
    assert set(five.train) < set(ten.train) < set(whole.train)
    assert set(five.train) | set(five.unused) == set(whole.train)
    assert np.array_equal(five.validation, whole.validation)
    assert np.array_equal(five.test, whole.test)
    other = make_splits(source, make_config(examples_per_class=5, seed=1))
    assert set(other.train) != set(five.train)


def test_more_examples_than_there_are_keeps_all():
    source = make_source(np.arange(40) % 2)
    assert same(
        make_splits(source, make_config(examples_per_class=1000)),
        make_splits(source, make_config()),
    )


@pytest.mark.parametrize("brought", [("test",), ("validation",), ("validation", "test")])
def test_splits_that_the_data_bring_are_kept(brought):
    given = np.full(100, "train", dtype="U10")
    for number, name in enumerate(brought):
        given[number * 10 : number * 10 + 10] = name
    splits = make_splits(make_source(np.arange(100) % 2, given=given), make_config())
    for name in ("validation", "test"):
        part = getattr(splits, name)
        if name in brought:
            assert np.array_equal(part, np.flatnonzero(given == name))
        else:
            assert counts(splits)[name] == [round(0.1 * (given == "train").sum() / 2)] * 2
        assert not set(part) & set(splits.train)
    assert sum(len(part) for _, part in splits.items()) == 100


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "class 'b' has 2 training images, too few for train and validation and test"),
        (["test"], "class 'b' has 1 training image, too few for train and validation"),
        (["validation", "test"], "class 'b' has 0 training images, too few for train"),
    ],
)
def test_class_with_too_few_images_is_refused_with_the_number_needed(given, message):
    labels = [0] * 10 + [1] * 2
    splits = ["train"] * (12 - len(given)) + given
    with pytest.raises(UsageError) as caught:
        make_splits(make_source(labels, given=splits), make_config())
    train = ", or add --small_classes=train to use all of it for training and evaluate none of it"
    assert str(caught.value) == (
        f"dataset='letters': {message}. Give it at least {3 - len(given)}"
        f"{train if len(given) < 2 else ''}."
    )


@pytest.mark.parametrize("per_class", [3, 4, 5, 7])
@pytest.mark.parametrize(
    ("validation", "test"), [(0.49, 0.49), (0.98, 0.01), (0.01, 0.98), (0.1, 0.1)]
)
def test_each_split_has_an_image_of_every_class(per_class, validation, test):
    source = make_source(np.repeat([0, 1], per_class))
    config = make_config(validation_fraction=validation, test_fraction=test)
    dealt = counts(make_splits(source, config))
    assert all(min(dealt[name]) >= 1 for name in ("train", "validation", "test"))


def test_classes_are_counted_with_those_that_have_none():
    source = make_source([0, 2, 2, 1])
    assert count_per_class(source, np.array([1, 2])).tolist() == [0, 0, 2]
    assert count_per_class(source, np.array([], np.int64)).tolist() == [0, 0, 0]


def write_splits(path, splits):
    rows = [
        f"{splits.source.examples[index]},x,{name}"
        for name, part in splits.items()
        for index in part
    ]
    path.write_text("\n".join(["example,class_name,split", *rows]))
    return str(path)


def test_splits_of_an_earlier_run_stay_and_new_images_are_dealt(tmp_path):
    old = make_source([0, 1] * 20)
    config = make_config(validation_fraction=0.2, test_fraction=0.2, examples_per_class=9)
    first = make_splits(old, config)
    path = write_splits(tmp_path / "splits.csv", first)
    names = [f"image {index}" for index in range(60)]
    # In another order, with another seed, and with images between them.
    order = np.random.default_rng(0).permutation(60)
    grown = make_source(order % 2, contents=[names[index] for index in order])
    second = make_splits(
        grown,
        make_config(seed=5, validation_fraction=0.2, test_fraction=0.2),
        earlier=read_earlier(path),
    )
    before, after = contents(first), contents(second)
    assert before["validation"] < after["validation"]
    assert before["test"] < after["test"]
    assert before["train"] | before["unused"] < after["train"]
    assert counts(second) == {
        "train": [18, 18],
        "validation": [6, 6],
        "test": [6, 6],
        "unused": [0, 0],
    }


def test_class_too_small_to_be_apart_may_be_in_training_alone():
    labels = [0] * 10 + [1] * 2 + [2]
    config = make_config(small_classes="train", validation_fraction=0.2, test_fraction=0.2)
    assert counts(make_splits(make_source(labels), config)) == {
        "train": [6, 2, 1],
        "validation": [2, 0, 0],
        "test": [2, 0, 0],
        "unused": [0, 0, 0],
    }
    # A class whose images are all in the given test split has nothing to learn from.
    given = ["train"] * 10 + ["test"] * 3
    with pytest.raises(UsageError, match="class 'b' has 0 training images"):
        make_splits(make_source(labels, given=given), config)


def grouped(labels, groups):
    return dataclasses.replace(make_source(labels), groups=np.array(groups))


@pytest.mark.parametrize("seed", range(20))
def test_groups_that_span_classes_are_dealt(seed):
    # Thirty patients, each with images of both classes.
    rng = np.random.default_rng(seed)
    labels = np.concatenate([rng.permutation([0, 0, 1, 1, 1])[:3] for _ in range(30)])
    source = grouped(labels, np.repeat(np.arange(30), 3))
    splits = make_splits(source, make_config(seed=seed))
    sides = {name: set(source.groups[part]) for name, part in splits.items()}
    assert not sides["train"] & (sides["validation"] | sides["test"])
    assert not sides["validation"] & sides["test"]
    for name in ("validation", "test"):
        wanted = 0.1 * np.bincount(labels)
        assert (np.abs(counts(splits)[name] - wanted) <= 3).all()


def test_groups_of_the_data_that_are_too_few_are_named_with_the_way_out():
    labels, groups = np.repeat([0, 1], 20), np.tile([0, 1], 20)
    causes = np.ones(40, np.int8)
    source = dataclasses.replace(grouped(labels, groups), causes=causes)
    with pytest.raises(UsageError) as caught:
        make_splits(source, make_config())
    assert "in 2 groups of the data, too few" in str(caught.value)
    assert "or ignore groups with --group_column=none, or with --layout for a fo" in str(
        caught.value
    )


@pytest.mark.parametrize("seed", range(10))
def test_fraction_is_met_where_groups_allow_it(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, 12, 40)
    labels = np.repeat(np.arange(2), [sizes[:20].sum(), sizes[20:].sum()])
    source = grouped(labels, np.repeat(np.arange(40), sizes))
    splits = make_splits(source, make_config(seed=seed, validation_fraction=0.2, test_fraction=0.2))
    for name in ("validation", "test"):
        wanted = np.round(0.2 * np.bincount(labels))
        assert (np.abs(counts(splits)[name] - wanted) <= 1).all()


def divided(groups, given):
    """A source of two classes that gives each image a group and a split."""
    source = make_source(np.arange(len(groups)) % 2, given=given)
    names = [f"P{group}" for group in groups]
    return dataclasses.replace(source, groups=np.array(groups), group_names=names)


@pytest.mark.parametrize("seed", range(5))
def test_groups_that_the_test_split_has_are_trained_on_and_not_validated(seed):
    groups = np.repeat(np.arange(20), 4)
    given = np.where((groups < 8) & (np.arange(80) % 4 > 1), "test", "train")
    splits = make_splits(divided(groups, given), make_config(seed=seed))
    assert len(splits.validation)
    assert not set(groups[splits.validation]) & set(groups[splits.test])
    assert not list(describe_shared(splits))


def test_groups_that_validation_shares_with_a_given_test_split_are_named():
    groups = np.repeat(np.arange(20), 4)
    given = np.where(np.arange(80) % 4 > 1, "test", "train")
    splits = make_splits(divided(groups, given), make_config())
    shared = sorted({f"P{group}" for group in groups[splits.validation]})
    [line] = describe_shared(splits)
    assert line.startswith(f"Groups: {len(shared)} of {len(shared)} in validation are also in test")
    assert shared[0] in line


def test_old_images_stay_whatever_has_become_of_their_class(tmp_path):
    old = make_source([0, 1] * 20)
    config = make_config(validation_fraction=0.2, test_fraction=0.2)
    first = make_splits(old, config)
    path = write_splits(tmp_path / "splits.csv", first)
    earlier = read_earlier(path)
    # All validation images of class 0 have gone.
    gone = first.validation[old.labels[first.validation] == 0]
    kept = old.subset(np.setdiff1d(np.arange(40), gone))
    second = make_splits(kept, config, earlier=earlier)
    before, after = contents(first), contents(second)
    assert before["test"] <= after["test"]
    assert before["train"] - after["train"] == set()
    # A new group joins what was apart: the old ones stay.
    groups = np.arange(40)
    groups[[first.train[0], first.test[0]]] = 99
    third = make_splits(dataclasses.replace(old, groups=groups), config, earlier=earlier)
    assert contents(third) == before


def test_old_images_stay_where_the_new_data_bring_a_split_of_their_own(tmp_path):
    config = make_config(validation_fraction=0.2, test_fraction=0.2)
    source = make_source([0, 1] * 20)
    first = make_splits(source, config)
    path = write_splits(tmp_path / "splits.csv", first)
    new = np.arange(40) >= 36
    grown = dataclasses.replace(source, given_splits=np.where(new, "validation", "train"))
    second = make_splits(grown, make_config(test_fraction=0.2), earlier=read_earlier(path))
    old = np.flatnonzero(~new)
    for name in ("train", "validation", "test"):
        was, now = getattr(first, name), getattr(second, name)
        assert set(was) & set(old) == set(now) & set(old)


def test_classes_too_small_for_any_split_are_told_before_training():
    source = make_source([0, 1])
    with pytest.raises(UsageError, match="has no class with enough images for validation"):
        make_splits(source, make_config(small_classes="train"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no image"),
        ("example,class_name,split\n", "names no image"),
        ("example,class_name,split\na,b,Training\n", "has 'Training' as a split"),
    ],
)
def test_splits_of_another_kind_are_refused(tmp_path, text, problem):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(UsageError, match=problem):
        read_earlier(str(tmp_path / "splits.csv"))


def test_training_goes_by_content_and_not_by_the_order_of_files():
    labels = np.arange(60) % 3
    source = make_source(labels)
    order = np.random.default_rng(0).permutation(60)
    moved = make_source(labels[order], contents=[source.examples[index] for index in order])
    first, second = (
        [deals.source.examples[index] for index in deals.train]
        for deals in (make_splits(source, make_config()), make_splits(moved, make_config()))
    )
    assert first == second
    assert first != sorted(first)


def test_missing_or_other_file_of_splits_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for name in ("no.csv", "other.csv"):
        with pytest.raises(UsageError, match="cannot be read as the splits"):
            read_earlier(str(tmp_path / name))


def test_equal_images_are_on_one_side_and_across_given_splits_are_seen():
    labels = [0, 1] * 20
    same_as = [f"image {index // 4 * 4 + index % 2}" for index in range(40)]
    for seed in range(5):
        config = make_config(seed=seed, validation_fraction=0.2, test_fraction=0.2)
        splits = make_splits(make_source(labels, contents=same_as), config)
        parts = contents(splits)
        assert not parts["train"] & parts["validation"]
        assert not (parts["train"] | parts["validation"]) & parts["test"]
        assert not splits.seen_before().any()
    given = ["train"] * 30 + ["test"] * 10
    names = [f"image {index % 33}" for index in range(40)]
    splits = make_splits(make_source(labels, given=given, contents=names), make_config())
    # Images 33 to 39 are images 0 to 6 once more.
    assert splits.seen_before().tolist() == [False] * 3 + [True] * 7


def test_sample_is_spread_over_all():
    assert spread(3).tolist() == [0, 1, 2]
    sample = spread(100_000)
    assert (len(sample), sample[0], sample[-1]) == (256, 0, 99_999)
