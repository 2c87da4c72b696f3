"""The baseline of a search whose flags leave choices to a recipe: chosen once for all processes."""

import dataclasses
import math
import pathlib
import time

from kerastl.config import RECIPE_SETTINGS, Config
from kerastl.data.splits import Splits
from kerastl.model.network import First
from kerastl.progress import Progress
from kerastl.recipes.following import Followed, follow
from kerastl.settings.recipe import BUDGETS, MANUAL
from kerastl.tuning.directory import DIRECTORY, SearchFile
from kerastl.tuning.loop import wait_for_chief
from kerastl.tuning.space import Space
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.task import Task, is_worker
from kerastl.writing import replace_text

# Of a search's time, at most this share is that of its first trial.
_SHARE = 0.25
# What the default space, which is for the chosen settings, always varies.
_ALWAYS_SEARCHED = ("finetune_epochs",)


def with_choices(
    task: Task, splits: Splits, progress: Progress, first: First | None = None
) -> Task:
    """Returns a task with the choices of its recipe, which a search keeps in its directory.

    Args:
        task: The task.
        splits: The images.
        progress: Gets a line for each choice.
        first: The backbone of `first_settings`, if it is open already.

    Raises:
        KerastlError: If this is a worker and its chief does not choose.
    """
    config = task.config
    if not config.leaves_open:
        return task
    path = pathlib.Path(config.run_dir) / DIRECTORY / SearchFile.RECIPE
    if is_worker(task.role):
        wait_for_chief(path.exists, run_dir=config.run_dir)
    elif config.overwrite or not path.exists():
        followed = _follow(task, splits, progress, first)
        text = followed.config.to_flagfile(followed.reasons)
        replace_text(path, text, field="run_dir")
    chosen = Config.from_flags(path.read_text(encoding="utf-8").splitlines())
    given, where = task.config.given, f"recipe {task.config.recipe}"
    known = {name: getattr(chosen, name) for name in RECIPE_SETTINGS}
    values = {
        name: value
        for name, value in known.items()
        if name not in given or value != getattr(task.config, name)
    }
    config = task.config.changed(where, **values, recipe=MANUAL, budget="")
    space = task.space and read_space(task.space.to_text(), config)
    return dataclasses.replace(task, config=config, space=space)


def _follow(task: Task, splits: Splits, progress: Progress, first: First | None) -> Followed:
    config = task.config
    left = task.deadline - time.monotonic()
    deadline = time.monotonic() + min(BUDGETS.get(config.recipe, math.inf), _SHARE * left)
    searched = [*task.space.dimensions] if task.space else _ALWAYS_SEARCHED
    if task.space and _changes_each_epoch(task.space):
        # That leaves no features to solve a head on.
        config = config.changed("search space", head=config.head, recipe=config.recipe)
    return follow(
        config, splits, deadline=deadline, progress=progress, searched=searched, first=first
    )


def _changes_each_epoch(space: Space) -> bool:
    """Returns whether some augmentation of a space is new in every epoch."""
    dimension = space.dimensions.get("augment")
    values = dimension.to_check if dimension else ()
    configs = [space.config_for({"augment": value}) for value in values]
    return any(config.augment and not config.num_views for config in configs)
