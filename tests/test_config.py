import copy
import dataclasses
import functools
import math
import os
import pathlib
import pickle
import re

import numpy as np
import pytest

from command_line import config_from_flags
from kerastl.config import Config
from kerastl.errors import UsageError
from kerastl.settings import Decides, Phase
from kerastl.settings.training import why_kept

FIELDS = {field.name: field for field in dataclasses.fields(Config) if field.metadata}
NUMBERS = [name for name, field in FIELDS.items() if field.type in (int, float)]
FLOATS = [name for name, field in FIELDS.items() if field.type is float]
WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
NONE = {"weights": "none", "head_epochs": 0, "finetune_epochs": 3}


def make(**changes):
    return Config(**({"run_dir": "runs/x", "dataset": "digits"} | changes))


def refusal(**changes):
    with pytest.raises(UsageError) as caught:
        make(**changes)
    return str(caught.value)


def test_defaults_are_those_of_the_design():
    config = make()
    assert (config.backbone, config.weights, config.image_size) == ("ResNet50", "imagenet", 224)
    assert (config.batch_size, config.dropout, config.momentum, config.seed) == (64, 0.0, 0.9, 0)
    assert (config.head_epochs, config.head_learning_rate) == (10, 0.01)
    assert (config.finetune_epochs, config.finetune_learning_rate) == (0, 0.001)
    assert (config.optimizer, config.schedule, config.warmup_epochs) == ("sgd", "cosine", 0.5)


def test_bundled_weights_bring_their_network_and_size():
    config = make(weights="bundled")
    assert (config.backbone, config.image_size) == ("MobileNetV2_035", 48)
    assert make(weights="bundled", image_size=96).image_size == 96
    assert refusal(weights="bundled", backbone="MobileNetV2") == (
        "backbone='MobileNetV2': is another network than weights=bundled belong to. Use "
        "MobileNetV2_035 or leave it out, or give other weights."
    )


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().seed = 1


@pytest.mark.parametrize("name", FIELDS)
def test_wrong_type_is_refused(name):
    kind = FIELDS[name].type
    wrong = {str: 5, int: "64", float: "0.5", bool: 1}[kind]
    assert (
        refusal(**{name: wrong}) == f"{name}={wrong!r}: is not {WORDS[kind]}. Give {WORDS[kind]}."
    )


@pytest.mark.parametrize("name", NUMBERS)
def test_true_is_no_number(name):
    words = WORDS[FIELDS[name].type]
    assert refusal(**{name: True}) == f"{name}=True: is not {words}. Give {words}."


def test_paths_and_numbers_of_numpy_become_pythons_own():
    """So that the flags of a run, its JSON files and its keys have the same value as ever."""
    given = {
        "run_dir": (pathlib.Path("runs", "x"), "runs/x"),
        "weights": (pathlib.PurePosixPath("net.weights.h5"), "net.weights.h5"),
        "batch_size": (np.int64(6), 6),
        "dropout": (np.float32(0.5), 0.5),
        "overwrite": (np.True_, True),
        "seed": (np.array(3, np.uint8), 3),
        "augment": (["flip", "crop:0.3"], "flip,crop:0.3"),
        "average_mirrored": (True, "yes"),
    }
    config = make(**{name: value for name, (value, _) in given.items()})
    for name, (_, plain) in given.items():
        found = getattr(config, name)
        assert (type(found), found) == (type(plain), plain)
    assert config == make(**{name: plain for name, (_, plain) in given.items()})
    assert refusal(batch_size=np.float64(0.5)).startswith("batch_size=0.5: is not a whole number")
    assert refusal(seed=np.arange(2)).startswith("seed=array([0, 1]): is not a whole number")


def test_fraction_is_no_whole_number():
    assert refusal(batch_size=6.0) == "batch_size=6.0: is not a whole number. Give a whole number."


@pytest.mark.parametrize("name", NUMBERS)
def test_negative_number_is_refused(name):
    assert refusal(**{name: -1}).startswith(f"{name}=-1: must be ")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", FLOATS)
def test_number_that_is_not_finite_is_refused(name, value):
    assert refusal(**{name: value}).startswith(f"{name}={value!r}: must be ")


@pytest.mark.parametrize(
    ("name", "value", "limits", "default"),
    [
        ("validation_fraction", 0.0, "above 0 and below 1", "0.1"),
        ("validation_fraction", 1, "above 0 and below 1", "0.1"),
        ("test_fraction", 0.0, "above 0 and below 1", "0.1"),
        ("test_fraction", 1.0, "above 0 and below 1", "0.1"),
        ("examples_per_class", -1, "at least 0 and finite", "0"),
        ("image_size", -1, "at least 0 and at most 4096", "0"),
        ("image_size", 4097, "at least 0 and at most 4096", "0"),
        ("batch_size", 0, "at least 1 and at most 65536", "64"),
        ("batch_size", 65537, "at least 1 and at most 65536", "64"),
        ("dropout", 1.0, "at least 0 and below 1", "0.0"),
        ("momentum", 1.0, "at least 0 and below 1", "0.9"),
        ("weight_decay", -0.1, "at least 0 and finite", "0.0"),
        ("seed", 2**32, "at least 0 and at most 4294967295", "0"),
        ("head_epochs", 100_001, "at least 0 and at most 100000", "10"),
        ("head_epochs", 10**400, "at least 0 and at most 100000", "10"),
        ("finetune_epochs", 100_001, "at least 0 and at most 100000", "0"),
        ("head_learning_rate", 0.0, "above 0 and finite", "0.01"),
        ("finetune_learning_rate", 0.0, "above 0 and finite", "0.001"),
        ("warmup_epochs", -0.5, "at least 0 and finite", "0.5"),
    ],
)
def test_value_outside_the_limits_is_refused_with_limits_and_default(name, value, limits, default):
    assert refusal(**{name: value}) == (
        f"{name}={value!r}: must be {limits}. The default is {default}."
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("validation_fraction", (1e-9, 0.89)),
        ("test_fraction", (1e-9, 0.89)),
        ("examples_per_class", (0, 10**400)),
        ("image_size", (1, 4096)),
        ("batch_size", (1, 65536)),
        ("dropout", (0, 0.99)),
        ("momentum", (0, 0.99)),
        ("weight_decay", (0, 1e9)),
        ("seed", (0, 2**32 - 1)),
        ("head_epochs", (1, 100_000)),
        ("finetune_epochs", (0, 100_000)),
        ("head_learning_rate", (1e-30, 100)),
        ("finetune_learning_rate", (1e-30, 100)),
        ("warmup_epochs", (0, 1000)),
    ],
)
def test_values_at_the_limits_are_taken(name, values):
    assert [getattr(make(**{name: value}), name) for value in values] == list(values)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("resize", "crops", "Did you mean 'crop'? Known: crop, pad, stretch."),
        ("optimizer", "adam", "Did you mean 'adamw'? Known: sgd, adamw."),
        ("schedule", "linear", "Known: cosine, constant."),
        (
            "precision",
            "bfloat16",
            "Did you mean 'mixed_bfloat16'? Known: float32, mixed_bfloat16, mixed_float16, auto.",
        ),
        ("resize", ":bicubic", "Known: crop, pad, stretch."),
        ("resize", "crops:bicubic", "Known: crop, pad, stretch."),
    ],
)
def test_unknown_choice_is_refused_with_all_choices(name, value, advice):
    assert refusal(**{name: value}) == f"{name}={value!r}: is not one of its choices. {advice}"


def test_unknown_interpolation_is_refused_with_all():
    assert make(resize="pad:lanczos3").fit == "pad"
    assert refusal(resize="crop:cubic") == (
        "resize='crop:cubic': is not a known interpolation. Known: "
        "bilinear, bicubic, lanczos3, lanczos5, nearest."
    )


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize(("name", "example"), [("run_dir", "runs/first"), ("dataset", "digits")])
def test_required_field_is_asked_for(name, example, value):
    assert refusal(**{name: value}) == (
        f"{name}='': is required. Give one, as in --{name}={example}."
    )


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("digit", "Did you mean 'digits'? "),
        ("tfds", ""),
        ("tfds:", ""),
        ("cifar10", ""),
    ],
)
def test_unknown_kind_of_data_is_refused(value, advice):
    assert refusal(dataset=value) == (
        f"dataset={value!r}: is not a data set. {advice}"
        "Use folder:DIR, csv:FILE, arrays:FILE, tfds:NAME or digits."
    )


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("photos", "folder:photos"),
        ("./photos/", "folder:./photos/"),
        ("file://photos", "folder:photos"),
        ("photos/list.csv", "csv:photos/list.csv"),
        ("photos/mnist.NPZ", "arrays:photos/mnist.NPZ"),
        ("Folder:photos", "folder:photos"),
        ("CSV:photos/list.csv", "csv:photos/list.csv"),
    ],
)
def test_path_that_there_is_gets_its_kind(tmp_path, monkeypatch, value, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("list.csv", "mnist.NPZ"):
        (tmp_path / "photos" / name).touch()
    assert f"is not a data set. Did you mean {meant!r}? Use" in refusal(dataset=value)


def test_fractions_must_leave_images_to_train_on():
    assert refusal(validation_fraction=0.5, test_fraction=0.5) == (
        "validation_fraction=0.5: together with test_fraction=0.5 leaves nothing to train on. "
        "Their sum must stay below 1."
    )


def test_a_run_must_have_an_epoch():
    assert refusal(head_epochs=0) == (
        "head_epochs=0: with finetune_epochs=0 trains nothing. Raise one of the two."
    )


def test_frozen_random_backbone_is_refused_with_the_reason():
    assert refusal(weights="none", finetune_epochs=3) == (
        "weights='none': head_epochs=10 would train a head on a frozen backbone with random "
        "weights, whose features carry little information. Use --head_epochs=0 and "
        "--finetune_epochs=10 to train every layer, or give pretrained weights."
    )


def test_random_layers_cannot_stay_frozen():
    assert refusal(**NONE, unfreeze_from="conv5") == (
        "unfreeze_from='conv5': would leave layers with random weights frozen below it, as "
        "weights=none. Leave it out or use 'all'."
    )
    assert make(**NONE, unfreeze_from="all") != make(**NONE)


def test_phases_follow_the_epochs():
    head = Phase(name="head", epochs=2, learning_rate=0.2, warmup_epochs=0.0, unfreeze_from=None)
    upper = Phase(
        name="finetune", epochs=3, learning_rate=0.03, warmup_epochs=0.7, unfreeze_from="conv5"
    )
    changes = {
        "head_learning_rate": 0.2,
        "finetune_learning_rate": 0.03,
        "warmup_epochs": 0.7,
        "unfreeze_from": "conv5",
    }
    assert make(head_epochs=2, finetune_epochs=3, **changes).phases == (head, upper)
    assert make(head_epochs=2, **changes).phases == (head,)
    assert make(head_epochs=0, finetune_epochs=3, **changes).phases == (upper,)


def test_training_from_scratch_is_one_phase_over_every_layer():
    expected = Phase(
        name="scratch", epochs=3, learning_rate=0.001, warmup_epochs=0.5, unfreeze_from="all"
    )
    assert make(**NONE).phases == (expected,)


CHOICES = {
    "format": "keras,onnx",
    "resize": "pad",
    "optimizer": "adamw",
    "schedule": "constant",
    "precision": "auto",
    "cache_dtype": "float16",
    "dataset": "csv:ein Ordner.csv",
    "layout": "auto",
    "leave_out": "",
    "on_bad_image": "skip",
    "small_classes": "train",
    "near_duplicates": "report",
    "split_values": "a=b=test,3=validation",
    "class_weights": "sqrt",
    "best_by": "macro_f1",
    "on_nan": "stop",
    "augment": "flip,color:0.25",
    # Those that are meant for one command.
    "overwrite": False,
    "devices": "1",
    "workers": "",
    "worker": 0,
    "label_issues": False,
    "repeats": 1,
    "head": "solved",
    "average_mirrored": "auto",
    "refit": False,
    "recipe": "manual",
    "budget": "90s",
    "input_scaling": "-1..1",
    "class_prompts": "ein {}",
}


def other_value(field):
    if field.name in CHOICES:
        return CHOICES[field.name]
    if field.type is str:
        return "ein Ordner/#1 a=b, čeština 'x'"
    default = 0 if field.default is dataclasses.MISSING else field.default
    return default + 1 if field.type is int else default / 3 + 1e-7


def test_flags_give_the_same_config_back(tmp_path):
    config = Config(**{name: other_value(field) for name, field in FIELDS.items()})
    same = [name for name, field in FIELDS.items() if getattr(config, name) == field.default]
    # A data set that has columns has no layout.
    once = ["devices", "overwrite", "worker", "workers", "label_issues", "refit", "repeats"]
    assert sorted(same) == sorted(["layout", "leave_out", *once])
    assert config_from_flags(config.to_flags()) == config
    path = tmp_path / "flags.txt"
    path.write_text("\n".join(config.to_flags()), encoding="utf-8")
    assert config_from_flags([f"--flagfile={path}"]) == config


def test_flags_list_every_field_once_but_those_for_one_command():
    named = [
        re.match("--([a-z_]+)=", flag)[1]
        for flag in make(overwrite=True, recipe="manual").to_flags()
    ]
    once = {"overwrite", "devices", "workers", "worker"}
    assert sorted(named) == sorted(FIELDS.keys() - once)
    given = make(overwrite=True, devices="all", workers="a:1,b:1", worker=1)
    assert config_from_flags(given.to_flags()) == make(overwrite=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("flip", (("flip", None),)),
        ("crop, color:0.3", (("crop", 0.2), ("color", 0.3))),
        ("randaugment:1,flip", (("randaugment", 1.0), ("flip", None))),
    ],
)
def test_augmentations_are_read_with_their_strength(text, expected):
    assert Config(run_dir="x", dataset="digits", augment=text).augmentations == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flop", "augment='flop': is not a known augmentation. Did you mean 'flip'? Known: "),
        ("flip,", "augment='': is not a known augmentation. Known: flip, mirror, crop, color"),
        ("flip:0.5", "augment='flip:0.5': 'flip:0.5' has a strength where none is taken."),
        ("mirror:0.5", "augment='mirror:0.5': 'mirror:0.5' has a strength where none is taken."),
        ("color:2", "augment='color:2': 'color:2' has no strength above 0 and at most 1."),
        ("color:", "augment='color:': 'color:' has no strength above 0 and at most 1."),
        ("crop:0", "augment='crop:0': 'crop:0' has no strength above 0 and at most 1."),
        ("crop:nan", "augment='crop:nan': 'crop:nan' has no strength above 0 and at most 1."),
    ],
)
def test_wrong_augmentation_is_refused(text, message):
    with pytest.raises(UsageError) as caught:
        Config(run_dir="x", dataset="digits", augment=text)
    assert str(caught.value).startswith(message)


def test_views_of_nothing_are_refused():
    with pytest.raises(UsageError, match=r"^augment_views=2: has nothing to change, as augment"):
        Config(run_dir="x", dataset="digits", augment_views=2)
    with pytest.raises(UsageError, match=r"^augment_views=1: is the image itself alone, as augm"):
        Config(run_dir="x", dataset="digits", augment="mirror", augment_views=1)


def test_mirroring_in_turn_keeps_features_without_a_number_of_views():
    known = {"run_dir": "x", "dataset": "digits", "augment": "mirror", "label_issues": True}
    assert Config(**known).num_views == 2
    assert Config(**known, head="solved", augment_views=3).num_views == 3
    with pytest.raises(UsageError, match=r"^label_issues=True: needs stored features"):
        Config(**known | {"augment": "mirror,crop"}, augment_views=2)


def test_tilde_is_the_home_folder_from_python_too(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config(run_dir="~/x", dataset="digits", cache_dir="~/c", weights="~/w.h5")
    assert config.run_dir == f"{tmp_path}/x"
    assert config.cache_path == tmp_path / "c"
    assert config.weights == f"{tmp_path}/w.h5"


def test_from_scratch_nothing_is_stored():
    values = {"run_dir": "x", "dataset": "digits", "head_epochs": 0, "finetune_epochs": 1}
    assert Config(**values, weights="none").cache_path is None
    assert Config(**values).cache_path is not None


def test_a_config_reads_its_flags_back():
    config = make(
        dropout=0.25, augment="flip,color:0.3", augment_views=2, splits_from="a=b.csv", seed=3
    )
    assert Config.from_flags(["", "# a comment", *config.to_flags()]) == config


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("batch_size=8", "'batch_size=8' is not a flag of a run. Lines look like --name=value."),
        ("--batchsize=8", "'--batchsize=8' is not a flag of a run. Lines look like --name=value."),
        ("--batch_size", "'--batch_size' is not a flag of a run. Lines look like --name=value."),
        ("--batch_size=x", "batch_size='x': is not a whole number. Give a whole number."),
        ("--overwrite=x", "overwrite='x': is not true or false. Give true or false."),
    ],
)
def test_a_line_that_is_no_flag_is_refused(line, message):
    with pytest.raises(UsageError) as caught:
        Config.from_flags(["--run_dir=r", "--dataset=digits", line])
    assert str(caught.value) == message


def test_what_is_missing_from_the_flags_has_its_default_or_is_required():
    assert Config.from_flags(["--run_dir=runs/x", "--dataset=digits"]) == make()
    with pytest.raises(UsageError, match=r"^run_dir='': is required"):
        Config.from_flags(["--dataset=digits"])


def test_every_setting_says_what_it_decides():
    config = make()
    parts = [set(config.deciding(part)) for part in Decides]
    assert sum(map(len, parts)) == len(FIELDS)
    assert set.union(*parts) == set(FIELDS)
    features = config.deciding(Decides.FEATURES)
    assert features == {
        "image_size": 224,
        "resize": "crop",
        "backbone": "ResNet50",
        "weights": "imagenet",
        "input_scaling": "",
        "precision": "float32",
        "cache_dtype": "float32",
    }
    flags = config.to_flags(Decides.OUTPUT)
    assert flags[0] == "--export_dir="
    assert len(flags) == len(config.deciding(Decides.OUTPUT))


def test_values_of_splits_are_those_of_a_table():
    given = make(dataset="csv:list.csv", split_values=" 4=test, a=b=validation")
    assert given.meanings_of_splits == {"4": "test", "a=b": "validation"}
    for text in ("4=hold", "test", "=", "4=test,3"):
        with pytest.raises(UsageError, match=r"does not say which split each .* VALUE=SPLIT, with"):
            make(dataset="csv:list.csv", split_values=text)
    with pytest.raises(UsageError, match=r"split_values='4=test': .*='folder:a' is not a table"):
        make(dataset="folder:a", split_values="4=test")


def test_layout_is_that_of_a_folder():
    assert make(dataset="folder:photos", layout="class").layout == "class"
    for dataset in ("csv:list.csv", "digits"):
        with pytest.raises(UsageError, match=f"layout='class': .* dataset='{dataset}' is not a f"):
            make(dataset=dataset, layout="class")


@pytest.mark.parametrize(
    ("changes", "recipe", "given"),
    [
        ({}, "auto", ()),
        # A value that is the default is given nevertheless.
        ({"head_epochs": 10}, "manual", ()),
        ({"refit": False}, "manual", ()),
        ({"image_size": 224, "batch_size": 64}, "auto", ("batch_size", "image_size")),
        ({"seed": 5, "best_by": "loss"}, "auto", ("best_by",)),
        ({"recipe": "auto", "refit": False}, "auto", ("recipe", "refit")),
        ({"recipe": "fast", "optimizer": "sgd"}, "fast", ("optimizer", "recipe")),
        # The recipe makes phases that go together with these.
        ({"recipe": "auto", "refit": True}, "auto", ("recipe", "refit")),
        ({"recipe": "auto", "head_epochs": 0}, "auto", ("head_epochs", "recipe")),
        (NONE, "manual", ()),
    ],
)
def test_recipe_chooses_what_is_not_given(changes, recipe, given):
    config = make(**changes)
    # Copies, and what is read back from flags, leave the same to the recipe.
    copies = (
        dataclasses.replace(config, cache_dir=""),
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
    )
    for one in (config, *copies):
        assert (one.recipe, one.given) == (recipe, given)
    read = Config.from_flags(config.to_flags())
    assert (read, read.recipe) == (config, recipe)
    assert {*read.given} - {"recipe"} == {*given} - {"recipe"}
    assert dataclasses.replace(config, finetune_epochs=7).recipe in (recipe, "manual")


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 600.0),
        ({"recipe": "best"}, 3600.0),
        ({"budget": "90s"}, 90.0),
        ({"budget": "2h", "recipe": "fast"}, 7200.0),
        ({"finetune_epochs": 1}, math.inf),
    ],
)
def test_time_of_a_run_is_its_budget_or_that_of_its_recipe(changes, seconds):
    assert make(**changes).run_seconds == seconds


def test_budget_that_is_no_time_is_refused():
    assert refusal(budget="soon") == "budget='soon': is not a time. Give one, as in 90s, 10m or 2h."


@pytest.mark.parametrize("field", ["run_dir", "dataset", "cache_dir", "export_dir", "splits_from"])
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a\0b", "holds a NUL character. Remove it."),
        (os.fsdecode(b"fotos/\xe9t\xe9"), "holds bytes that are not UTF-8 text. Rename the "),
    ],
)
def test_path_that_no_file_could_hold_is_refused(field, path, problem):
    value = f"folder:{path}" if field == "dataset" else path
    assert refusal(**{field: value}).startswith(f"{field}={value!r}: {problem}")


def test_path_of_any_script_is_accepted():
    assert make(run_dir="läufe/图片 😀").run_dir == "läufe/图片 😀"


def test_auto_is_a_number_that_a_run_finds():
    config = make(batch_size="auto", head_epochs=1)
    assert config.leaves_open
    assert config.autos == ("batch_size",)
    assert "--batch_size=auto" in config.to_flags()
    assert Config.from_flags(config.to_flags()) == config
    usual = config.without("batch_size")
    assert not usual.leaves_open
    assert (usual.batch_size, usual.origin("batch_size")) == (64, "default")
    # What stands for it is no number of a flag.
    for value in ("0", "-1", "Auto"):
        with pytest.raises(UsageError, match="batch_size="):
            Config.from_flags(["--run_dir=x", f"--batch_size={value}"])
    assert "image_size='auto'" in refusal(image_size="auto")


TAUGHT = {"teacher": "runs/large", "recipe": "manual"}


def test_teacher_needs_somewhere_to_keep_its_answers_and_steps_that_learn_them():
    assert make(**TAUGHT).teacher_weight == 0.5
    assert make(**TAUGHT, augment="flip", augment_views=4)
    no_place = (
        "teacher='runs/large': answers for each image and view once, and this run keeps no "
        "answers. Give it a cache_dir, and --augment_views=4 if it augments."
    )
    assert refusal(**TAUGHT, augment="flip") == no_place
    assert refusal(**TAUGHT, cache_dir="") == no_place
    no_steps = (
        "teacher='runs/large': takes part in steps, and a head that is solved has none. Use "
        "--head=sgd, or --finetune_epochs above 0."
    )
    assert refusal(**TAUGHT, head="solved") == no_steps
    assert make(**TAUGHT, head="solved", finetune_epochs=1)
    # A recipe has not chosen yet.
    assert make(teacher="runs/large").recipe == "auto"


def test_why_an_epoch_is_kept_is_what_decided():
    why = functools.partial(why_kept, last_phase="finetune")
    assert why("head", 3, best_by="loss") == "the best on the validation images"
    assert why("finetune", 2, best_by="last").startswith("the last one, as few ")
    assert why("finetune", 1, best_by="last") == "the only one of the last phase"
    assert why("head", 3, best_by="last") == (
        "clearly better on the validation images than the end of the finetune phase"
    )


def test_prompts_name_the_class_and_take_a_network_that_has_learned_texts():
    assert make(class_prompts="a {}, outdoors").phases[0].name == "prompts"
    assert refusal(class_prompts="a photo") == (
        "class_prompts='a photo': does not say where the name of the class goes. Write {} there, "
        "as in 'a photo of a {}'."
    )
    assert refusal(class_prompts="a {}", **NONE) == (
        "class_prompts='a {}': needs a network that has learned texts, and weights=none is random. "
        "Leave one of the two out."
    )
