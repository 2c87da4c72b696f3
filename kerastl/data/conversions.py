"""What to do with files that are no pictures yet, or none that can be decoded."""

# Those of one video or patient are alike, so they have to stay together.
_IN_GROUPS = "with a folder for each {} in that of its class, and add --layout=class/group"
# The page of the docs that has the lines of Python.
_PAGE = "the docs show it on the page From other tools"
_OF_KIND = {
    "videos": "save some frames of each as JPEG or PNG, " + _IN_GROUPS.format("video"),
    "medical volumes": "save some slices of each as PNG, " + _IN_GROUPS.format("patient"),
    "documents": "save their pages as PNG, in a folder for each class",
    "vector graphics": "save each as PNG, in a folder for each class",
    "sounds": "save a picture of each, such as a spectrogram, in a folder for each class",
    "arrays": "give them as arrays:{folder}, with labels or a folder for each class, or save each "
    "image as PNG",
    "Parquet or Arrow files": f"save the images in them as files with pyarrow ({_PAGE})",
    "TFRecord files": "save the images in them as files, or give what TensorFlow Datasets prepared "
    f"as tfds:NAME ({_PAGE})",
    "LMDB databases": "save the images in them as files in a folder for each class: with the "
    "Python package lmdb, lmdb.open(folder, readonly=True).begin().cursor() yields each name and "
    "its bytes, as the program that wrote them has packed them",
    "archives": "unpack them and give the folder",
    "cloud placeholders": "download the files that they stand for",
}
# By a word of the reason why they cannot be decoded.
_OF_PATIENTS = "in a folder for each patient in that of its class, and add --layout=class/group"
_OF_REASON = {
    "DICOM": "Save each as PNG, with the window in which a reader sees what matters, "
    + _OF_PATIENTS,
    "NIfTI": "Save some slices of each as PNG, " + _OF_PATIENTS,
    "(unsupported)": "Convert them to PNG or JPEG, into a folder of their own",
}


def way_of_kind(kind: str, folder: object) -> str:
    """Returns what to do with files of a kind of `beside` in a folder; empty for other kinds."""
    return _OF_KIND.get(kind, "").format(folder=folder)


def way_of_tool(tool: str) -> str:
    """Returns what to do with images that a tool of `tool_files` has described."""
    return (
        f"cut out the objects that {tool} has marked, or write a table of the path and the class "
        f"of each image ({_PAGE})"
    )


def way_of_reason(reason: str) -> str:
    """Returns what to do with files that cannot be decoded for a reason; empty for others."""
    return next((way for word, way in _OF_REASON.items() if word in reason), "")
