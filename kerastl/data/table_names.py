"""The usual names of a table's columns, in the languages that people write them in."""

import re
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
# Words in the names of columns of yes and no for rows that are to be left out, and to be kept, and
# what such rows have in other columns.
LEFT_OUT = _names(
    "exclude excluded exclusion ignore ignored skip skipped drop dropped discard discarded reject "
    "rejected delete deleted remove removed corrupt corrupted broken unusable outlier difficult"
)
KEPT = _names("keep kept use usable include included accept accepted approved ok verified reviewed")
# Numbers of what a detector needs and a classifier does not.
BOXES = _names(
    "xmin ymin xmax ymax x1 y1 x2 y2 x0 y0 left top right bottom x y w h xcenter ycenter bbox "
    "bboxes box boxes boundingbox bboxx bboxy bboxw bboxh bboxwidth bboxheight "
    "roix1 roiy1 roix2 roiy2 polygon points segmentation mask masks encodedpixels rle"
)
SIZES = _names("width height depth size channels imagewidth imageheight filesize")
# Words for those whom several images show, and for what several images are cut from. A column named
# by them alone, and by words of the lists below, holds groups.
PEOPLE = _names(
    "group groups patient patients subject subjects subj participant participants proband probands "
    "donor donors volunteer volunteers mrn pid patientin patienten paciente pacientes paziente "
    "pazienti patiënt pacjent pasien hasta sujet sujets sujeto sujetos soggetto probanden пациент "
    "患者 病人 被験者 受試者 환자 피험자"
)
THINGS = _names(
    "person persons individual individuals identity animal animals mouse rat case cases study "
    "studies series exam examination accession visit encounter lesion lesions tumor tumour nodule "
    "biopsy specimen specimens slide slides wsi block embryo colony video videos clip clips movie "
    "film sequence sequences seq track tracklet tracks burst episode recording scan parent plant "
    "tree vidéo видео"
)
# Images of one are alike, but often too few have all images.
PLACES = _names(
    "camera cam session user owner author writer photographer scene site location station plot "
    "house household hospital center centre clinic institution farm field room well plate device "
    "scanner machine source origin original orig region tile city deployment"
)
# What such a name may have beside them; the first say that it identifies.
IDENTIFYING = _names(
    "id ids no nos nr num number key code uid uids uuid guid hash barcode index idx nummer numéro "
    "numero número kennung label 番号 编号 編號 번호 номер"
)
DESCRIBING = _names(
    "name names file filename path image img photo picture instance anon anonymous anonymized "
    "anonymised pseudo deidentified de identified encrypted hashed unique study dicom medical "
    "record raw"
)
# Values of yes-or-no columns, in lower case.
YES = _names(
    "1,0 "
    "1 1.0 true t yes y ja j oui si sí sim tak evet да wahr vrai verdadero vero x ✓ ✔ ☑ ✅ 是 はい "
    "예"
)
NO = _names(
    "✗ ✘ ☐ ❌ 否 いいえ 아니요 "
    "0 0.0 0,0 false f no n nein non não nao nie hay\u0131r hayir нет falsch faux falso"
)
# Words in the names of columns of splits: those that leave no doubt, those of columns of numbers or
# letters one after the other, and those of columns of words for splits.
SPLITTING = _names("split splits fold folds kfold cvfold partition subset traintest")
NUMBERED = _names(
    "fld flds cv k kf nfold rnd rand random xv xval crossval crossvalidation oof tvt set sets "
    "dataset datasets testset"
)
USES = _names("usage use role purpose phase stage part portion sample cohort mode function")
# What tables call splits that are rarely called so elsewhere, if a column holds nothing else.
IN_TABLES = {
    **dict.fromkeys(_names("tr tra fit fitting modeling modelling derivation"), TRAIN),
    **dict.fromkeys(_names("va vl tune tuning"), VALIDATION),
    **dict.fromkeys(_names("te ts tes scoring oos oot outoftime"), TEST),
}
# What may mean splits and much else, beside such words or below such a name; `t` beside `l` tests.
LOOSELY = {
    **dict.fromkeys(_names("discovery seen build t l"), TRAIN),
    **dict.fromkeys(_names("internal v"), VALIDATION),
    **dict.fromkeys(
        _names("public private unseen external replication final score submission e h"), TEST
    ),
}
# How programs write that a value is missing, in lower case.
MISSING = frozenset(
    (
        *("nan", "none", "null", "na", "n/a", "<na>", "#n/a", "#na", "nat", "nil"),
        # The errors of spreadsheets.
        *("#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!", "#spill!", "#calc!"),
    )
)
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

# Capital letters may part words, as in StudyInstanceUID.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")


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


def words_of(name: str) -> list[str]:
    """Returns the words of a name in small letters, as "patient" and "id" for PatientID."""
    return [word.casefold() for word in _WORD.findall(name)]


def is_missing(value: str) -> bool:
    """Whether a cell is empty or holds a program's word for a missing value."""
    return not value or value.lower() in MISSING
