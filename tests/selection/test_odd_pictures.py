from types import SimpleNamespace

import numpy as np
import pytest
from test_label_issues import rows_of

import fakes
from kerastl.data.source import Source
from kerastl.selection.odd_pictures import (
    KIND,
    describe_pictures,
    find_odd_pictures,
    list_findings,
    rank_odd_pictures,
)

CHANNELS = 30


def styles(count=400, seed=0):
    """Styles of pictures of one kind, whose channels go together and differ in scale."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(CHANNELS) + 0.1 * rng.normal(size=(CHANNELS, CHANNELS))
    mixed = rng.normal(size=(count, CHANNELS)) @ mixing
    return (7 + mixed * np.geomspace(0.01, 10, CHANNELS)).astype(np.float32)


def planted(count, seed=0):
    """The same with pictures of another kind in front, each unlike the rest of them."""
    rng = np.random.default_rng(seed)
    values = styles(seed=seed)
    other = values[:count] + 5 * values.std(axis=0) * rng.choice([-1, 1], (count, CHANNELS))
    return np.concatenate([other, values]).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_pictures_of_one_kind_give_none(seed):
    assert len(rank_odd_pictures(styles(seed=seed))[0]) == 0


@pytest.mark.parametrize("count", [1, 12, 30])
def test_pictures_of_another_kind_are_found_whatever_the_scale_of_a_channel(count):
    positions, factors = rank_odd_pictures(planted(count))
    assert set(positions) == set(range(count))
    assert (np.diff(factors) <= 0).all()
    assert factors.min() > 1.4


def test_channels_that_never_vary_and_equal_pictures_change_nothing():
    values = planted(3)
    values[:, 4] = 2
    # As many equal ones as would make a distance 0.
    equal = np.concatenate([values, np.repeat(values[50:51], 200, axis=0)])
    assert set(rank_odd_pictures(equal)[0]) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(3))
def test_pictures_that_are_apart_in_any_case_need_to_be_farther(seed):
    rng = np.random.default_rng(seed)
    # Drawings of eight kinds, of any size, on the same ground.
    kinds = rng.normal(size=(8, CHANNELS))[rng.integers(0, 8, 600)]
    drawings = kinds * rng.random((600, 1)) + 0.05 * rng.normal(size=kinds.shape)
    assert len(rank_odd_pictures(drawings)[0]) <= 3
    other = drawings[:20] + 4 * drawings.std(axis=0) * rng.choice([-1, 1], (20, CHANNELS))
    assert set(rank_odd_pictures(np.concatenate([other, drawings]))[0]) == set(range(20))


@pytest.mark.parametrize("count", [1, 9, 149])
def test_few_pictures_give_none(count):
    assert len(rank_odd_pictures(planted(5)[:count])[0]) == 0


def found_in(values, *, groups=None):
    """Looks at all images but the last 50, in another order than the source has them."""
    seen = []

    def style(indices):
        seen.extend(indices.tolist())
        return values[indices]

    count = len(values)
    source = SimpleNamespace(
        labels=np.arange(count) % 2,
        class_names=("a", "b"),
        examples=[f"{index}.png" for index in range(count)],
        hashes=np.arange(16 * count, dtype=np.uint8).reshape(-1, 16),
    )
    clusters = np.arange(count) if groups is None else groups
    indices = np.random.default_rng(0).permutation(count)
    splits = SimpleNamespace(source=source, clusters=clusters)
    indices = indices[indices < count - 50]
    found = find_odd_pictures(SimpleNamespace(style=style), splits, indices)
    return source, found, seen


def test_findings_name_the_pictures_the_oddest_first():
    source, found, _ = found_in(planted(4))
    findings = list(list_findings(source, found))
    assert {one.file for one in findings} == {f"{index}.png" for index in range(4)}
    assert {one.kind for one in findings} == {KIND}
    assert [one.times for one in found] == sorted((one.times for one in found), reverse=True)
    first = found[0]
    assert findings[0].sha256 == source.hashes[first.index].tobytes().hex()
    assert findings[0].detail == (
        f"in {'ab'[first.index % 2]}, {first.times:.1f} times as far from the most similar images "
        "as those are from theirs"
    )
    (line,) = describe_pictures(source, found)
    assert line.startswith(f"Audit: {KIND}: 4 images, as {first.index}.png. ")
    assert not list(describe_pictures(source, ()))


def test_a_group_of_lookalikes_is_no_neighborhood():
    values = planted(4)
    # A film of 100 images that differ by hardly anything, near some others.
    film = values[-1] + 1e-3 * np.random.default_rng(1).normal(size=(100, CHANNELS))
    values = np.concatenate([values[:4], film, values[4:]]).astype(np.float32)
    groups = np.concatenate([np.arange(4), np.full(100, 4), 5 + np.arange(len(values) - 104)])
    _, found, seen = found_in(values, groups=groups)
    assert {one.index for one in found} == set(range(4))
    assert sum(4 <= index < 104 for index in seen) == 5


def test_a_network_without_places_gives_none():
    splits = SimpleNamespace(clusters=np.arange(9))
    assert find_odd_pictures(SimpleNamespace(style=lambda _: None), splits, np.arange(9)) == ()


@pytest.mark.thorough
def test_run_lists_pictures_of_another_kind(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 80)
    colors = np.array([*fakes.COLORS.values()])[labels]
    images = np.clip(rng.normal(colors[:, None, None], 40, (240, 16, 24, 3)), 0, 255)
    # Stripes of the color of the class.
    odd = [5, 50, 90, 130, 170, 230]
    images[odd, ::4] = 0
    names = tuple(fakes.COLORS)
    source = Source.from_arrays(images.astype(np.uint8), labels, class_names=names, name="colors")
    config = fakes.tiny_config(tmp_path, label_issues=True, head_epochs=1)
    run = fakes.finish_run(config, source)
    splits = {row["example"]: row["split"] for row in rows_of(run, "splits.csv")}
    listed = [row["file"] for row in rows_of(run, "audit.csv") if row["kind"] == KIND]
    looked_at = {f"colors[{index}]" for index in odd if splits[f"colors[{index}]"] != "test"}
    assert set(listed[: len(looked_at)]) == looked_at
    assert len(listed) <= len(looked_at) + 2
    assert f"Audit: {KIND}: {len(listed)} images" in run.printed
