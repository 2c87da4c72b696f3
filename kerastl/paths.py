"""Paths as people give them: what is no path on a disk is refused, and `~` is the home folder."""

import os
import pathlib
import pwd
import re
import sys
import unicodedata
import urllib.parse

from kerastl.errors import UsageError, bad_value

# pathlib makes one slash of the two, and so a local folder named `gs:`.
_URL = re.compile(r"[a-z][\w+.-]*://", re.I)
# Storage by the names that tools for it use, as in `s3:bucket/photos`.
_STORAGE = (
    "abfss? adl azure az b2 dbfs dropbox ftp gcs gdrive gs hdfs https? minio nfs onedrive oss r2 "
    "s3[an]? sftp smb ssh swift wasbs? webdav"
)
# A first part that ends in a colon, as in `dbfs:/x` and `host:/x`; `user@host:x`; `s3:x`; folders
# of a remote that a tool knows by a name, as in `drive:photos/cats`.
_REMOTE = re.compile(
    rf"[^/:]+:(/|$)|[^/:]+@[^/:]+:|({_STORAGE.replace(' ', '|')}):|[a-z][\w-]+:[^/:]+/", re.I
)
# `C:/x`, `C:x` and `\\server\x`.
_OF_WINDOWS = re.compile(r"[a-z]:|\\\\", re.I)
_VARIABLE = re.compile(r"(^|/)(\$\w+|\$\{\w+\}|%\w+%)([/\\]|$)")


def local_path(text: str | os.PathLike[str], *, field: str, value: str = "") -> pathlib.Path:
    """Returns the path that a person means, see `checked`.

    Raises:
        UsageError: If it is no path.
    """
    if not isinstance(text, (str, os.PathLike)):
        raise bad_value(field, text, "is no path", "Give the path of a file or folder")
    return pathlib.Path(checked(os.fspath(text), field=field, value=value))


def checked(given: str, *, field: str, value: str = "") -> str:
    """Returns a path with a leading `~` expanded.

    What exists as it stands is a path, whatever it looks like, unless it begins like a URL.

    Args:
        given: What a person gave.
        field: Flag or argument that it was given for, for the message.
        value: Its whole value, if the path is only a part of it.

    Raises:
        UsageError: If it is an address, a path of Windows, or holds what only a shell replaces.
    """
    if given.startswith("~"):
        return _expand(given, field, value or given)
    is_url = bool(_URL.match(given))
    if is_url or not os.path.lexists(given):
        problem, advice = _why_not(given, is_url=is_url)
        if problem:
            raise bad_value(field, value or given, problem, advice)
    return given


def home() -> str | None:
    """Returns the home folder, by HOME or else the system's list of users; None without one."""
    given = os.environ.get("HOME", "")
    # A relative one would be another folder in each working directory.
    if os.path.isabs(given):
        return given
    try:
        return pwd.getpwuid(os.getuid()).pw_dir or None
    except KeyError:
        return None


def cache_folder() -> pathlib.Path:
    """Returns the user's cache folder for kerastl, by the rules of the operating system."""
    # By the rules of XDG one that is not absolute is ignored.
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        # Where there is no home, `/` takes its place, as login and containers do it.
        below = "Library/Caches" if sys.platform == "darwin" else ".cache"
        base = os.path.join(home() or "/", below)
    return pathlib.Path(base) / "kerastl"


def _why_not(given: str, *, is_url: bool) -> tuple[str, str]:
    """Returns what is wrong with a path that does not exist, and what to do; empty for nothing."""
    if given.lower().startswith("file:/"):
        return "is an address", f"Give the path alone, {'/' + given[5:].lstrip('/')!r}"
    if _OF_WINDOWS.match(given) and not is_url:
        return "is a path of Windows", "Give the path that it has on this system"
    if is_url or _REMOTE.match(given):
        problem = "is an address; copy it to a disk or mount it as a folder"
        return problem, "Give the path that it has there"
    if found := _VARIABLE.search(given):
        problem = f"holds {found[2]}, which only a shell replaces, and no flag file"
        return problem, "Write out what it stands for"
    if meant := _as_pasted(given):
        return f"does not exist, and {meant!r} does", "Give that"
    return "", ""


def _as_pasted(given: str) -> str:
    """Returns what exists without what comes along when a path is pasted; empty for nothing."""
    text = given
    for undo in (
        _without_marks,
        str.strip,
        _without_quotes,
        urllib.parse.unquote,
        _without_escapes,
    ):
        text = undo(text)
        for form in (text, *(unicodedata.normalize(name, text) for name in ("NFC", "NFD"))):
            if form not in ("", given) and os.path.lexists(os.path.expanduser(form)):
                return form
    return ""


def _without_marks(text: str) -> str:
    return "".join(one for one in text if unicodedata.category(one) != "Cf")


def _without_quotes(text: str) -> str:
    return text.strip("'\"`\u2018\u2019\u201c\u201d").strip()


def _without_escapes(text: str) -> str:
    return re.sub(r"\\(?=[ ()\[\]&'])", "", text).replace("\\", "/")


def _expand(given: str, field: str, value: str) -> str:
    name, slash, rest = given.partition("/")
    base = home() if name == "~" else os.path.expanduser(name)
    if base is None or base == name:
        raise UsageError(
            f"{field}={value!r}: begins with {name}, and there is no such home folder. Give the "
            f"whole path, or ./{name} for a folder of that name."
        )
    return f"{base.rstrip('/')}{slash}{rest}" or "/"
