"""Every way of laying out a folder that we know, and how it is read or refused."""

import collections
import io
import shlex

import pytest

from folder_trees import plant, refusal
from kerastl.data.folders import list_folder
from kerastl.progress import Progress

TWO = "train/a/#.jpg*3 train/b/#.jpg*3 test/a/1.jpg test/b/2.jpg"
IN_TWO = ", 2 classes, train 6, test 2"


def read(root, **options):
    said = io.StringIO()
    listing = list_folder(str(root), progress=Progress(said), **options)
    assert said.getvalue().count("\n") == 1
    return listing, said.getvalue().removeprefix("Layout: ").removesuffix(".\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a/#.jpg*3 b/#.jpg*3", "class, 2 classes, 6 images"),
        (TWO, f"split/class{IN_TWO}"),
        (
            "a/train/#.jpg*3 a/test/1.jpg b/train/#.jpg*3 b/test/2.jpg",
            f"class/split{IN_TWO}",
        ),
        (
            "a/train/images/#.jpg*3 a/test/images/1.jpg b/train/img/#.jpg*3 b/test/images/2.jpg",
            f"class/split{IN_TWO}",
        ),
        (
            "a/train-set/#.jpg*3 a/test-set/1.jpg a/test-set/2.jpg b/train-set/#.jpg*3",
            f"class/split{IN_TWO}; test has no b",
        ),
        # Names of splits, in other words, deeper, in longer names, and again.
        ("训练集/猫/1.jpg 训练集/狗/2.jpg 测试集/猫/3.jpg 测试集/狗/4.jpg", None),
        ("Train_1/a/1.jpg Train_1/b/2.jpg VALID/a/3.jpg VALID/b/4.jpg", None),
        ("train_images/a/1.jpg train_images/b/2.jpg my-test-set/a/3.jpg my-test-set/b/4.jpg", None),
        ("z/z/train/a/1.jpg z/z/train/b/2.jpg z/z/dev/a/3.jpg z/z/dev/b/4.jpg", None),
        (
            "train/train/cat/1.jpg train/train/dog/2.jpg",
            "split/class in train/, 2 classes, train 2",
        ),
        (
            "s/seg_train/seg_train/a/1.jpg s/seg_train/seg_train/b/2.jpg "
            "s/seg_test/seg_test/a/3.jpg s/seg_test/seg_test/b/4.jpg s/seg_pred/seg_pred/#.jpg*12",
            "split/class in s/, 2 classes, train 2, test 2; 12 images in s/seg_pred/ are in no "
            "class and left out",
        ),
        (
            "train1/a/1.jpg train1/b/2.jpg train2/a/1.jpg train2/b/2.jpg",
            "split/class, 2 classes, train 4; train1, train2 are joined to train",
        ),
        # What is in no class.
        (f"{TWO} pred/#.jpg*12", "12 images in pred/ are in no class and left out"),
        (f"{TWO} train/1.jpg", "1 image in train/ is in no class and left out"),
        ("a/1.jpg b/1.jpg #.jpg*3", "3 images in the top folder are in no class and left out"),
        (
            "train/a/1.jpg train/b/1.jpg test/#.jpg*4",
            "split/class, 2 classes, train 2; 4 images in test/ are in no class and left out",
        ),
        ("train/a/1.jpg train/b/1.jpg test/unknown/#.jpg*4", "4 images in test/ are in no class"),
        ("a/1.jpg b/1.jpg runs/first/ notes/x.txt", "2 images; no images in notes, runs"),
        ("a/1.jpg b/1.jpg c/1.mp4", "class, 2 classes, 2 images; no images in c"),
        ("a/1.jpg b/1.jpg docs/#.pdf*9", "class, 2 classes, 2 images; no images in docs"),
        ("a/1.jpg b/1.jpg c/1.pdf c/2.pdf c/3.txt", "2 classes, 2 images; no images in c"),
        # Classes that are called like splits hold images.
        ("valid/1.jpg invalid/1.jpg", "2 classes, 2 images; valid taken for a class"),
        ("test/1.jpg control/2.jpg", "2 classes, 2 images; test taken for a class"),
        ("steam_train/1.jpg plane/1.jpg bus/1.jpg", "3 images; steam_train taken for a class"),
        # What holds results of a split, or an earlier state of it, is none.
        (
            f"{TWO} test_predictions/a/9.jpg testOutput/b/8.jpg train_old/a/7.jpg",
            f"split/class{IN_TWO}; 2 files of results are left out (testOutput/, test_predictions/"
            "); 1 file in backups is left out (train_old/)",
        ),
        (
            "a/train/#.jpg*3 a/test/1.jpg a/backup_train/8.jpg b/train/#.jpg*3 b/test/2.jpg",
            f"class/split{IN_TWO}; 1 file in backups is left out (a/backup_train/)",
        ),
        (
            "train_old/a/1.jpg train_old/b/2.jpg test/a/3.jpg test/b/4.jpg",
            "split/class, 2 classes, train 2, test 2",
        ),
        # What is discarded or made from the others, in a class, or beside classes.
        (
            "a/1.jpg a/rejected/x/#.jpg*2 a/rejected/x/thumbs/7.jpg b/2.jpg b/gradcam/8.png",
            "2 classes, 6 images; 4 images in a/rejected/, b/gradcam/ are used with the class",
        ),
        ("a/1.jpg b/Papierkorb/2.jpg b/3.jpg", "1 image in b/Papierkorb/ is used with the class"),
        ("a/1.jpg b/2.jpg Gelöschte~Elemente/3.jpg", "2 images; 1 file in bins is left out (Gel"),
        # Folders around, above and below classes.
        ("z/z/a/1.jpg z/z/b/1.jpg 1.jpg z/2.jpg", "2 images in the top folder, z/ are in no class"),
        ("archive/a/1.jpg archive/b/1.jpg readme.txt", "class in archive/, 2 classes, 2 images"),
        (
            "a/airfield/1.jpg a/alley/1.jpg b/bar/1.jpg",
            "folder/class, 3 classes, 3 images; a, b are",
        ),
        ("my_part1/cat/1.jpg my_part1/dog/1.jpg my_part2/dog/2.jpg", "folder/class, 2 classes, 3"),
        ("fold_1/cat/1.jpg fold_1/dog/1.jpg fold_2/cat/2.jpg", "folder/class, 2 classes, 3 images"),
        (
            "train/a/ant/1.jpg train/b/bee/1.jpg val/a/ant/2.jpg val/b/bee/2.jpg",
            "split/folder/class, 2 classes, train 2, validation 2",
        ),
        (
            "cat/2019/1.jpg cat/2020/2.jpg dog/2019/3.jpg",
            "class, 2 classes, 3 images; each class folder holds only folders, as cat/2019",
        ),
        ("cat/cat/1.jpg dog/dog/1.jpg", "class, 2 classes, 2 images; each class folder holds only"),
        # Folders for images and for what belongs to them.
        ("images/a/1.jpg images/b/1.jpg labels/a.txt", "class in images/, 2 classes, 2 images"),
        ("flu/images/1.png flu/masks/1.png ok/images/1.png ok/masks/1.png", "2 classes, 2 images"),
        (
            "train/n1/images/1.jpg train/n2/images/2.jpg val/images/1.jpg",
            "split/class, 2 classes, train 2; 1 image in val/ is in no class and left out",
        ),
        ("train/photos/1.jpg train/drawings/1.jpg test/photos/1.jpg", "test has no drawings"),
        (
            "train/th\u00e9/1.jpg test/the\u0301/2.jpg train/b/3.jpg test/b/4.jpg",
            "2 classes, train 2",
        ),
        (
            "flu/img/1.png flu/masks/1_mask.png ok/img/img_2.png ok/masks/mask_2.png",
            "2 images; 2 files in folders of masks, labels or thumbnails are left out (flu/mas",
        ),
        # Beside other folders of the same form, those named for images and masks are classes.
        ("photo/1.jpg mask/2.jpg replay/3.jpg", "3 images; mask, photo are taken for classes"),
        ("photo/1.jpg mask/1.jpg replay/1.jpg", "3 images; mask, photo are taken for classes"),
        ("Label/1.jpg Photo/2.jpg invoice/3.jpg", "3 images; label, photo are taken for classes"),
        (
            "train/photo/1.jpg train/mask/2.jpg train/video/3.jpg test/mask/4.jpg test/photo/5.jpg",
            "split/class, 3 classes, train 3, test 2; mask, photo are taken for classes",
        ),
        ("cat/4/1.jpg cat/7/1.jpg dog/3/1.jpg dog/9/1.jpg", "class, 2 classes, 4 images; each"),
        ("a/1.jpg b/2.jpg z/detect/exp/3.jpg", "class 'z' holds only folders, as z/detect"),
        ("train/a/1.jpg train/b/2.jpg test/a/x/3.jpg", "class 'a' holds only folders, as test/a/x"),
        ("cat/2024/01/1.jpg dog/2024/01/2.jpg", "class, 2 classes, 2 images; each class folder"),
        ("cat/cat_01/1.jpg cat/cat_02/2.jpg dog/dog_01/3.jpg", "class, 2 classes, 3 images; each"),
        ("a/a1/1.jpg a/a2/2.jpg b/b1/3.jpg b/b2/4.jpg", "class, 2 classes, 4 images; each class"),
        (
            "Train/bus/1.jpg Train/train/2.jpg Test/bus/3.jpg Test/train/4.jpg",
            "split/class, 2 classes, train 2, test 2",
        ),
        # What is rarely a class, and what may say more than the folders.
        ("a/1.jpg b/1.jpg Results/1.jpg old/1.jpg", "old, results are taken for classes"),
        ("a/1.jpg b/1.jpg RECYCLER/1.jpg", "2 images; 1 file in bins is left out (RECYCLER/)"),
        (
            "images/a/1.jpg images/b/2.jpg meta/train.txt meta/test.txt meta/words.txt",
            "meta/test.txt, meta/train.txt may list splits, which a table with a column for them",
        ),
        (
            "train/a/1.jpg train/b/2.jpg test/a/3.jpg test-many/4.jpg",
            "train 2, test 1; 1 image in test-many/ is in no class and left out; test has no b",
        ),
        (
            "train/a/1.jpg train/b/2.jpg test/a/3.jpg ground_truth/a/3_mask.png",
            "test 1; 1 file in folders of masks, labels or thumbnails is left out (ground_truth/)",
        ),
        ("a/1.jpg b/2.jpg c/1.jpg c/2.jpg", "class, 3 classes, 4 images"),
        ("stage~(1)/1.jpg stage~(2)/2.jpg 1-1/1.jpg 11/1.jpg", "class, 4 classes, 4 images"),
        # What is made from images beside it, with their names.
        (
            "a/#.jpg*3 a/thumbs/#.jpg*3 b/#.jpg*2 b/preview/#_preview.png*2",
            "2 classes, 5 images; 5 files in f",
        ),
        (
            "train/a/1.jpg train/b/2.jpg train_masks/a/1_mask.png train_masks/b/2_mask.png",
            "train 2; 2 files in folders of masks, labels or thumbnails are left out (train_ma",
        ),
        ("with_mask/1.jpg without_mask/1.jpg", "class, 2 classes, 2 images"),
        # What is no class by its name, where others are.
        ("a/1.jpg b/2.jpg Recycle~Bin/#.jpg*3", "3 files in bins are left out (Recycle Bin/)"),
        ("a/1.jpg b/2.jpg _backup/#.jpg*3", "3 files in backups are left out (_backup/)"),
        ("a/1.jpg b/2.jpg old-2023/#.jpg*3", "3 files in backups are left out (old-2023/)"),
        ("a/1.jpg b/2.jpg wandb/x/3.jpg mlruns/0/4.jpg", "2 files of training tools are left out"),
        ("a/1.jpg b/2.jpg runs/detect/exp/3.jpg", "1 file of training tools is left out (runs/)"),
        ("a/1.jpg b/2.jpg DCIM/100APPLE/#.jpg*4", "4 images in DCIM/ are in no class and left out"),
        (f"{TWO} train/101CANON/#.jpg*4", "4 images in train/101CANON/ are in no class and left"),
        ("_backup/a/1.jpg _backup/b/2.jpg", "class in _backup/, 2 classes, 2 images"),
        (
            "a/1.jpg b/2.jpg x.photoslibrary/masters/#.jpg*3",
            "3 files of programs are left out (x.p",
        ),
        ("a/1.jpg b/2.jpg venv/lib/site-packages/3.png", "1 file of programs is left out (venv/)"),
        ("a/1.jpg b/2.jpg _ignore/3.jpg", "1 file in backups is left out (_ignore/)"),
        ("a/1.jpg b/2.jpg Neuer~Ordner/3.jpg", "3 images; neuer ordner is taken for a class"),
        ("a/1.jpg b/2.jpg docs/3.png untitled/4.png", "docs, untitled are taken for classes"),
        ("week~1/1.jpg week~2/2.jpg", "2 images; week 1, week 2 are taken for classes"),
        (
            f"{TWO} runs/train/exp/3.jpg",
            f"split/class{IN_TWO}; 1 file of training tools is left out",
        ),
        # They are classes beside others of their kind, in every split, or if all are.
        ("glass/1.jpg metal/2.jpg trash/3.jpg", "3 classes, 3 images; trash is taken for a class"),
        ("runs/1.jpg walks/2.jpg jumps/3.jpg", "3 classes, 3 images; runs is taken for a class"),
        (
            "train/a/1.jpg train/b/2.jpg train/trash/3.jpg test/a/4.jpg test/b/5.jpg "
            "test/trash/6.jpg",
            "3 classes, train 3, test 3; trash is taken for a class",
        ),
        ("compost~bin/1.jpg recycle~bin/2.jpg landfill/3.jpg", "class, 3 classes, 3 images"),
        ("a/1.jpg a-001/2.jpg b/3.jpg", "3 images; a-001 is taken for a class"),
        ("cat/1.jpg cats/2.jpg", "2 images; cat, cats are taken for 2 classes"),
        ("caf\u00e9/1.jpg cafe/2.jpg", "2 images; cafe, caf\u00e9 are taken for 2 classes"),
        # Parts of a download.
        (
            "x-20240101T101010Z-001/cat/#.jpg*3 x-20240101T101010Z-001/dog/1.jpg "
            "x-20240101T101010Z-002/cat/y#.jpg*2 x-20240101T101010Z-002/emu/2.jpg",
            "in x-20240101T101010Z-001/, 3 classes, 7 images; x-20240101T101010Z-001, "
            "x-20240101T101010Z-002 are joined to x, as parts of a download",
        ),
        (
            "x-20240101T101010Z-1-001/x/train/a/1.jpg x-20240101T101010Z-1-002/x/train/b/2.jpg "
            "x-20240101T101010Z-1-002/x/test/a/3.jpg",
            "x-20240101T101010Z-1-001/x/, 2 classes, train 2, test 1; x-2",
        ),
        (
            "cats-20240101T101010Z-001/#.jpg*3 cats-20240101T101010Z-002/y#.jpg*2 "
            "dogs-20240101T101010Z-001/#.jpg*2 emus/9.jpg",
            "class, 3 classes, 8 images; cats-20240101T101010Z-001, cats-20240101T101010Z-002 are "
            "joined to cats, as parts of a download; dogs-20240101T101010Z-001 is read as dogs, as",
        ),
        (
            "x-20240101T101010Z-001/cat/1.jpg x-20240101T101010Z-001/8.jpg "
            "x-20240101T101010Z-002/dog/2.jpg x-20240101T101010Z-002/9.jpg",
            "2 classes, 2 images; 2 images in x-20240101T101010Z-001/ are in no class and left out",
        ),
        ("2024-05-01/a/1.jpg 2024-05-01/b/2.jpg 2024-05-02/a/3.jpg", "folder/class, 2 classes, 3"),
        ("40X/a/1.jpg 40X/b/2.jpg 100X/a/3.jpg 100X/b/4.jpg", "folder/class, 2 classes, 4 images"),
        ("a/40X/1.jpg a/100X/2.jpg b/40X/3.jpg b/100X/4.jpg", "class, 2 classes, 4 images; each"),
        (
            "a/2024-05-01/1.jpg a/2024-05-02/2.jpg b/2024-05-01/3.jpg b/2024-05-02/4.jpg",
            "class, 2 classes, 4 images; each class folder holds only folders, as a/2024-05-01, ",
        ),
        ("a/100APPLE/1.jpg a/101APPLE/2.jpg b/100APPLE/3.jpg b/101APPLE/4.jpg", "class, 2 classes"),
        ("cat/1.jpg cat~2/2.jpg", "2 images; cat 2 is taken for a class"),
        ("a-001/a/1.jpg a-002/a/2.jpg b-001/b/3.jpg", "2 classes, 3 images; a-001, a-002 are join"),
        ("iCloud~Part~1~of~2/a/1.jpg iCloud~Part~2~of~2/b/2.jpg", "2 classes, 2 images; iCloud P"),
        ("class-001/1.jpg class-002/2.jpg", "class, 2 classes, 2 images"),
        # What has no class yet.
        ("labeled/a/1.jpg labeled/b/2.jpg unlabeled/#.jpg*9", "class in labeled/, 2 classes, 2"),
        ("tagged/a/1.jpg tagged/b/2.jpg untagged/#.jpg*9", "class in tagged/, 2 classes, 2"),
        ("all/a/1.jpg all/b/2.jpg no_label/#.jpg*9", "class in all/, 2 classes, 2"),
        (
            "train/done/a/1.jpg train/done/b/2.jpg train/to_sort/3.jpg test/a/4.jpg test/b/5.jpg",
            "split/class, 2 classes, train 2, test 2; 1 image in train/to_sort/ is in no class",
        ),
        # Groups in classes, by their folders or names of files, and around classes.
        (
            "hop/vid_#/1.jpg*3 walk/vid_1#/1.jpg*4",
            "class/group, 2 classes, 7 images in 7 groups; images of a group, as vid_0, stay in "
            "one split, unless you add --layout=class",
        ),
        (
            "cat/subject_#/1.jpg*4 dog/subject_#/1.jpg*3",
            "class/group, 2 classes, 7 images in 4 gro",
        ),
        (
            "train/a/p#/1.jpg*3 train/b/p1#/1.jpg*3 test/a/p20/1.jpg test/b/p30/1.jpg",
            "split/class/group, 2 classes, train 6, test 2 in 8 groups",
        ),
        (
            "a/x/3f09e1b#/1.jpg*3 b/x/77ba31e#/1.jpg*3",
            "class/folder/group, 2 classes, 6 images in 6",
        ),
        ("a/p#/1.jpg*2 a/8.jpg b/7.jpg b/8.jpg b/9.jpg", "class, 2 classes, 6 images"),
        ("a/p#/1.jpg*3 b/p2#/1.jpg*2 b/8.jpg", "class/group, 2 classes, 6 images in 5 groups"),
        (
            "hop/vidA_#.jpg*3 hop/vidB_#.jpg*3 hop/vidC_#.jpg*3 sit/vidD_#.jpg*3 sit/vidE_#.jpg*3 "
            "sit/vidF_#.jpg*3",
            "class/group, 2 classes, 18 images in 6 groups; images of a group by the names of files"
            ", as vidA, stay in one split, unless you add --layout=class",
        ),
        (
            "ok/KA.#.jpg*3 ok/MK.#.jpg*3 ok/TM.#.jpg*3 bad/KA.#.jpg*3 bad/MK.#.jpg*3 "
            "bad/TM.#.jpg*3",
            "class, 2 classes, 18 images; files whose names begin alike, as with 'KA', may be of "
            "one patient or video: --layout=class/group keeps them in one split",
        ),
        ("cat/cat_#_1.jpg*9 dog/dog_#_1.jpg*9", "class, 2 classes, 18 images"),
        (
            "a/7%#.jpg*3 a/9%#.jpg*3 b/12%#.jpg*3 b/88%#.jpg*3",
            "begin alike, as with '7', may be of",
        ),
        (
            "a/Patient~7~(#).jpg*3 a/Patient~8~(#).jpg*3 a/Patient~9~(#).jpg*3 "
            "b/Patient~1~(#).jpg*3 b/Patient~2~(#).jpg*3 b/Patient~3~(#).jpg*3",
            "class/group, 2 classes, 18 images in 6",
        ),
        (
            "a/tumor_00#_x1_y2.jpg*3 a/tumor_00#_x8_y3.jpg*3 a/tumor_00#_x5_y9.jpg*3 "
            "b/ok_00#_x1_y2.jpg*3 b/ok_00#_x4_y3.jpg*3 b/ok_00#_x1_y1.jpg*3",
            "begin alike, as with 'tumor_000', may be",
        ),
        (
            "a/Training_#.jpg*6 a/PublicTest_#.jpg*3 b/Training_#.jpg*6 b/PublicTest_#.jpg*3",
            "2 classes, 18 images; names of files begin with PublicTest, Training, which are not",
        ),
        (
            "cross_validation/split0/a/1.jpg cross_validation/split0/b/2.jpg "
            "cross_validation/split1/a/3.jpg cross_validation/split1/b/4.jpg",
            "folder/class in cross_validation/, 2 classes, 4 images; split0, split1 are joined",
        ),
        ("cat/2024-05-01_10-0#-00.jpg*9 dog/2024-05-02_10-0#-00.jpg*9", "2 classes, 18 images"),
        (
            "cat/2024011#_5.jpg*3 cat/2024011#_6.jpg*3 dog/2024011#_5.jpg*3 dog/2024011#_7.jpg*3",
            "class, 2 classes, 12 images",
        ),
        ("cat/0#_100.jpg*9 cat/r_0#_100.jpg*9 dog/0#_100.jpg*9", "class, 2 classes, 27 images"),
        # Numbers that count the files of each class are no groups.
        ("cat/#_a.jpg*9 dog/#_a.jpg*9", "class, 2 classes, 18 images"),
        ("cat/000#_a.jpg*9 dog/000#_a.jpg*9", "class, 2 classes, 18 images"),
        (
            "a/1234_#.jpg*3 a/2345_#.jpg*3 a/3456_#.jpg*3 b/4567_#.jpg*3 b/1234_8#.jpg*3 "
            "b/5678_#.jpg*3",
            "class/group, 2 classes, 18 images in 5 groups",
        ),
        ("cat/IMG_20240101_#.jpg*9 dog/IMG_20240102_#.jpg*9", "class, 2 classes, 18 images"),
        (
            "cam1/fox/1.jpg cam1/deer/1.jpg cam2/fox/1.jpg cam2/deer/1.jpg cam3/fox/1.jpg "
            "cam3/deer/1.jpg",
            "group/class, 2 classes, 6 images in 3 groups; images of a group, as cam1, stay in one "
            "split, unless you add --layout=folder/class",
        ),
        # Names of days, albums and patients, and images that belong together.
        ("2023/1.jpg 2024/2.jpg", "2023, 2024 are taken for classes"),
        ("a/1.jpg b/2.jpg Photos~from~2019/3.jpg", "photos from 2019 is taken for a class"),
        ("patient_1/1.jpg patient_2/2.jpg", "2 images; patient_1, patient_2 are taken for classes"),
        (
            "cat/p1/1.jpg cat/p2/2.jpg dog/p3/3.jpg",
            "as cat/p1, whose images may come to lie in several splits",
        ),
        ("00/1.jpg a3/2.jpg ff/3.jpg", "class, 3 classes, 3 images"),
        ("cat/1.jpg cat_old/2.jpg dog/3.jpg", "class, 3 classes, 3 images; cat_old is taken for"),
        ("a/1.jpg b/2.jpg b.dvc a/3.png.dvc", "2 cloud placeholders stand for files that are not"),
        # Files that are no images by their names.
        ("train/a/1.jpg train/b/2.jpg train.cache val.cache train/_darknet.x", "1 file in train/"),
        ("images/a/1.jpg images/b/2.jpg train_test_split.txt", "train_test_split.txt may list"),
        # What a split lacks.
        ("train/a/1.jpg train/b/ test/a/2.jpg test/b/3.jpg", "train has no b"),
        ("train/a/1.jpg train/b/1.jpg test/a/2.jpg", "train 2, test 1; test has no b"),
        ("val/a/1.jpg val/b/2.jpg test/a/3.jpg test/b/1.jpg", "train is split off validation"),
        ("train/a/1.jpg train/b/1.jpg val/", "train 2; no images in val"),
    ],
)
def test_one_reading_is_taken_and_told(tmp_path, text, line):
    listing, said = read(plant(tmp_path, text))
    if not line or "alike" not in line:
        assert "begin alike" not in said
    if line is None:
        assert said.startswith("split/class")
        assert len(listing.class_names) == 2
        assert collections.Counter(file.split for file in listing.files)["train"] == 2
        assert len(listing.files) == 4
    else:
        assert line in said
    assert len(listing.files) + listing.ignored.get("images in no class", 0) <= sum(
        path.is_file() for path in tmp_path.rglob("*")
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # Splits are no classes.
        ("train/#.jpg*3 test/#.jpg*3", "test, train are named as splits and hold images, but no"),
        ("train/1.jpg valid/1.jpg bus/1.jpg", "train, valid are named as splits and hold images"),
        ("train/1.jpg valid/1.jpg annotation.txt", "files and classes as csv:/"),
        ("train/1.jpg test/1.jpg docs/1.jpg tmp/2.jpg", "test, train are named as splits and hold"),
        (
            "a-train/1.jpg a-train/x/#.jpg*3 b-train/#.jpg*4 a-test/1.jpg",
            "but no class folders. Move each into a folder of its split, as a-test to test/a, or",
        ),
        ("a-train/1.jpg a-train/x/#.jpg*3 b-train/1.jpg a-test/2.jpg", "but no class folders"),
        ("train_set/1.jpg test_set/1.jpg", "or add --layout=class if these are the classes."),
        ("train/images/1.jpg train/labels/1.txt valid/images/1.jpg", "train, valid are named as"),
        (
            "a/train/1.jpg a/test/1.jpg b/1.jpg",
            "a holds test, train, named as splits, and b does not",
        ),
        ("x/train/a/1.jpg x/train/b/1.jpg x/test/a/1.jpg y/1.jpg", "Give folder:"),
        (
            "k1/train/a/1.jpg k1/test/b/1.jpg k2/train/a/1.jpg k2/test/a/1.jpg",
            "k1, k2 each hold test,",
        ),
        (
            "k1/train/a/1.jpg k1/test/b/1.jpg k2/train/a/1.jpg k2/test/a/1.jpg",
            "/k1, or add --layout=folder/split/class to join them, group/split/class to keep each "
            "in one split where splits are made, or class/split if these are the classes.",
        ),
        (
            "cars_train/cars_train/#.jpg*3 cars_test/cars_test/#.jpg*3",
            "cars_test, cars_train are named as splits and hold images, but no class folders.",
        ),
        ("train/#.jpg*3 train/labels.csv", "train is named as a split and holds images, but no"),
        (
            "x/x/train/a/1.jpg x/x/train/b/2.jpg y/y/train/a/3.jpg",
            "holds train, named as splits. G",
        ),
        (
            "test/train/1.jpg test/b/2.jpg train/train/3.jpg train/b/4.jpg",
            "--layout=class if it is",
        ),
        # Parts, where a table says more.
        ("patient1/1.jpg patient2/2.jpg labels.csv", "are named as parts of a whole, not as cla"),
        ("00/1.jpg a3/2.jpg ff/3.jpg labels.csv", "are named as parts of a whole, not as classes"),
        ("celeba/#.jpg*3 list_attr.csv", "has one class (celeba), which may be the folder of all"),
        # Folders of cameras, phones, days and downloads.
        ("DCIM/100APPLE/1.jpg DCIM/101APPLE/2.jpg", "100APPLE, 101APPLE are named as folders of a"),
        (
            "100_PANA/1.jpg 101_0501/2.jpg 102MSDCF/3.jpg",
            "are named as folders of a camera, not as",
        ),
        (
            "Camera/1.jpg Screenshots/2.jpg",
            "Screenshots are named as folders of a phone or computer, not as",
        ),
        (
            "DCIM/1.jpg Pictures/2.jpg Download/3.jpg",
            "named as folders of a phone or computer, not",
        ),
        ("2023-01-05/1.jpg 20230211~x/2.jpg", "20230211 x are named as days, not as classes. Give"),
        (
            "Photos~from~2019/1.jpg Photos~from~2020/2.jpg",
            "named as albums, not as classes. Give a",
        ),
        ("Photos~from~2019/1.jpg Photos~from~2020/2.jpg Bin/3.jpg", "named as albums, not as clas"),
        ("New~folder/1.jpg New~folder~(2)/2.jpg", "are named as new folders, not as classes. Give"),
        (
            "x-20240101T101010Z-001/1.jpg x-20240101T101010Z-002/2.jpg",
            "are named as parts of a download, not as classes. Give a table of files and classes",
        ),
        ("cats-001/1.jpg cats-002/2.jpg dogs-001/3.jpg", "named as parts of a download, not as cl"),
        (
            "OneDrive_1_5-1-2024/1.jpg OneDrive_2_5-1-2024/1.jpg",
            "are named as parts of a download,",
        ),
        (
            "x-20240101T101010Z-001/a/1.jpg x-20240101T101010Z-001/b/2.jpg "
            "x-20240101T101010Z-002/Papierkorb/#.jpg*3",
            "Leave it out with --leave_out=Papierkorb, or add --layout=class if it is a class.",
        ),
        # What may be a bin, a backup or a class.
        (
            "a/1.jpg b/2.jpg Papierkorb/#.jpg*3",
            "has 'Papierkorb', named as a bin: it can be read as class (3 classes: Papierkorb, a, "
            "b; 5 images) or as class (2 classes: a, b; 2 images, 3 left out). Leave it out "
            "with --leave_out=Papierkorb, or add --layout=class if it is a class.",
        ),
        ("a/1.jpg b/2.jpg Trash/3.jpg", "has 'Trash', named as a bin: it can be read as class (3"),
        (
            "a/1.jpg b/2.jpg tmp_2/3.jpg",
            "has 'tmp_2', named as a backup or temporary files: it can",
        ),
        (f"{TWO} train/trash/3.jpg", "add --layout=split/class if it is a class."),
        # What has no class beside those that have one: splits, what is to be labeled or predicted.
        (
            "bus/1.jpg car/1.jpg train/#.jpg*2",
            "has 'train', named as a split: it can be read as class (3 classes: bus, car, train; 4 "
            "images) or as class (2 classes: bus, car; 2 images, 2 left out). Leave it out "
            "with --leave_out=train, or add --layout=class if it is a class.",
        ),
        (
            "a/1.jpg b/1.jpg test1/#.jpg*2 val/#.jpg*3",
            "has 'test1', 'val', each named as a split: it can be read as class (4 classes: a, b, "
            "test1, val; 7 images) or as class (2 classes: a, b; 2 images, 5 left out). Leave them "
            "out with --leave_out=test1,val, or add --layout=class if they are classes.",
        ),
        ("a/1.jpg b/1.jpg My~Testbilder/1.jpg", "has 'My Testbilder', named as a split: it can"),
        ("a/1.jpg b/1.jpg hold-out/images/1.jpg", "has 'hold-out', named as a split: it can be"),
        ("a/1.jpg b/1.jpg a_test/1.jpg b_test/2.jpg", "has 'a_test', 'b_test', each named as a sp"),
        ("a/1.jpg b/1.jpg to_label/1.jpg", "has 'to_label', named as images without a class: it"),
        (f"{TWO} train/unlabeled/1.jpg", "has 'unlabeled', named as images without a class: it"),
        ("a/1.jpg b/1.jpg single_prediction/1.jpg", "(2 classes: a, b; 2 images, 1 left out)."),
        ("a/1.jpg b/1.jpg bin/2.jpg c/1.jpg tmp/1.jpg to_sort/1.jpg", "each named as a backup or"),
        # Files that are no pictures yet.
        (
            "a/1.mp4 b/2.avi",
            "holds 2 videos and no class folders. Save some frames of each as JPEG or PNG, with a "
            "folder for each video in that of its class, and add --layout=class/group.",
        ),
        (
            "a/1.nii b/2.nii.gz",
            "Save some slices of each as PNG, with a folder for each patient in",
        ),
        ("a/1.svg b/2.svg", "Save each as PNG, in a folder for each class."),
        ("1.wav", "Save a picture of each, such as a spectrogram, in a folder for each class."),
        ("x.mp4 1.jpg", "holds 1 file and no class folders. Give the folder above"),
        (
            "a/1.npy b/2.npy",
            "Give them as arrays:",
        ),
        # A class without images, or with files that are none, before all are looked at.
        (
            "a/1.jpg b/2.jpg c/",
            "class 'c' has no images. Add some, or leave what is no class out with --leave_out=c.",
        ),
        ("train/a/1.jpg train/b/2.jpg test/a/3.jpg train/c/ test/c/", "class 'c' has no images."),
        (
            "a/1.jpg b/2.jpg c/3.png.dvc c/.4.jpg.icloud",
            "class 'c' has no images, but 2 cloud placeholders. Download what they stand for, or "
            "leave what is no class out with --leave_out=c.",
        ),
        (
            "a/1.jpg b/2.jpg c/#.pdf*3",
            "has 3 documents and no images in c/, beside classes of images. Save their pages as "
            "PNG, in a folder for each class, or add --leave_out=c if these are no classes.",
        ),
        (
            "train/a/1.jpg train/b/2.jpg train/c/x/#.mov*2 test/a/3.jpg test/c/y/4.mov test/c/5.mp",
            "has 4 videos and no images in test/c/, train/c/, beside classes of images. Save some",
        ),
        ("a/1.jpg b/2.jpg c/1.svg c/2.svg d/1.pdf d/2.pdf", "has 2 vector graphics and no images"),
        # The same classes below each of several folders.
        (
            "amazon/images/bike/1.jpg amazon/images/mug/2.jpg dslr/images/bike/3.jpg "
            "dslr/images/mug/4.jpg",
            "it can be read as class (2 classes: amazon, dslr; 4 images) or as folder/class (2 "
            "classes: bike, mug; 4 images). Choose with --layout=class or --layout=folder/class,",
        ),
        (
            "art/dog/1.jpg art/emu/2.jpg photo/dog/3.jpg photo/emu/4.jpg",
            "or as folder/class (2 classes: dog, emu; 4 images)",
        ),
        # Other classes further down.
        (
            "data/cat/1.jpg data/dog/2.jpg docs/3.jpg assets/logo.png",
            "'data' holds folders that may be the classes (cat, dog), beside assets, docs. Give f",
        ),
        ("cat/1.jpg dog/2.jpg test/cat/3.jpg test/dog/4.jpg", "Put its siblings into a folder tr"),
        (
            "amazon/images/bike/1.jpg amazon/images/mug/2.jpg dslr/images/bike/3.jpg "
            "dslr/images/mug/4.jpg",
            "amazon, dslr each hold folders named bike, mug further down, as amazon/images/bike,",
        ),
        # A copy of the whole is no class.
        (
            "blue/#.jpg*4 red/#.jpg*4 all8/blue=blue all8/red=red",
            "'all8' holds folders named like its siblings (blue, red), and 8 of 8 images are",
        ),
        (
            f"{TWO} again/train=train again/test=test",
            "'again' holds folders named like its siblings (test, train), and 8 of 8 images are",
        ),
        (
            f"{TWO} again/train=train again/test=test",
            "/again alone, or leave it out with --leave_out=again.",
        ),
        (
            "a/#.jpg*4 b/x#.jpg*4 all=a all=b",
            "'all' repeats its siblings: 8 of 8 images are copies.",
        ),
        (
            "a/#.jpg*2 b/#.jpg*2 all/p.jpg=a/0.jpg all/q.jpg=a/1.jpg all/x/0.jpg=b/1.jpg "
            "all/x/1.jpg=b/0.jpg",
            "'all' repeats its siblings: 4 of 4 images are copies.",
        ),
        ("train/a/1.jpg train/b/1.jpg train(1)=train", "2 of 2 images in the latter are copies."),
        (
            "train/a/1.jpg train/b/1.jpg training/A/x.jpg=train/a/1.jpg training/B/y.jpg="
            "train/b/1.jpg",
            "train and training are both named for train, and 2 of 2 images in the latter are",
        ),
        # What is made from the images has their names.
        (
            "cat/a#.jpg*2 dog/b#.jpg*2 small/a#_thumb.png*2 small/b#_64x64.png*2",
            "'small' repeats its siblings: 4 of 4 images have the names of theirs. Leave it out "
            "with --leave_out=small,",
        ),
        # A class is in the names of files alone.
        (
            "cat.#.jpg*3 dog.#.jpg*3 great_pyrenees_#.jpg*3",
            "holds 9 files and no class folders, with names that may begin with a class (cat, dog, "
            "great_pyrenees). Add --layout=file if they do, or give a table of files and classes",
        ),
        (
            "train/0002_c1s1_#.jpg*3 train/0007_c2s1_#.jpg*3 test/0009_c1s1_#.jpg*3",
            "begin with a class (0002, 0007, 0009). Add --layout=split/file if they do, or put",
        ),
        ("x#.jpg*3 b.csv train.csv", "classes as csv:"),
        (
            "HAM_images_part_1/#.jpg*2 HAM_images_part_2/1.jpg HAM_metadata.csv",
            "HAM_images_part_1, HAM_images_part_2 are named as parts of a whole, not as classes. "
            "Give a table of files and classes as csv:",
        ),
        ("images_001/images/1.png images_002/images/2.png", "add --layout=class if these are the"),
        ("Images/n1/1.jpg Images/n2/2.jpg Annotation/n1/a Annotation/n2/b", "as in folder:"),
        ("cat/1.jpg dog/1.jpg train/cat=cat train/dog=dog", "'train' holds folders named like its"),
        ("cat/1.jpg cat/dog/2.jpg dog/3.jpg", "'cat' holds folders named like its siblings (dog)."),
        ("a/1.pdf a/2.zip b/3.pdf", "holds 1 archive, 2 documents and no class folders."),
        ("a/ b/", "no images in a, b."),
        ("a.zip b.tar", "holds 2 archives and no class folders. Unpack them and give the folder."),
        ("data/train-0.parquet", "Save the images in them as files with pyarrow (the docs show"),
        ("a/.1.jpg.icloud b/.2.jpg.icloud", "holds 2 cloud placeholders and no images in a, b."),
        ("images/1.png masks/1.png", "holds 1 file in images and no class folders."),
        ("images/1.png masks/2.png", "or add --layout=class if these are the classes."),
        (
            "train/photo/1.jpg train/mask/2.jpg test/photo/3.jpg",
            "add --layout=split/class or",
        ),
        # Two readings.
        (
            "anna/photo/1.png anna/mask/2.png bob/photo/3.png bob/mask/4.png",
            "can be read as class (2 classes: anna, bob; 4 images) or as folder/class (2 classes: "
            "mask, photo; 4 images)",
        ),
        (
            "1/cat/1.jpg 1/dog/1.jpg 2/cat/2.jpg 2/dog/2.jpg",
            "can be read as class (2 classes: 1, 2; 4 images) or as folder/class (2 classes: cat, "
            "dog; 4 images), since each folder holds only folders, as 1/cat. Choose with "
            "--layout=class or --layout=folder/class, or name splits train, val and test.",
        ),
        (
            "old/cat/1.jpg old/dog/1.jpg new/cat/2.jpg",
            "Choose with --layout=class or --layout=folder/",
        ),
        (
            "train/a/x/1.jpg train/b/y/1.jpg",
            "Choose with --layout=split/class or --layout=split/folder/class.",
        ),
        (
            f"{TWO} other/a/9.jpg other/b/9.jpg",
            "mixes split folders with others (other): it can be",
        ),
        (
            "train/steam/1.jpg train/diesel/1.jpg bus/1.jpg car/1.jpg",
            "as class (3 classes: bus, car, train; 4 images) or as split/class (2 classes: diesel, "
            "steam; 2 images, 2 left out)",
        ),
        # Classes below some, beside folders of images without any.
        (
            "fold_0/all/1.bmp fold_0/hem/2.bmp fold_1/all/3.bmp fold_1/hem/4.bmp phase2/5.bmp",
            "can be read as class (3 classes: fold_0, fold_1, phase2; 5 images) or as folder/class "
            "(2 classes: all, hem; 4 images, 1 left out), since fold_0, fold_1 each hold all, hem, "
            "and phase2 holds images. Choose with --layout=class or --layout=folder/class.",
        ),
        (
            "fold1/train/40X/1.png fold1/train/100X/2.png fold1/test/40X/3.png",
            "named as sizes or ma",
        ),
        ("64x64/1.png 128x128/2.png", "64x64 are named as sizes or magnifications, not as classes"),
        # Groups, one level deeper than one of two readings, or both.
        (
            "benign/SOB/ade/SOB_B_14-#134/40X/1.png*4 benign/SOB/fib/SOB_B_15-#122/40X/1.png*3 "
            "malignant/SOB/duc/SOB_M_16-#155/40X/1.png*3 malignant/SOB/lob/SOB_M_17-#1/40X/1.png*3",
            "can be read as class/folder/folder/group (2 classes: benign, malignant; 13 images in "
            "13 groups) or as folder/folder/class/group (4 classes: ade, fib, duc, lob; 13 images "
            "in 13 groups), since each folder holds only folders, as benign/SOB/ade. Choose with "
            "--layout=class/folder/folder/group or --layout=folder/folder/class/group.",
        ),
        (
            "run/ann/1.png run/bob/1.png run/eve/1.png sit/ann/1.png sit/bob/1.png sit/zoe/1.png",
            "--layout=folder/class, or class/group to keep each inner folder in one split, or "
            "class/class for a class of each pair.",
        ),
        (
            "8863/0/1.png 8863/1/1.png 8864/0/1.png 8864/1/1.png 9/0/1.png 9/1/1.png 9/1/2.png",
            "--layout=folder/class, or group/class to keep each outer folder in one split, or name",
        ),
        # Numbers that count on may be classes below those of a higher rank.
        (
            "oak/1/1.jpg oak/2/2.jpg elm/3/3.jpg",
            "can be read as class (2 classes: elm, oak; 3 images) or as folder/class (3 classes: "
            "3, 1, 2; 3 images), since each folder holds only folders, as elm/3.",
        ),
        # The same numbers in each folder may be classes or sessions.
        ("siteA/class1/1.jpg siteA/class2/1.jpg siteB/class1/1.jpg siteB/class2/1.jpg", "can be"),
        ("left/0/1.jpg left/1/1.jpg right/0/1.jpg right/1/1.jpg", "or as folder/class (2 classes:"),
        (
            "train/day/0/1.jpg train/day/1/1.jpg train/dusk/0/1.jpg train/dusk/1/1.jpg",
            "or as split/folder/class (2 classes: 0, 1; 4 images)",
        ),
        # Copies of classes.
        ("cat/1.jpg cat~(1)/2.jpg dog/3.jpg", "classes 'cat' and 'cat (1)' differ by"),
        ("cat/1.jpg cat~-~Copy/2.jpg dog/3.jpg", "classes 'cat' and 'cat - Copy' differ by"),
        ("a_cat/1.jpg A-cat~-~Copy~(2)/2.jpg b/3.jpg", "'a_cat' and 'A-cat - Copy (2)' differ by"),
        ("cat/1.jpg cat~copy~2/2.jpg dog/3.jpg", "classes 'cat' and 'cat copy 2' differ by"),
        ("cat/1.jpg Copy~of~cat/2.jpg dog/3.jpg", "classes 'cat' and 'Copy of cat' differ by"),
        ("cat/1.jpg Kopie~von~cat/2.jpg dog/3.jpg", "classes 'cat' and 'Kopie von cat' differ by"),
        ("cat/1.jpg cat~-~Kopie~(2)/2.jpg dog/3.jpg", "'cat' and 'cat - Kopie (2)' differ by"),
        ("cat/1.jpg cat~(copy)/2.jpg dog/3.jpg", "classes 'cat' and 'cat (copy)' differ by"),
        ("猫/1.jpg 猫~-~副本/2.jpg 犬/3.jpg", "classes '猫' and '猫 - 副本' differ by"),
        ("a-cat/1.jpg a_cat/2.jpg dog/3.jpg", "classes 'a-cat' and 'a_cat' differ by separators"),
        ("cat/1.jpg cat./2.jpg dog/3.jpg", "classes 'cat' and 'cat.' differ by separators, quot"),
        # Names.
        (
            "train/cat/1.jpg train/dog/1.jpg test/cats/2.jpg test/dog/2.jpg",
            "1 image of classes that train lacks",
        ),
        ("red/1.jpg red\u200b/2.jpg b/1.jpg", r"classes 'red' and 'red\u200b' differ by"),
        # Selectors of variants, joiners, fillers and blanks: each folder looks like its sibling.
        ("red\ufe0f/1.jpg red/2.jpg b/1.jpg", r"classes 'red' and 'red\ufe0f' differ by"),
        ("r\u034fed/1.jpg red/2.jpg b/1.jpg", r"classes 'red' and 'r\u034fed' differ by"),
        ("red\u2800/1.jpg red/2.jpg b/1.jpg", r"classes 'red' and 'red\u2800' differ by"),
        ("red\u3164/1.jpg red/2.jpg b/1.jpg", r"classes 'red' and 'red\u3164' differ by"),
        ("red\U000e0101/1.jpg red/2.jpg b/1.jpg", r"'red' and 'red\U000e0101' differ by"),
        ("\u2695\ufe0f/1.jpg \u2695/2.jpg b/1.jpg", "\u2695\\ufe0f' differ by"),
        ("\u0633\u200c\u0633/1.jpg \u0633\u0633/2.jpg b/1.jpg", "differ by"),
        ("red\u00a0x/1.jpg redx/2.jpg b/1.jpg", r"classes 'redx' and 'red\xa0x' differ by"),
        ("train/red/1.jpg train/b/2.jpg test/Red/2.jpg", "classes 'Red' and 'red' differ by"),
        ("train/red/1.jpg train/b/2.jpg test/red\ufeff/2.jpg", r"classes 'red' and 'red\ufeff'"),
        # Letters of other scripts, and numbers.
        ("cat/1.jpg \u0441at/2.jpg b/3.jpg", r"('\u0441at') look alike, but have letters of"),
        ("AB/1.jpg \u0391\u0392/2.jpg b/3.jpg", r"('\u0391\u0392') look alike, but"),
        ("\u0441\u043e\u0440/1.jpg cop/2.jpg", r"('\u0441\u043e\u0440') look alike, but"),
        ("\uff43at/1.jpg cat/2.jpg", "classes 'cat' and '\uff43at' differ by"),
        ("a\u2013b/1.jpg a-b/2.jpg", "classes 'a-b' and 'a\u2013b' differ by"),
        ("1/1.jpg 01/2.jpg 2/3.jpg", "classes '01' and '1' differ by case, spaces or the form of"),
        ("train/1/1.jpg train/2/2.jpg test/1.0/3.jpg test/2/4.jpg", "'1' and '1.0' differ by"),
        ("1/1.jpg \u0661/2.jpg", "classes '1' and '\u0661' differ by"),
        ("class1/1.jpg class_1/2.jpg", "classes 'class1' and 'class_1' differ by separators"),
        ("class1/1.jpg class01/2.jpg", "'class01' and 'class1' differ by separators, q"),
        ("cat-1/1.jpg cat_1/2.jpg", "classes 'cat-1' and 'cat_1' differ by separators"),
    ],
)
def test_what_may_be_meant_otherwise_is_refused(tmp_path, text, words):
    message = refusal(plant(tmp_path, text))
    assert words in message
    assert message.startswith(f"dataset='folder:{tmp_path}': ")


@pytest.mark.parametrize(
    ("text", "layout", "line"),
    [
        ("1/cat/1.jpg 1/dog/1.jpg 2/cat/2.jpg", "class", "class, 2 classes, 3 images"),
        (
            "1/cat/1.jpg 1/dog/1.jpg 2/cat/2.jpg",
            "folder/class",
            "folder/class, 2 classes, 3 images",
        ),
        ("train/1.jpg test/1.jpg", "class", "class, 2 classes, 2 images; train, test taken"),
        (
            f"{TWO} other/a/9.jpg",
            "split/class",
            f"split/class{IN_TWO}; 1 image in other/ is in no class and left out",
        ),
        (
            "a/train/1.jpg a/test/1.jpg b/train/2.jpg b/3.jpg",
            "class/split",
            "1 image in b/ is in no",
        ),
        ("train/a/x/1.jpg train/b/y/1.jpg", "split/folder/class", "2 classes, train 2"),
        ("photo/1.jpg mask/1.jpg", "class", "class, 2 classes, 2 images; mask, photo are taken"),
        ("train/photo/1.jpg train/mask/1.jpg", "split/class", "split/class, 2 classes, train 2"),
        (f"{TWO} test_preds/a/9.jpg", "split/class", f"{IN_TWO}; 1 file of results is left out"),
        (f"{TWO} test_preds/a/9.jpg", "class", "class, 3 classes, 9 images"),
        # Masks that are no class by the layout that is given.
        (
            "images/cat_#.jpg*4 images/dog_#.jpg*4 notes/trimaps/cat_#.png*4 "
            "annotations/trimaps/cat_#.png*4 annotations/trimaps/dog_#.png*4",
            "file",
            "file, 2 classes, 12 images; 8 files in folders of masks, labels or thumbnails are "
            "left out (annotations/)",
        ),
        (
            "train/ok/#.png*3 test/hole/#.png*3 ground_truth/hole/#_mask.png*3",
            "folder/class",
            "folder/class, 2 classes, 6 images; 3 files in folders of masks, labels or thumbnails "
            "are left out (ground_truth/)",
        ),
        (
            "a/train/images/1.png a/train/depth/1.png b/test/images/1.png b/test/masks/1.png "
            "b/train/images/2.png",
            "class/split",
            "class/split, 2 classes, train 2, test 1; 2 files in folders of masks",
        ),
        (
            "a/p1/1.jpg a/p1/saliency/1.jpg b/p1/1.jpg b/p3/1.jpg",
            "class/group",
            "class/group, 2 classes, 3 images in 2 groups; 1 file in folders of masks",
        ),
        (
            "x/cat.#.jpg*8 x/big_dog~(#).jpg*8 note.jpg",
            "file",
            "file, 2 classes, 16 images; 1 image in the top folder is in no class and left out; "
            "the class of a file is what its name has before or behind the number",
        ),
        (
            "train/0#_cat.jpg*3 train/1#_dog.jpg*3 test/cat/1#_cat.jpg*2 test/9.jpg",
            "split/file",
            "split/file, 2 classes, train 6, test 2; 1 image in test/ is in no class",
        ),
        ("a/1.jpg b/1.jpg c/#.pdf*9", "class", "2 classes, 2 images; no images in c"),
        ("RECYCLER/1.jpg a/1.jpg", "class", "2 images; recycler is taken for a class"),
        (
            "Trash/1.jpg a/1.jpg b/1.jpg wandb/2.jpg",
            "class",
            "4 images; trash is taken for a class",
        ),
        ("DCIM/1.jpg a/1.jpg b/1.jpg", "class", "class, 3 classes, 3 images"),
        (
            "amazon/images/bike/1.jpg amazon/images/mug/2.jpg dslr/images/bike/3.jpg",
            "folder/class",
            "folder/class, 2 classes, 3 images; amazon, dslr are joined",
        ),
        (
            "a/p1/#.jpg*2 a/p2/1.jpg b/p1/1.jpg b/p3/1.jpg b/9.jpg",
            "class/group",
            "class/group, 2 classes, 6 images in 3 groups",
        ),
        ("train/p1/a/1.jpg train/p2/b/2.jpg test/p3/a/1.jpg", "split/group/class", "in 3 groups"),
        ("p1/train/a/1.jpg p1/train/b/1.jpg p2/test/a/1.jpg", "group/split/class", "test 1 in 2 g"),
        ("train/a/p1/1.jpg train/b/p1/2.jpg test/a/p2/x/1.jpg", "split/class/group", "in 2 groups"),
        ("a/train/p1/1.jpg a/test/p2/2.jpg b/train/p1/1.jpg", "class/split/group", "test 1 in 2 g"),
        (
            "x/a/k/p1/40X/1.jpg y/b/l/p2/1.jpg y/b/l/p2/100X/1.jpg",
            "folder/class/folder/group",
            "folder/class/folder/group, 2 classes, 3 images in 2 groups; x, y are joined",
        ),
        (
            "apple/rot/1.jpg apple/ok/1.jpg corn/ok/1.jpg",
            "class/class",
            "class/class, 3 classes, 3 images",
        ),
        ("p1/cat.#.jpg*4 p1/dog.#.jpg*4 p2/cat.#.jpg*2", "group/file", "2 classes, 10 images in 2"),
        (
            "a/S1_#.jpg*3 a/S2_#.jpg*3 b/S1_#.jpg*2",
            "class/group",
            "8 images in 2 groups; images of",
        ),
        (
            "p1/a/1.jpg p1/b/2.jpg p2/images/a/3.jpg 9.jpg",
            "group/class",
            "group/class, 2 classes, 3 images in 2 groups; 1 image in the top folder is in no",
        ),
    ],
)
def test_flag_settles_it(tmp_path, text, layout, line):
    plant(tmp_path, text)
    assert line in read(tmp_path, layout=layout)[1]


def test_flag_that_fits_nothing_is_refused(tmp_path):
    plant(tmp_path, "a/1.jpg b/1.jpg")
    message = refusal(tmp_path, layout="split/class")
    assert message.startswith("layout='split/class': finds no class in folder:")


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("a/p1/#.jpg*2 a/p2/1.jpg b/p1/1.jpg b/9.jpg b/8.jpg", "class/group"),
        ("p1/a/#.jpg*2 p2/a/1.jpg p1/b/1.jpg", "group/class"),
    ],
)
def test_folders_may_name_groups(tmp_path, text, layout):
    listing, _ = read(plant(tmp_path, text), layout=layout)
    for file in listing.files:
        group = next((part for part in file.path.parts if part in ("p1", "p2")), "")
        assert (file.group, file.class_name) == (group, "a" if "/a/" in str(file.path) else "b")


def test_copy_of_a_class_is_left_out_by_the_flag_that_is_named(tmp_path):
    splits = ("train", "test")
    names = ("cat,~old", "Copy~of~cat,~old", "dog")
    plant(tmp_path, " ".join(f"{split}/{name}/1.jpg" for split in splits for name in names))
    words = shlex.split(refusal(tmp_path).removesuffix("."))
    [(_, value)] = [word.split("=", 1) for word in words if word.startswith("--leave_out=")]
    assert len(list_folder(str(tmp_path), leave_out=value.split(",")).files) == 4


def test_classes_of_two_alphabets_are_told(tmp_path):
    """Characters to be recognized look alike, and are classes where both scripts are used."""
    listing, _ = read(plant(tmp_path, "A/1.jpg \u0410/2.jpg \u0411/3.jpg"))
    assert listing.class_names == ("A", "\u0410", "\u0411")
    (finding,) = listing.findings
    assert (finding.file, finding.other) == ("\u0410", "A")
    assert finding.kind == "class name that looks like another"


@pytest.mark.parametrize(
    "text",
    [
        "temp_-5/1.jpg temp_5/2.jpg",
        "-1/1.jpg 1/2.jpg",
        "v1.05/1.jpg v1.5/2.jpg",
        "1-1/1.jpg 11/2.jpg",
        "2.5/1.jpg 25/2.jpg",
        "10/1.jpg 1/2.jpg 100/3.jpg",
        "\u0432/1.jpg b/2.jpg",
    ],
)
def test_numbers_and_letters_that_differ_are_classes(tmp_path, text):
    listing, _ = read(plant(tmp_path, text))
    assert len(listing.class_names) == len(text.split())
    assert not listing.findings
