"""The usual names of a table's columns, in the languages that people write them in."""

import unicodedata

from kerastl.split_names import TEST, TRAIN, VALIDATION


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Value of the flags for the split and the group if the table has no such column.
NO_COLUMN = "none"
# For each role, names in the order in which they count; letters and digits alone matter.
USUAL = {
    "image": (
        "image path file images img imgs paths files filename filenames filepath filepaths "
        "imagepath imagepaths imgpath imagefile imagefilename imagefilepath imagename imagenames "
        "imgname fname fnames picture pictures photo photos bild bilder datei dateiname pfad "
        "bildpfad imagen archivo ruta fichier chemin imagem arquivo caminho immagine percorso "
        "obraz plik dosya resim 图片 图像 文件 文件名 路径 画像 ファイル ファイル名 パス 이미지 "
        "파일 изображение файл путь",
        "imageid imageids imgid imageindex idcode id ids uuid key name names url",
    ),
    "label": (
        "label class category labels classes classname classnames labelname categories "
        "categoryname target targets classlabel imageclass imagelabel truelabel klasse "
        "klassen etikett kategorie clase etiqueta categoria "
        "étiquette classe catégorie kategoria etiket 标签 类别 分类 ラベル クラス 라벨 "
        "클래스 класс метка категория",
        "breed species diagnosis dx emotion tag tags finding findings findinglabels disease "
        "groundtruth gt y",
        "classid classids labelid labelids classindex labelindex classidx labelidx categoryid "
        "targetid labelnumber",
    ),
    "split": (
        "split splits set subset datasplit partition fold folds kfold cvfold foldid splitid setid",
    ),
    "group": ("group groupid groups patient patientid subject subjectid",),
}
KNOWN = frozenset(name for tiers in USUAL.values() for tier in tiers for name in tier.split())
# Numbers of what a detector needs and a classifier does not.
BOXES = _names(
    "xmin ymin xmax ymax x1 y1 x2 y2 x0 y0 left top right bottom x y w h xcenter ycenter bbox "
    "bboxes box boxes boundingbox bboxx bboxy bboxw bboxh bboxwidth bboxheight "
    "roix1 roiy1 roix2 roiy2 polygon points segmentation mask masks encodedpixels rle"
)
SIZES = _names("width height depth size channels imagewidth imageheight filesize")
# What identifies images, people or places; their images are alike.
GROUPS = _names(
    "camera session person user animal individual participant case study lesion video clip scene "
    "sequence track site location station plot specimen plant house household"
)
# Values of yes-or-no columns, in lower case.
YES = _names(
    "1 1.0 true t yes y ja j oui si sí sim tak evet да wahr vrai verdadero vero x ✓ ✔ ☑ ✅ 是 はい "
    "예"
)
NO = _names(
    "✗ ✘ ☐ ❌ 否 いいえ 아니요 "
    "0 0.0 false f no n nein non não nao nie hay\u0131r hayir нет falsch faux falso"
)
# Words in the names of columns of splits.
SPLITTING = _names("split splits fold folds kfold cvfold partition subset traintest")
# What people shorten splits to, if a column holds nothing else.
ABBREVIATED = {
    **dict.fromkeys(("tr", "tra"), TRAIN),
    **dict.fromkeys(("va", "vl"), VALIDATION),
    **dict.fromkeys(("te", "ts", "tes"), TEST),
}
# How programs write that a value is missing, in lower case.
MISSING = frozenset(("nan", "none", "null", "na", "n/a", "<na>", "#n/a", "#na", "nat", "nil"))
# The first cell of a row below the images.
TOTALS = _names(
    "total totals sum count gesamt summe anzahl somme suma totale totaal всего итого 合计 总计 合計"
)
# What people call images that nobody has labeled yet.
FOR_LATER = _names(
    "unlabeled unlabelled unassigned unannotated untagged unclassified unsorted tosort nolabel"
) | {"to sort", "no label", "no labels", "not labeled", "to be labeled"}
# What people write for a label that is not known.
_UNKNOWN = _names(
    "? ?? - -- --- . n.a. n.a n.d. \\n missing unknown undefined unspecified tbd todo "
    "-99 -999 -9999"
)
UNLABELED = (FOR_LATER | _UNKNOWN) | {
    f"{no} {known}"
    for no in ("not", "no", "to be")
    for known in (
        "label",
        "labeled",
        "labelled",
        "known",
        "available",
        "given",
        "set",
        "determined",
        "assigned",
    )
}


def is_unlabeled(name: str) -> bool:
    """Whether a label or a folder's name stands for a label that is not known."""
    return _plain(name) in UNLABELED


def is_for_later(name: str) -> bool:
    """Whether a folder's name stands for images that nobody has labeled yet."""
    return _plain(name) in FOR_LATER


def _plain(name: str) -> str:
    return name.lower().strip("_").replace("_", " ")


def key_of(name: str) -> str:
    """Returns what matters of a column's name, as in "imagepath" for " Image_Path"."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(filter(str.isalnum, folded))


def is_missing(value: str) -> bool:
    """Whether a cell is empty or holds a program's word for a missing value."""
    return not value or value.lower() in MISSING
