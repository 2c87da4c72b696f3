import pytest

from kerastl.commands.table import run_command
from kerastl.config import Config
from kerastl.errors import UsageError
from kerastl.tuning.space import Choice, Range
from kerastl.tuning.space_parser import read_space


def config(**changes):
    return Config(**{"run_dir": "x", "dataset": "digits", "finetune_epochs": 2} | changes)


def test_every_form_of_a_range_is_read():
    space = read_space(
        {
            "dropout": "uniform(0, 0.5)",
            "head_learning_rate": "log(1e-4,1e-1)",
            "finetune_epochs": "int(0,4)",
            "augment": 'choice("",flip,"flip,crop:0.2")',
            "unfreeze_from": "choice(block_13, block_6)",
            "batch_size": "choice(32,64,32)",
        },
        config(),
    )
    assert space.dimensions == {
        "dropout": Range(0, 0.5),
        "head_learning_rate": Range(1e-4, 1e-1, is_log=True),
        "finetune_epochs": Range(0, 4, is_whole=True),
        "augment": Choice(("", "flip", "flip,crop:0.2")),
        "unfreeze_from": Choice(("block_13", "block_6")),
        "batch_size": Choice((32, 64)),
    }
    # What is written is read again as the same.
    assert read_space(space.to_text(), config()) == space


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({}, "search_space='': is empty. Give a range"),
        (
            {"droput": "uniform(0,1)"},
            "search_space='droput': is not a flag. Did you mean 'dropout'?",
        ),
        (
            {"seed": "int(0,9)"},
            "search_space='seed': cannot be searched: it changes no results, or",
        ),
        (
            {"dropout": "0.5"},
            "search_space='dropout=0.5': is not a range. Write choice(A,B)",
        ),
        (
            {"dropout": 0.5},
            "search_space='dropout=0.5': is not a range. Write choice(A,B)",
        ),
        ({"dropout": "unifrom(0,1)"}, "'dropout=unifrom(0,1)': is not a range."),
        ({"dropout": "uniform(0.5,0)"}, "'dropout=uniform(0.5,0)': is not ascending."),
        ({"dropout": "uniform(0)"}, "'dropout=uniform(0)': does not have two numbers."),
        ({"dropout": "uniform(0,nan)"}, "'dropout=uniform(0,nan)': is not ascending."),
        ({"dropout": "log(0,0.5)"}, "has no logarithm. Start above 0, or write uniform"),
        (
            {"dropout": "int(0,1)"},
            "is of the wrong kind. Write uniform(LOW,HIGH) or log(LOW,HIGH).",
        ),
        ({"batch_size": "uniform(1,8)"}, "is of the wrong kind. Write int(LOW,HIGH)."),
        ({"optimizer": "log(1,2)"}, "is a range, but the flag takes no number. Write choice(A,B)."),
        (
            {"batch_size": "choice(8,many)"},
            "search_space=batch_size: batch_size='many': is not a whole number.",
        ),
        ({"batch_size": "choice()"}, "'batch_size=choice()': has no value."),
        # The flags' own limits and names, before any trial.
        (
            {"dropout": "uniform(0,1)"},
            "search_space=dropout: dropout=1.0: must be at least 0 and below",
        ),
        ({"batch_size": "int(0,64)"}, "search_space=batch_size: batch_size=0: must be at least 1"),
        ({"optimizer": "choice(sgd,adm)"}, "optimizer='adm': is not one of its choices."),
        ({"augment": "choice(flop)"}, "augment='flop': is not a known augmentation. Did you mean"),
        (
            {"backbone": "choice(ResNet5)"},
            "search_space=backbone: backbone='ResNet5': is not a backbone",
        ),
        ({"backbone": "choice(ResNet50=gone.h5)"}, "weights='gone.h5': is not a file."),
        (
            {"augment_views": "choice(1,2)"},
            "search_space='augment_views': never matters, as augment is never not empty.",
        ),
        (
            {"augment": 'choice("")', "augment_views": "choice(1,2)"},
            "search_space='augment_views': never matters",
        ),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(ranges, message):
    with pytest.raises(UsageError) as refused:
        read_space(ranges, config())
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_settings_that_do_not_matter_have_their_defaults():
    space = read_space(
        {
            "finetune_epochs": "int(0,4)",
            "finetune_learning_rate": "log(1e-5,1e-3)",
            "optimizer": "choice(sgd,adamw)",
            "momentum": "uniform(0.5,0.9)",
            "augment": 'choice("",flip)',
        },
        config(augment="flip", augment_views=2, momentum=0.8, unfreeze_from="conv4"),
    )
    assert space.condition_of("finetune_learning_rate") == ("finetune_epochs", [1, 2, 3, 4])
    assert space.condition_of("momentum") == ("optimizer", ["sgd"])
    assert space.condition_of("optimizer") is None
    made = space.config_for({"finetune_epochs": 0, "optimizer": "adamw", "augment": ""})
    default = Config(run_dir="x", dataset="digits")
    assert (made.momentum, made.augment_views) == (default.momentum, 0)
    assert made.unfreeze_from == made.augment == ""
    assert space.values_of(made) == {"finetune_epochs": 0, "optimizer": "adamw", "augment": ""}
    given = space.config
    assert space.values_of(given) == {
        "finetune_epochs": 2,
        "finetune_learning_rate": 0.001,
        "optimizer": "sgd",
        "momentum": 0.8,
        "augment": "flip",
    }


def test_drawn_numbers_have_few_digits_and_stay_within_the_range():
    space = read_space({"head_learning_rate": "log(0.00123456,0.0123456)"}, config())
    assert space.config_for({"head_learning_rate": 0.0034567891}).head_learning_rate == 0.003457
    assert space.config_for({"head_learning_rate": 0.0123456}).head_learning_rate == 0.0123456
    assert space.config_for({"head_learning_rate": 0.00123456}).head_learning_rate == 0.001235


def test_a_backbone_brings_its_weights(tmp_path):
    path = tmp_path / "some.weights.h5"
    path.touch()
    space = read_space({"backbone": f"choice(MobileNetV2={path},ResNet50)"}, config())
    assert space.config_for({"backbone": "ResNet50"}) == config()
    made = space.config_for({"backbone": f"MobileNetV2={path}"})
    assert (made.backbone, made.weights) == ("MobileNetV2", str(path))
    assert space.values_of(made) == {"backbone": f"MobileNetV2={path}"}
    assert space.has(made)
    assert not space.has(config(backbone="MobileNetV2"))


@pytest.mark.parametrize(
    ("changes", "has"),
    [({}, True), ({"dropout": 0.6}, False), ({"optimizer": "adamw", "momentum": 0.1}, True)],
)
def test_it_is_known_whether_the_flags_as_given_could_be_drawn(changes, has):
    ranges = {
        "dropout": "uniform(0,0.5)",
        "optimizer": "choice(sgd,adamw)",
        "momentum": "uniform(0.5,0.95)",
    }
    assert read_space(ranges, config(**changes)).has(config(**changes)) == has


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "': cannot be read (No such file or directory). Check its path."),
        ("# nothing\n", "': has no range. Give one, as in --dropout=uniform(0,0.5)."),
    ],
    ids=["gone", "empty"],
)
def test_a_space_file_that_says_nothing_is_named(content, message, tmp_path, capsys):
    path = tmp_path / "space.flags"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    arguments = ["--run_dir=x", "--dataset=digits", f"--search_space={path}"]
    assert run_command("tune", arguments) == 2
    assert capsys.readouterr().err == f"error: search_space='{path}{message}\n"


def test_a_range_in_place_of_a_file_is_answered_with_what_to_do(capsys):
    arguments = ["--run_dir=x", "--dataset=digits", "--search_space=dropout=uniform(0,0.5)"]
    assert run_command("tune", arguments) == 2
    assert capsys.readouterr().err.startswith(
        "error: search_space='dropout=uniform(0,0.5)': is a range, not a file. Write it into a file"
    )


def test_the_advice_for_an_empty_space_is_a_space():
    with pytest.raises(UsageError) as refused:
        read_space({}, config())
    assert "as in --dropout=uniform(0,0.5)." in str(refused.value)
    read_space({"dropout": "uniform(0,0.5)"}, config())
