import dataclasses

import pytest

from kerastl.recipes.choices import Facts, Look, choose, choose_block, keep_effective

# 9,000 images of 10 classes; at the smallest size a pass of all views takes 200 s, an epoch 90 s.
FACTS = Facts(
    recipe="auto",
    given={},
    num_train=9000,
    num_evaluated=1000,
    num_classes=10,
    sizes=(97, 129, 161, 193, 225),
    block="block_6",
    seconds=1000.0,
    closing_seconds=50.0,
    look=Look(num_images=500, seconds=0.01, fit_seconds=0.0, right=400, right_mirrored=395),
    step_seconds=0.01,
    feature_bytes=20_000,
    room=10**12,
)
CLOSING = "for building, saving and exporting"
ALLOWED, TRIED = "the largest that the time allows", "the largest tried"
NAMES = "a head recognizes 400 of 500 images, and 395 of their mirror images"
SLOW_FIT = dataclasses.replace(FACTS.look, fit_seconds=0.01)
CHANGES_CLASSES = dataclasses.replace(FACTS.look, right_mirrored=300)


def choices(**changes):
    return choose(dataclasses.replace(FACTS, **changes)).values


@pytest.mark.parametrize(
    ("changes", "size", "epochs"),
    [
        ({}, 97, 7),
        ({"seconds": 2000.0}, 129, 8),
        # Only with time for all epochs is an even larger size worth it.
        ({"seconds": 2900.0}, 161, 8),
        ({"seconds": 10_000.0}, 225, 8),
        # Few epochs of many images are worth more than mirror images, and than a head alone.
        ({"seconds": 600.0}, 97, 4),
        ({"seconds": 300.0}, 97, 1),
        # Without the answers for mirror images, too.
        ({"seconds": 270.0}, 97, 1),
        # Not even the smallest size leaves time for one.
        ({"seconds": 260.0}, 97, 0),
        # Of fewer images, one brings too little.
        ({"seconds": 130.0, "num_train": 1000, "num_evaluated": 200}, 97, 4),
        ({"seconds": 110.0, "num_train": 1000, "num_evaluated": 200}, 129, 0),
        # No time at all: a run always has a head.
        ({"seconds": -5.0}, 97, 0),
        # A pass alone is short, so the images can be large.
        ({"seconds": 2000.0, "recipe": "head"}, 225, 0),
        ({"num_train": 40, "num_evaluated": 25}, 225, 0),
        # Few images take more epochs.
        ({"num_train": 100, "num_evaluated": 25}, 225, 40),
        # Without room for features, each epoch computes them again.
        ({"room": 10**8}, 97, 4),
        ({"room": 10**8, "seconds": 1400.0}, 97, 5),
        # The head takes its time, too.
        ({"look": SLOW_FIT}, 97, 5),
        # Without mirror images a pass is half as long.
        ({"look": CHANGES_CLASSES}, 129, 4),
    ],
)
def test_size_and_epochs_follow_from_the_time(changes, size, epochs):
    values = choices(**changes)
    assert (values["image_size"], values["finetune_epochs"]) == (size, epochs)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"image_size": 161}, {"image_size": 161, "finetune_epochs": 7}),
        ({"finetune_epochs": 2}, {"image_size": 129, "finetune_epochs": 2}),
        ({"finetune_epochs": 0}, {"image_size": 193, "finetune_epochs": 0}),
        ({"optimizer": "sgd"}, {"optimizer": "sgd", "finetune_learning_rate": 0.002}),
        ({"head": "sgd", "batch_size": 8}, {"head": "sgd", "batch_size": 8}),
        ({"head_epochs": 4}, {"head_epochs": 4, "finetune_epochs": 7}),
        ({"augment": ""}, {"augment": "", "image_size": 129}),
        ({"augment": "crop"}, {"augment": "crop", "augment_views": 2}),
        ({"augment": "flip,color", "augment_views": 3}, {"augment_views": 3}),
    ],
)
def test_what_is_given_is_kept(given, expected):
    sizes = (given["image_size"],) if "image_size" in given else FACTS.sizes
    values = choices(given=given, sizes=sizes)
    assert {name: values[name] for name in expected} == expected


def test_settings_that_a_search_varies_keep_an_effect():
    assert "head" not in choices(searched=["head_learning_rate"])
    assert choices(recipe="head", searched=["dropout"])["refit"]
    # Some trials have no solved head to fit again.
    assert not choices(recipe="head", searched=["head"])["refit"]
    # All of them do, even without time, and with few images.
    assert choices(seconds=0.0, searched=["unfreeze_from"])["finetune_epochs"] == 1
    few = choices(num_train=40, num_evaluated=25, searched=["warmup_epochs"])
    assert few["finetune_epochs"] > 0
    both = ["unfreeze_from", "finetune_epochs"]
    assert choices(seconds=0.0, searched=both)["finetune_epochs"] == 0


def test_what_is_given_keeps_what_it_needs():
    assert keep_effective(["momentum", "dropout"]) == {"optimizer": "sgd"}
    assert keep_effective(["warmup_epochs", "head_learning_rate", "optimizer"]) == {}


def test_images_are_mirrored_only_if_that_keeps_their_class():
    assert choices()["augment"] == "mirror"
    assert "augment" not in choices(look=CHANGES_CLASSES)
    assert choices(look=CHANGES_CLASSES, given={"augment": "crop"})["augment_views"] == 2


def test_answer_for_the_mirror_image_counts_where_it_may():
    assert choices()["average_mirrored"] == "auto"
    assert choices(recipe="fast")["average_mirrored"] == "no"
    assert "average_mirrored" not in choices(look=CHANGES_CLASSES)


@pytest.mark.parametrize("recipe", ["head", "auto"])
def test_head_that_is_delivered_learns_from_validation_images_too(recipe):
    assert choices(recipe=recipe)["refit"]
    assert not choices(recipe=recipe, given={"head": "sgd"})["refit"]
    assert not choices(recipe=recipe, room=0)["refit"]
    assert not choices(recipe=recipe, given={"refit": False})["refit"]
    assert choices(recipe="auto", given={"refit": True})["finetune_epochs"] == 7


def test_epochs_that_are_given_are_trained_without_time_too():
    values = choices(given={"finetune_epochs": 20}, seconds=0.0)
    assert (values["finetune_epochs"], values["optimizer"]) == (20, "adamw")


def test_warmup_is_short_where_fine_tuning_is():
    assert choices(seconds=300.0)["warmup_epochs"] == 0.25
    assert choices()["warmup_epochs"] == 1.0


def test_without_a_head_phase_there_is_fine_tuning():
    assert choices(given={"head_epochs": 0}, seconds=0.0)["finetune_epochs"] > 0


def test_head_is_solved_only_where_features_are_stored():
    assert choices()["head"] == "solved"
    assert "head" not in choices(room=0)
    assert choices(room=0)["head_epochs"] == 3
    # Of few images, so many passes that there are enough steps, which are small.
    few = choices(room=0, num_train=632, recipe="head")
    assert (few["head_epochs"], few["batch_size"]) == (16, 32)
    assert choices(room=0, num_train=16)["head_epochs"] == 40
    assert choices(room=0, num_train=16, given={"head_epochs": 5})["head_epochs"] == 5


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        (
            {},
            (
                f"97 px, {ALLOWED}: one pass over the images takes 200 s; "
                f"14 min are for training, 150 s {CLOSING}",
                f"with mirror images, which keep their classes: {NAMES}",
                "7 epochs of fine-tuning from block_6, each 90.0 s",
            ),
        ),
        (
            {"num_train": 40, "num_evaluated": 25},
            (
                f"225 px, {TRIED}: one pass over the images takes 7.0 s; "
                f"14 min are for training, 150 s {CLOSING}",
                f"with mirror images, which keep their classes: {NAMES}",
                "a head alone: 4 training images a class are too few to fine-tune by",
            ),
        ),
        (
            {"seconds": 300.0},
            (
                f"97 px, {ALLOWED}: one pass over the images takes 110 s; "
                f"220 s are for training, 80.0 s {CLOSING}",
                f"without mirror images, for lack of time, though they keep their classes: {NAMES}",
                "1 epoch of fine-tuning from block_6, each 90.0 s",
            ),
        ),
        (
            {"seconds": 190.0},
            (
                f"97 px, {ALLOWED}: one pass over the images takes 110 s; "
                f"121 s are for training, 69.0 s {CLOSING}",
                f"without mirror images, for lack of time, though they keep their classes: {NAMES}",
                "a head alone: no time for 1 epoch of 90.0 s",
            ),
        ),
    ],
)
def test_each_choice_has_its_reason(changes, reasons):
    assert choose(dataclasses.replace(FACTS, **changes)).reasons == reasons


def test_training_starts_where_enough_of_the_network_lies_above():
    shares = {"block_1": 0.9, "block_2": 0.75, "block_3": 0.5, "block_4": 0.1}
    assert choose_block(shares, is_transformer=False) == "block_2"
    assert choose_block({"top": 0.4}, is_transformer=False) == "top"
    assert choose_block(shares, is_transformer=True) == "block_1"


def test_transformers_have_a_lower_rate():
    assert choices()["finetune_learning_rate"] == 0.0005
    chosen = choices(is_transformer=True)
    assert chosen["finetune_learning_rate"] == 0.00003
    assert chosen == choices() | {"finetune_learning_rate": 0.00003}
    given = choices(is_transformer=True, given={"finetune_learning_rate": 0.1})
    assert given["finetune_learning_rate"] == 0.1


@pytest.mark.parametrize(("recipe", "head"), [("auto", "solved"), ("head", None)])
def test_head_that_is_all_there_is_takes_steps_where_a_teacher_takes_part(recipe, head):
    assert choices(recipe=recipe)["head"] == "solved"
    chosen = choices(recipe=recipe, has_teacher=True)
    assert chosen.get("head") == head
    assert chosen["refit"] == (head == "solved")
