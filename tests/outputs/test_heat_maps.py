import csv

import numpy as np
import pytest

import fakes
from kerastl.data.source import Source
from kerastl.outputs.heat_maps import MOST_MISTAKES, MOST_RIGHT, list_heat_maps, read_heat_map
from kerastl.training.evaluation import Evaluation

SIDE, PATCH = 16, 8
# Where the patch is, by the name of the image.
CORNERS = ((0, 0), (0, 8), (8, 0), (8, 8), (4, 4))


def patched(per_class=40):
    """Gray noise with a patch, whose color is the class and whose place is not."""
    rng = np.random.default_rng(0)
    images, labels, places = [], [], []
    for number in range(2 * per_class):
        image = rng.integers(90, 160, (SIDE, SIDE, 3))
        top, left = CORNERS[number // 2 % len(CORNERS)]
        patch = image[top : top + PATCH, left : left + PATCH]
        patch[:] = (220, 40, 40) if number % 2 else (40, 40, 220)
        patch += rng.integers(-30, 30, patch.shape)
        images.append(image.astype(np.uint8))
        labels.append(number % 2)
        places.append((top, left))
    return Source.from_arrays(images, labels, class_names=("blue", "red"), name="patches"), places


def rows_of(run):
    path = run.result.run_dir / "heat_maps.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {row["example"]: read_heat_map(row) for row in csv.DictReader(file)}


def center(values, *shape):
    """A kernel of 3 x 3 that sees the pixel in its middle."""
    kernel = np.zeros((3, 3, *shape), np.float32)
    for place, value in values.items():
        kernel[1, 1, *place] = value
    return kernel


def write_weights(path):
    """Weights for the tiny network that see red and blue patches, and nothing else."""
    network = fakes.tiny_net(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), name="backbone"
    )
    convolutions = [layer for layer in network.layers if hasattr(layer, "kernel")]
    for layer in convolutions:
        layer.kernel.assign(np.zeros(layer.kernel.shape))
    network.get_layer("stem").kernel.assign(
        center({(0, 0): 1, (2, 0): -1, (0, 1): -1, (2, 1): 1}, 3, 6)
    )
    layer = network.get_layer("block2_conv")
    layer.kernel.assign(center({(0, 0): 1, (1, 1): 1}, 6, 8))
    # What the noise has of both colors is below this.
    layer.bias.assign([-0.6] * 8)
    network.save_weights(path)
    return str(path)


@pytest.mark.thorough
@pytest.mark.parametrize("answer", ["no", "yes"])
def test_patch_that_decides_the_class_has_the_evidence(tmp_path, answer):
    source, places = patched()
    weights = write_weights(tmp_path / "patches.weights.h5")
    config = fakes.tiny_config(
        tmp_path, weights=weights, average_mirrored=answer, test_fraction=0.4
    )
    run = fakes.finish_run(config, source)
    assert run.result.metrics["test"]["accuracy"] == 1
    maps = rows_of(run)
    assert {heat.class_name for heat in maps.values()} == {"blue", "red"}
    for example, heat in maps.items():
        top, left = places[source.examples.index(example)]
        evidence = np.maximum(heat.evidence, 0)
        # Of a cell the network sees one pixel, the middle of it.
        size = SIDE // len(evidence)
        rows, columns = (slice(start // size, -(-(start + PATCH) // size)) for start in (top, left))
        assert evidence[rows, columns].size <= evidence.size / 4
        assert evidence[rows, columns].sum() > 0.95 * evidence.sum() > 0


def test_maps_are_of_the_surest_mistakes_and_of_right_images_of_many_classes():
    labels = np.repeat(np.arange(10), 10)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(10), 100).astype(np.float32)
    shares[np.arange(100), labels] += np.tile([0, 0, 0, 2, 2, 2, 2, 2, 2, 2], 10)
    test = Evaluation(labels, shares, np.zeros(100))
    source = fakes.color_source(per_class=10, colors={str(n): (n, 0, 0) for n in range(10)})
    splits = type("Splits", (), {"source": source, "test": np.arange(100)})
    seen = []

    def locate(indices, classes):
        seen.append((indices, classes))
        return np.zeros((len(indices), 2, 3), np.float32)

    rows = [*list_heat_maps(splits, test, locate)]
    ((indices, classes),) = seen
    wrong, right = indices[:MOST_MISTAKES], indices[MOST_MISTAKES:]
    assert len(right) == MOST_RIGHT
    assert (classes == test.predicted[indices]).all()
    confidence = shares.max(axis=1)
    of_mistakes = confidence[test.predicted != labels]
    assert (confidence[wrong] == np.sort(of_mistakes)[::-1][:MOST_MISTAKES]).all()
    assert (test.predicted[right] == labels[right]).all()
    assert len({*labels[right]}) == MOST_RIGHT
    assert rows[0] == (source.examples[wrong[0]], str(classes[0]), 2, 3, "0 0 0 0 0 0")
    assert [*list_heat_maps(splits, test, lambda *_: None)] == []


def test_map_is_read_as_it_was_written():
    row = {"class_name": "red", "rows": "2", "columns": "3", "evidence": "1 2 3 -4 5 6.5"}
    heat = read_heat_map(row)
    assert heat.class_name == "red"
    assert heat.evidence.tolist() == [[1, 2, 3], [-4, 5, 6.5]]
    with pytest.raises(ValueError, match="reshape"):
        read_heat_map(row | {"rows": "3"})
