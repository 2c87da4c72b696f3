"""Files that lie beside images and are none, by their names."""

import mimetypes
import pathlib
import re
from collections.abc import Collection

from kerastl.data.file_formats import FORMATS

# What the standard library's table of media types, which no system can change here, knows by the
# first half of a type. Its pictures are left to be looked at.
_KINDS_OF_MEDIA = {
    "audio": "sounds",
    "font": "fonts",
    "message": "documents",
    "model": "3D models",
    "text": "texts",
    "video": "videos",
}
# What that table lacks, or calls by other words than a person would; these win.
ENDINGS = {
    "videos": "mp4 m4v mkv flv wmv asf mts m2ts m2t ts vob ogv ogm 3gp 3g2 divx dv mxf rm rmvb f4v"
    " insv lrv 360 mp",
    "sounds": "flac ogg oga m4a m4b wma amr ape mka caf aif weba dsf dff m3u m3u8 pls cue",
    "texts": "md rst lst log ini cfg conf toml yaml yml json geojson xml xsl xsd dtd rdf"
    " srt vtt sub ass ssa properties nfo diz bib tex latex md5 sha1 sha256 sum names webmanifest",
    "tables": "csv tsv jsonl ndjson xls xlsx xlsm xlsb ods numbers orc sav dta sas7bdat",
    "code files": "py pyc pyo pyi ipynb js mjs cjs jsx tsx css scss cc cpp hpp cu java kt cs go rs"
    " rb pl php rmd jl lua swift sh bash zsh ksh csh bat cmd ps1 vbs sql tcl wasm class jar",
    "archives": "zip 7z rar tar tgz tbz tbz2 txz taz tz gz bz2 xz zst lz lz4 lzma cab iso dmg"
    " cpio ar deb rpm arj lzh cbz cbr shar ustar gtar bcpio sv4cpio sv4crc whl",
    "documents": "pdf doc docx docm dot dotx odt rtf pages ppt pptx pptm pps ppsx pot odp key oda"
    " epub mobi azw3 djvu xps oxps one msg pub vsd vsdx dvi",
    "web pages": "htm html xhtml shtml mht mhtml",
    "side files of cameras and editors": "aae xmp thm pp3 dop nksc nkd on1 cos cop acr vrd dr4 rpp"
    " mie exif exv pto lrcat lrdata lrtemplate ithmb ctg bdm cpi mpl inp ind",
    "vector graphics": "svg svgz eps epsf ps ai cdr wmf emf dxf dwg drawio sketch fig afdesign",
    "3D models": "obj mtl stl ply fbx dae blend gltf glb 3ds max usd usda usdz step stp iges igs"
    " pcd las laz off skp c4d",
    "arrays": "npy npz h5 hdf hdf5 he5 mat nc cdf zarr pkl pickle joblib rds rda rdata"
    " rec idx bcolz cache",
    "Parquet or Arrow files": "parquet feather arrow",
    "TFRecord files": "tfrecord tfrecords tfrec",
    "LMDB databases": "lmdb mdb",
    "models": "keras pb pbtxt pt pth ckpt safetensors onnx tflite mlmodel caffemodel prototxt gguf"
    " weights engine plan",
    "databases": "db db3 sqlite sqlite3 accdb dbf gpkg",
    "fonts": "ttf otf woff woff2 eot pfb",
    "programs": "exe dll so dylib msi apk ipa scr sys lib",
    "cloud placeholders": "dvc icloud nextcloud owncloud cloud cloudf gdoc gsheet gslides gdraw"
    " gform gmap gsite glink gjam",
    "shortcuts": "lnk url webloc desktop alias",
    "unfinished downloads": "part crdownload partial download opdownload filepart aria2 !ut tmp"
    " temp",
    "backup copies": "bak old orig backup swp swo",
    "torrents": "torrent",
}
# Names of files without an ending, in lower case.
_NAMES = {
    "texts": "readme license licence copying changelog authors notice checksums md5sums sha1sums"
    " sha256sums contents index manifest version todo",
    "code files": "makefile dockerfile jenkinsfile vagrantfile procfile",
}
# Formats that files of pictures have beside those that the standard library knows.
PICTURES = (
    "dib jfif jfi pjpeg pjp apng webp jxl jp2 j2k j2c jpf jpx jpm jxr wdp hif hifc heics avifs psd"
    " psb tga exr hdr pcx dds qoi xcf kra fits fit mpo jps insp bpg flif pam pfm sgi wbmp cur svs"
    " ndpi scn mrxs dcm dicom dic ima"
    " raw dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 rwl raf pef ptx srw x3f 3fr fff iiq mef mos"
    " erf mrw dcr kdc gpr"
)

# What MNIST and its followers add, as in `train-images-idx3-ubyte.gz`.
_IDX = re.compile(r"[-.]idx\d-ubyte")
# One of several files, as TensorFlow writes them.
_SHARD = re.compile(r"(\.tf[a-z]+)-\d+-of-\d+$")
# Images in three dimensions.
_VOLUMES = (".nii", ".nii.gz", ".mgz", ".mgh.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mnc")
# What is added to an image's name for its mask or a copy of it, and a number if there are several.
_MASK = re.compile(
    r"(.+?)[ _.-]+(masks?|seg|segmentation|gt|ground[ _.-]?truth|labels?|depth|overlay|heatmap"
    r"|thumb|thumbnail|\d+x\d+)([ _.-]*\d+)?\.[^.]+"
)


def other_kind(name: str) -> str | None:
    """Returns the kind of a file by its name, if that is no picture.

    Placeholders of cloud drives may be hidden files: call this before those are left out.

    Args:
        name: The last part of a path.

    Returns:
        The kind for people, in the plural, as in "videos"; None where it may be a picture.
    """
    lowered = _SHARD.sub(r"\1", name.lower())
    if lowered.endswith("~"):
        return "backup copies"
    if _IDX.search(lowered):
        return "arrays"
    if lowered.endswith(_VOLUMES):
        return "medical volumes"
    ending = pathlib.PurePath(lowered).suffix
    return _KINDS.get(ending) if ending else _KINDS.get(lowered)


def find_masks(names: Collection[str]) -> set[str]:
    """Returns the files of one folder that are masks or copies of the images beside them, by name.

    Example:
        >>> sorted(find_masks(["a.png", "a_mask.png", "a_mask_1.png"]))
        ['a_mask.png', 'a_mask_1.png']
    """
    image_of = {name: mask[1] for name in names if (mask := _MASK.fullmatch(name.lower()))}
    stems = {name.lower().rpartition(".")[0] for name in names} if image_of else set()
    image_of = {name: image for name, image in image_of.items() if image in stems}
    # A few may be pictures of something that is called so.
    num_images = len(names) - len(image_of)
    return set(image_of) if 2 * len(set(image_of.values())) > num_images else set()


def claims_picture(name: str) -> bool:
    """Whether a file's name ends like that of a picture, decoded here or not."""
    return pathlib.PurePath(name.lower()).suffix in _PICTURE_ENDINGS


def _media_types() -> dict[str, str]:
    known = mimetypes.MimeTypes()
    return {**known.types_map[False], **known.types_map[True]}


def _read_kinds() -> dict[str, str]:
    kinds = {
        ending: _KINDS_OF_MEDIA[media]
        for ending, media_type in _media_types().items()
        if (media := media_type.partition("/")[0]) in _KINDS_OF_MEDIA
    }
    # One letter is too little: a picture may be called "figure 2.c".
    kinds = {ending: kind for ending, kind in kinds.items() if len(ending) > len(".c")}
    for kind, endings in ENDINGS.items():
        kinds |= {f".{ending}": kind for ending in endings.split()}
    for kind, names in _NAMES.items():
        kinds |= dict.fromkeys(names.split(), kind)
    return kinds


_KINDS = _read_kinds()
_PICTURE_ENDINGS = frozenset(
    [ending for ending, kind in _media_types().items() if kind.startswith("image/")]
    + [f".{ending}" for ending in PICTURES.split()]
    + [ending for one in FORMATS for ending in one.endings]
) - frozenset(_KINDS)
