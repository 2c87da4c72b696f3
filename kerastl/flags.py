"""Every flag: its topic and help here, its default and limits in `Config`."""

import dataclasses
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from absl import flags

from kerastl.config import Config
from kerastl.errors import UsageError, closest
from kerastl.flagfile import expand_flag_files

# Topic -> flag -> what it means. The order is that of --help.
TOPICS: dict[str, dict[str, str]] = {
    "Data": {
        "dataset": "Labelled images: folder:DIR with a folder for each class, or train, val and "
        "test above those; csv:FILE with a row of path and label for each image; tfds:NAME of "
        "TensorFlow Datasets; or digits, which scikit-learn brings.",
        "tfds_dir": "Where TensorFlow Datasets keeps prepared data; empty for its own place.",
        "validation_fraction": "Share of the training images held out to choose the best "
        "weights, where the data set brings no such split.",
        "test_fraction": "Likewise for the final test.",
        "examples_per_class": "Keep this many training images of each class; 0 keeps all.",
        "splits_from": "The splits.csv of an earlier run: its images stay in their splits, and "
        "only new ones are dealt; empty for none.",
        "small_classes": "What to do about classes with too few images for every split: stop, or "
        "train on all of them.",
        "near_duplicates": "Pictures that are nearly the same: group keeps them on one side of "
        "every split, report only lists them in audit.csv.",
        "on_bad_image": "What to do about files that cannot be used: stop, or skip them.",
        "image_column": "The table's column of paths; empty to find it by its usual names.",
        "label_column": "Likewise of classes.",
        "split_column": "Likewise of train, validation or test.",
        "group_column": "Likewise of what has to be on one side of a split, as a patient.",
        "image_size": "Side of the network's input, in pixels; 0 for 224, with bundled weights 48.",
        "resize": "crop the largest centred square, pad with black, or stretch.",
    },
    "Model": {
        "backbone": "A network of keras.applications, or MobileNetV2_035, MobileNetV2 at a width "
        "of 0.35; empty for ResNet50, with bundled weights MobileNetV2_035.",
        "weights": "imagenet; bundled, which come with the package and know drawn shapes and "
        "letters only; the path of a weights file; or none to train from scratch.",
        "dropout": "Share of the pooled features dropped in training.",
        "precision": "float32, mixed_bfloat16, mixed_float16, or auto for what the GPU is good at.",
    },
    "Training": {
        "batch_size": "Images a step.",
        "head_epochs": "Epochs of the first phase, which trains the new head alone.",
        "head_learning_rate": "Its learning rate.",
        "finetune_epochs": "Epochs of the second phase, which trains the upper blocks too.",
        "finetune_learning_rate": "Its learning rate, well below the head's.",
        "unfreeze_from": "Block or layer from which the second phase trains; all; empty for "
        "the top block.",
        "optimizer": "sgd or adamw.",
        "momentum": "Momentum of sgd.",
        "weight_decay": "Weight decay of kernels, apart from the gradient.",
        "schedule": "cosine, to zero over each phase, or constant.",
        "warmup_epochs": "Epochs over which the second phase's rate rises to its peak.",
        "class_weights": "none; balanced weighs the loss of a class by images / (classes * images "
        "of the class); sqrt by the square root of that.",
        "best_by": "What chooses the best epoch on the validation images: accuracy, "
        "balanced_accuracy, macro_f1 or loss.",
        "label_issues": "List training images whose label is unlikely to label_issues.csv.",
        "augment": "Random changes of training images, in this order: flip, crop, color and "
        "randaugment, the latter three with a strength up to 1 as in color:0.3; empty for none.",
        "augment_views": "Fix this many random versions of each training image, to be stored and "
        "taken in turn; 0 draws new ones in every epoch.",
        "seed": "Decides splits, order and everything else that is random.",
    },
    "Output": {
        "run_dir": "Directory for everything the run writes, exports aside.",
        "export_dir": "The model for serving goes to EXPORT_DIR/<next integer>/; empty for none.",
        "format": "What it is written as: savedmodel, keras, litert, litert_int8 or onnx, or "
        "several with commas.",
        "parity_images": "Test images that each of those is asked about in a fresh process, to "
        "compare it with the trainer; 0 for all.",
        "max_accuracy_drop": "Most of its accuracy that litert_int8 may lose.",
        "cache_dir": "Where the frozen part's outputs are kept between epochs, phases and runs: "
        "auto for the user's cache folder; empty keeps none.",
        "cache_limit_gb": "Most that they may take on disk; 0 for half of what is free.",
        "cache_dtype": "float32, or float16 for half the space.",
        "overwrite": "Replace a finished run in run_dir.",
    },
}

_DEFINERS = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
}
# What absl calls the kinds, and what a person does.
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
# Flags that are no part of Config; absl's own --flagfile is expanded before it sees it.
_HELP = frozenset({"--help", "-help", "-h", "--h"})
_OTHER = {"flagfile": "Read flags from a file, one a line; later flags win.", "help": "Show this."}


def config_from_flags(
    arguments: Sequence[str], *, values: flags.FlagValues | None = None
) -> Config:
    """Parses a command's arguments, flag files included.

    Args:
        arguments: What the command was given.
        values: Flags that the command has beside the main command's; they are set too.

    Raises:
        UsageError: If a flag is unknown or malformed, or a value is wrong.
    """
    values = flags.FlagValues() if values is None else values
    define_flags(_FIELDS, values)
    parse(values, arguments)
    given = {name: getattr(values, name) for name in _FIELDS}
    for name in ("run_dir", "dataset"):
        given[name] = given[name] or ""
    return Config(**given)


def define_flags(names: Iterable[str], values: flags.FlagValues) -> None:
    """Defines flags of the main command in `values`, for it or for another command."""
    for name in names:
        field = _FIELDS[name]
        _DEFINERS[field.type](name, _default(field), "", flag_values=values)  # type: ignore[index]


def parse(values: flags.FlagValues, arguments: Sequence[str], *, takes: str = "") -> list[str]:
    """Sets the flags defined in `values` from a command's arguments, flag files included.

    Args:
        values: The flags that there are.
        arguments: What the command was given.
        takes: What arguments without a flag stand for; empty where there are none.

    Returns:
        The arguments without a flag.

    Raises:
        UsageError: If an argument is no such flag, or a value is of the wrong kind.
    """
    known = [*values, *_OTHER]
    expanded = expand_flag_files(arguments)
    # absl would drop the flags that this one names, misspelt ones too.
    if any(re.match(r"--?undefok(=|$)", argument) for argument in expanded):
        raise _unknown_flag("undefok", known)
    try:
        left_over = values(["kerastl", *expanded])[1:]
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(error.flagname, known) from error
    except flags.IllegalFlagValueError as error:
        raise _wrong_kind(str(error), values) from error
    # A value for --nooverwrite is a ValueError to absl.
    except (flags.Error, ValueError) as error:
        raise _wrong_form(str(error)) from error
    if left_over and not takes:
        raise UsageError(f"argument={left_over[0]!r}: is not a flag. Flags look like --name=value.")
    return list(left_over)


def wants_help(arguments: Sequence[str]) -> bool:
    """Says whether help is asked for, on the command line or in a flag file.

    Raises:
        UsageError: If a flag file cannot be read, and the command line does not ask.
    """
    return bool(_HELP.intersection(arguments)) or bool(
        _HELP.intersection(expand_flag_files(arguments))
    )


def help_text(command: str) -> str:
    """Lists the flags by topic with their defaults."""
    lines = [
        f"usage: {command} --flagfile=FILE [--flag=value ...]",
        "",
        "Trains an image classifier on top of a pretrained network, evaluates it and exports it.",
    ]
    for topic, entries in {**TOPICS, "Other": _OTHER}.items():
        lines += ["", f"{topic}:", *_describe(entries)]
    return "\n".join(lines)


def describe_flags(names: Sequence[str], *, default: str) -> list[str]:
    """Lists flags of the main command for another one, whose default is said in words."""
    meanings = {name: text for entries in TOPICS.values() for name, text in entries.items()}
    return list(_describe({name: meanings[name] for name in names}, default))


def _describe(entries: Mapping[str, str], default: str = "") -> Iterator[str]:
    for name, meaning in entries.items():
        yield f"  --{name}{f' (default: {default})' if default else _default_text(name)}"
        yield from textwrap.wrap(meaning, 74, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _default(field: dataclasses.Field) -> object:
    return None if field.default is dataclasses.MISSING else field.default


def _default_text(name: str) -> str:
    if name not in _FIELDS:
        return ""
    default = _default(_FIELDS[name])
    if default is None:
        return " (required)"
    return f" (default: {default})" if default != "" else " (default: empty)"


def _unknown_flag(name: str, known: Sequence[str]) -> UsageError:
    near = closest(name.removeprefix("no"), known) or closest(name, known)
    advice = f"Did you mean --{near[0]}? " if near else ""
    return UsageError(f"--{name}: is not a flag. {advice}See --help for all.")


def _wrong_form(message: str) -> UsageError:
    # absl says "Missing value for flag --seed" and "--nooverwrite=1 does not take an argument".
    missing = re.fullmatch(r"Missing value for flag --(\w+)", message)
    if missing:
        return UsageError(f"{missing[1]}='': has no value. Write --{missing[1]}=VALUE.")
    needless = re.fullmatch(r"(--no\w+)=.* does not take an argument", message)
    if needless:
        return UsageError(f"{needless[1]}: takes no value. Write {needless[1]} alone.")
    return UsageError(f"{message}. See --help.")


def _wrong_kind(message: str, values: flags.FlagValues) -> UsageError:
    # absl says "flag --batch_size=abc: invalid literal for int() with base 10: 'abc'".
    name, _, rest = message.removeprefix("flag --").partition("=")
    value = rest.split(": ")[0]
    words = _KINDS[values[name].flag_type()]
    return UsageError(f"{name}={value!r}: is not {words}. Give {words}.")
