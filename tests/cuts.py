"""Runs that are cut off: what a kill leaves is a copy of the directory at that moment."""

import os
import pathlib
import shutil

import fakes


def copies_of(run_dir, folder, monkeypatch):
    """Copies the directory of a run after each file that appears in it; returns the copies."""
    made, replace = [], os.replace

    def replace_and_copy(source, target):
        replace(source, target)
        if pathlib.Path(target).is_relative_to(run_dir):
            made.append((pathlib.Path(target), folder / f"copy{len(made)}"))
            shutil.copytree(run_dir, made[-1][1])

    monkeypatch.setattr(os, "replace", replace_and_copy)
    return made


def find_copy(copies, name):
    """Finds the first copy that was made after a file whose name begins so."""
    return next(copy for path, copy in copies if path.name.startswith(name))


def go_on_from(copy, config, source):
    shutil.rmtree(config.run_dir)
    shutil.copytree(copy, config.run_dir)
    return fakes.finish_run(config, source)
