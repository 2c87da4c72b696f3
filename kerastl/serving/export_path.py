"""The path of the export to serve; imports no TensorFlow, so that a wrong one fails at once."""

import dataclasses
import os
import pathlib

from kerastl.errors import bad_value
from kerastl.export_formats import SAVEDMODEL_FILE, list_versions
from kerastl.paths import local_path

# Of a command that is right.
EXAMPLE = "kerastl serve saved_models/first"


@dataclasses.dataclass(frozen=True)
class ExportPath:
    """A directory of versions, or a single version.

    Attributes:
        directory: The directory.
        name: Name of the model in URLs.
        version: Number of the single version; None for a directory of versions.
    """

    directory: pathlib.Path
    name: str
    version: int | None

    def versions(self) -> dict[int, pathlib.Path]:
        """Finds the complete versions, the highest first."""
        if self.version is not None:
            return {self.version: self.directory}
        return {
            version: path
            for version, path in list_versions(self.directory).items()
            if (path / SAVEDMODEL_FILE).is_file()
        }


def find_export(export: str | os.PathLike[str], name: str = "") -> ExportPath:
    """Finds an export, a directory of versions or one version, and the name to serve it by.

    An empty `name` stands for that of the directory.

    Raises:
        UsageError: If nothing was exported there, or the name cannot be part of a URL.
    """
    if not str(export):
        raise bad_value("export", "", "is missing", f"Give one, as in {EXAMPLE}")
    directory = local_path(export, field="export")
    if not directory.is_dir():
        raise bad_value(
            "export",
            str(export),
            "is not a directory",
            "Give the directory of an export, such as saved_models/first",
        )
    resolved = pathlib.Path(os.path.realpath(directory))
    is_version = (directory / SAVEDMODEL_FILE).is_file()
    numbered = is_version and resolved.name.isdecimal()
    version = (int(resolved.name) if numbered else 1) if is_version else None
    # A link keeps its name, whatever it leads to later.
    own = resolved.parent.name if numbered else os.path.basename(os.path.abspath(directory))
    chosen = name or own
    if not chosen or any(letter in "/:" for letter in chosen):
        raise bad_value("name", chosen, "cannot be part of a URL", "Use a name without / and :")
    found = ExportPath(directory, chosen, version)
    if not found.versions():
        raise bad_value(
            "export",
            str(export),
            f"contains no version with a {SAVEDMODEL_FILE}",
            "Create one with kerastl export",
        )
    return found
