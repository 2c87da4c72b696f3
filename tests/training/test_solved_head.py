import json

import numpy as np
import pytest
import scipy.special
from sklearn.linear_model import LogisticRegression

import fakes
from kerastl.config import Config
from kerastl.errors import UsageError
from kerastl.training.fit import StoredImages
from kerastl.training.solved_head import STRENGTHS, RegressionPath, solve_head

SOLVED = {"head": "solved", "head_epochs": 5}


def clouds(per_class, channels=12, distance=1.0, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(9).normal(size=(classes, channels)) * distance
    labels = np.arange(per_class * classes) % classes
    inputs = (centers[labels] + rng.normal(size=(len(labels), channels))).astype(np.float32)
    return StoredImages(inputs, labels, np.arange(len(labels)), None)


def solve(train, validation, seed=0):
    return solve_head(train, validation, num_classes=3, seed=seed)[0]


def accuracy(layer, images):
    return np.mean(layer.logits(images.inputs).argmax(axis=1) == images.labels)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
# With fewer images than channels, it is solved in the space that they span, in float64.
@pytest.mark.parametrize(
    ("per_class", "channels", "dtype"), [(60, 12, np.float32), (4, 40, np.float64)]
)
def test_layer_gives_the_regressions_probabilities_on_features_as_they_are(
    classes, weighted, per_class, channels, dtype
):
    images = clouds(per_class, channels, classes=classes)
    inputs = images.inputs * np.geomspace(0.1, 10, channels, dtype=np.float32) + 3
    weights = np.where(images.labels == 0, 2.0, 0.5) if weighted else None
    images = images._replace(inputs=inputs, weights=weights)
    layer = RegressionPath(images, num_classes=classes, tolerance=1e-8).fit(2.0)
    exact = inputs.astype(np.float64)
    center, scale = exact.mean(axis=0), np.sqrt(exact.var(axis=0).mean())
    expected = LogisticRegression(C=2.0 / channels, tol=1e-8, max_iter=500)
    expected.fit(((inputs - center) / scale).astype(dtype), images.labels, sample_weight=weights)
    assert (layer.kernel.dtype, layer.bias.shape) == (np.float32, (classes,))
    others = clouds(20, channels, seed=1, classes=classes).inputs * 3
    for some in (inputs, others):
        np.testing.assert_allclose(
            scipy.special.softmax(layer.logits(some), axis=1),
            expected.predict_proba(((some - center) / scale).astype(dtype)),
            atol=1e-6,
        )


def test_penalty_is_the_one_with_the_most_held_out_images_right():
    train, validation = clouds(400, 40, 0.25), clouds(100, 40, 0.25, seed=1)
    path = RegressionPath(train, num_classes=3)
    rights = [accuracy(path.fit(strength), validation) for strength in STRENGTHS]
    steps = []
    layer, strength = solve_head(train, validation, num_classes=3, seed=0, on_step=steps.append)
    assert steps[:2] == [f"head: penalty {number}/{len(STRENGTHS)}" for number in (1, 2)]
    assert accuracy(layer, validation) == max(rights) > min(rights)
    assert accuracy(layer, validation) == rights[STRENGTHS.index(strength)]


def test_few_images_are_held_out_by_turns_and_groups_stay_together():
    # Noise, and copies: with those on both sides of a fold, learning by heart looks best.
    noise = clouds(40, 80, 0.0)
    copied = noise.take(np.repeat(np.arange(len(noise.labels)), 4))
    nothing = clouds(1, 80, 0.0, seed=1)
    together = solve(copied, nothing)
    apart = solve(copied._replace(groups=np.arange(len(copied.labels))), nothing)
    assert 2 * np.abs(together.kernel).max() < np.abs(apart.kernel).max()


def test_class_that_a_fold_has_no_image_of_is_no_error():
    few = clouds(1, distance=5.0)
    assert accuracy(solve(few, clouds(5, distance=5.0, seed=1)), few) == 1


def test_weights_of_classes_count():
    images = clouds(100, distance=0.3)
    weights = np.where(images.labels == 2, 10.0, 0.1)
    shares = [
        np.mean(solve(given, given).logits(images.inputs).argmax(axis=1) == 2)
        for given in (images, images._replace(weights=weights))
    ]
    assert shares[0] < 0.5
    assert shares[1] > 0.9


@pytest.mark.thorough
@pytest.mark.usefixtures("tiny_net")
def test_run_has_one_row_for_it_and_goes_on_from_there(tmp_path):
    run = fakes.finish_run(
        fakes.tiny_config(tmp_path, **SOLVED, cache_dir=str(tmp_path / "cache"), finetune_epochs=1),
        fakes.color_source(),
    )
    head, finetune = (tmp_path / "run/history.csv").read_text("utf-8").splitlines()[1:]
    assert head.startswith("head,1,0.0,")
    assert finetune.startswith("finetune,1,")
    assert "head phase: logistic regression, training from logits up" in run.printed
    assert "Check passed: head phase: 14 of 14 frozen weights bit-identical, 2 of 2" in run.printed
    assert run.result.metrics["test"]["accuracy"] == 1


@pytest.mark.thorough
@pytest.mark.parametrize("changes", [{}, {"augment": "crop", "augment_views": 2}])
def test_refit_learns_from_validation_images_too_and_says_so(tmp_path, in_this_process, changes):
    source = fakes.color_source(noise=150.0)

    def run(folder, **more):
        cache = {"cache_dir": str(tmp_path / "cache"), "validation_fraction": 0.3}
        config = fakes.tiny_config(tmp_path / folder, **SOLVED | cache | changes | more)
        return fakes.finish_run(config, source)

    plain, refitted = run("plain"), run("refitted", refit=True, export_dir=str(tmp_path / "x"))
    # What was chosen by, and what was found of it, is the same.
    validation = dict(refitted.result.metrics["validation"])
    assert validation.pop("before_refit") is True
    assert validation == plain.result.metrics["validation"]
    assert "before_refit" not in plain.result.metrics["validation"]
    rows = [
        (made.result.run_dir / "history.csv").read_text().splitlines()[1].split(",")[:7]
        for made in (plain, refitted)
    ]
    assert rows[0] == rows[1]
    # The head is that of all images.
    assert "Head fitted once more, to all 48 training and validation images" in refitted.printed
    ours, theirs = (
        made.result.model.get_layer("logits").get_weights() for made in (plain, refitted)
    )
    assert not np.allclose(ours[0], theirs[0])
    card = json.loads((refitted.result.run_dir / "model_card.json").read_text("utf-8"))
    assert card["refit"].startswith("The head was fitted to training and validation images")
    again = run("again", refit=True)
    for name in ("metrics.json", "predictions.csv"):
        first = (refitted.result.run_dir / name).read_bytes()
        assert (again.result.run_dir / name).read_bytes() == first


@pytest.mark.thorough
@pytest.mark.parametrize(("learning_rate", "is_head"), [(3.0, True), (1e-9, False)])
def test_refit_is_of_the_head_that_is_delivered(tmp_path, in_this_process, learning_rate, is_head):
    source = fakes.color_source(noise=150.0)
    tuning = {"finetune_epochs": 1, "finetune_learning_rate": learning_rate, "optimizer": "adamw"}
    tuning |= {"warmup_epochs": 0.0, "schedule": "constant"}
    cache = {"cache_dir": str(tmp_path / "cache"), "validation_fraction": 0.3}

    def run(folder, **more):
        config = fakes.tiny_config(tmp_path / folder, **SOLVED | cache | {"refit": True} | more)
        return fakes.finish_run(config, source)

    tuned, alone = run("tuned", **tuning), run("alone")
    assert (tuned.result.metrics["best"]["phase"] == "head") == is_head
    assert ("Head fitted once more" in tuned.printed) == is_head
    assert tuned.result.metrics["validation"].get("before_refit", False) == is_head
    ours, theirs = (made.result.model.get_layer("logits").get_weights() for made in (tuned, alone))
    assert np.array_equal(ours[0], theirs[0]) == is_head


@pytest.mark.parametrize("changes", [{"head": "sgd"}, {"head_epochs": 0, "finetune_epochs": 1}])
def test_refit_of_what_is_not_solved_is_refused(changes):
    known = {"dataset": "digits", "run_dir": "runs/x", "head": "solved", "refit": True}
    with pytest.raises(UsageError, match=r"^refit=True: needs a solved head. Use --head=solved "):
        Config(**known | changes)
    Config(**known)
    Config(**known, finetune_epochs=1)


@pytest.mark.parametrize(
    "changes",
    [{"cache_dir": ""}, {"augment": "flip"}],
)
def test_what_it_needs_is_said_before_the_run(changes):
    known = {"dataset": "digits", "run_dir": "runs/x"}
    with pytest.raises(UsageError, match=r"^head='solved': needs stored features"):
        Config(**known, head="solved", **changes)
    Config(**known, head="solved", augment="flip", augment_views=2)
