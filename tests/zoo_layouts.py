"""Folders as people lay them out, and what is right for each."""

import collections
import itertools
import json
import re

from picture_files import HEIC
from zoo import Specimen, picture, readable_name
from zoo_images import (
    CLASSES,
    HONEST,
    SPLIT_CHOICES,
    SPLITS,
    TOP,
    UNUSUAL_SPELLINGS,
    Images,
    draw_images,
    lay_out,
    spell,
)


def flat(rng):
    return lay_out(draw_images(rng, ["train"], CLASSES), lambda split, name: name, "flat")


def honest(rng):
    images = draw_images(rng, ["train"], HONEST)
    specimen = lay_out(images, lambda split, name: name, "classes named as splits")
    if {"train", "test", "valid", "val", "dev", "training"} & {
        name.lower() for name in images.classes
    }:
        specimen.causes.append(r"--\w+")
    return specimen


def honest_in_splits(rng):
    words = spell(rng)
    images = draw_images(rng, rng.choice(SPLIT_CHOICES), HONEST)
    specimen = lay_out(
        images, lambda split, name: f"{words[split]}/{name}", "classes named as splits in splits"
    )
    if set(words.values()) & set(images.classes):
        specimen.causes.append(r"--\w+")
    return specimen


def inner(rng):
    """Every class folder has one folder of the same name in it."""
    images = draw_images(rng, ["train"], CLASSES)
    within = rng.choice(["images", "img", "JPEG", "2024/01", "x1/x2/x3/x4/x5/x6/x7", "original"])
    specimen = lay_out(images, lambda split, name: f"{name}/{within}", "images below class folders")
    if within in images.classes:
        specimen.causes.append(rf"{within}.*--\w+")
    return specimen


def doubled(rng):
    images = draw_images(rng, ["train"], CLASSES)
    return lay_out(images, lambda split, name: f"{name}/{name}", "class in class")


def uneven(rng):
    """Images at different depths of the class folders."""
    images = draw_images(rng, ["train"], CLASSES)
    deep = {name: rng.choice(["", "/2023", "/x/y", "/2024/05"]) for name in images.classes}
    deep[images.classes[0]] = ""
    return lay_out(images, lambda split, name: name + deep[name], "uneven depths")


def shared_parts(rng):
    """The same parts in every class folder: sides, years, cameras."""
    images = draw_images(rng, ["train"], [CLASSES[0], CLASSES[1]], most=3)
    parts = rng.choice([["left", "right"], ["2022", "2023"], ["cam1", "cam2"]])
    specimen = Specimen(f"folder:{TOP}", ["same parts in each class"])
    by_part = collections.Counter()
    for (_, name), some in images.names.items():
        for part in parts:
            by_part["train", part] += len(some)
            for file in some:
                specimen.files[f"{TOP}/{name}/{part}/{file}"] = specimen.picture()
    whole = collections.Counter({key: count * len(parts) for key, count in images.counts().items()})
    specimen.readings = [whole, by_part]
    specimen.told.append("only folders|folder/class|level")
    specimen.causes.append(rf"{parts[0]}.*--\w+|--\w+.*{parts[0]}")
    return specimen


def lettered(rng):
    """Classes one level lower, under their letters or kinds."""
    images = draw_images(
        rng, ["train"], [CLASSES[0], CLASSES[1], ["airfield", "alley", "bar", "beach"]]
    )
    specimen = lay_out(images, lambda split, name: f"{name[0]}/{name}", "classes below letters")
    letters = collections.Counter()
    for (split, name), count in images.counts().items():
        letters[split, name[0]] += count
    if len(letters) > 1:
        specimen.readings.append(letters)
    specimen.above = [TOP]  # What lies beside one class may belong to its letter.
    if len(letters) > 1:
        specimen.told.append("only folders|folder/class|level")
    specimen.causes.append(rf"{images.classes[0]}|--\w+")
    return specimen


def splits(rng):
    words = spell(rng)
    images = draw_images(rng, rng.choice([*SPLIT_CHOICES, ("train",)]), CLASSES)
    return lay_out(images, lambda split, name: f"{words[split]}/{name}", f"splits {words['train']}")


def splits_without_train(rng):
    """Others can only be split off one that there is."""
    choice = rng.choice([("validation", "test"), ("test",), ("validation",)])
    words = spell(rng)
    images = draw_images(rng, choice, CLASSES)
    specimen = lay_out(
        images, lambda split, name: f"{words[split]}/{name}", f"no training {words[choice[0]]}"
    )
    specimen.told.append(r"no folder train|train is split off")
    return specimen


def unusual_splits(rng):
    words = spell(rng, UNUSUAL_SPELLINGS)
    images = draw_images(rng, rng.choice(SPLIT_CHOICES), CLASSES[:3])
    specimen = lay_out(
        images, lambda split, name: f"{words[split]}/{name}", f"splits {words['train']}"
    )
    specimen.causes.append(rf"({'|'.join(words.values())}).*(--\w+|rename|name)")
    return specimen


def splits_again(rng):
    """Each split folder has one of the same name in it, as some archives unpack."""
    words = spell(rng)
    images = draw_images(rng, rng.choice(SPLIT_CHOICES), CLASSES)
    twice = {split: f"{word}/{word}" for split, word in words.items()}
    return lay_out(
        images, lambda split, name: f"{twice[split]}/{name}", f"splits twice {words['train']}"
    )


def splits_below(rng):
    """Each class has its own splits."""
    words = spell(rng)
    images = draw_images(rng, rng.choice(SPLIT_CHOICES), CLASSES)
    return lay_out(
        images, lambda split, name: f"{name}/{words[split]}", f"class/split {words['train']}"
    )


def splits_between(rng):
    """A folder between the splits and the classes, the same in each."""
    words = spell(rng)
    images = draw_images(rng, rng.choice(SPLIT_CHOICES), CLASSES[:3])
    between = rng.choice(["images", "data", "classes"])
    specimen = lay_out(
        images, lambda split, name: f"{words[split]}/{between}/{name}", "split/x/class"
    )
    specimen.causes.append(rf"{between}|{images.classes[0]}")
    return specimen


def split_in_class_name(rng):
    """Folders such as cat-train and cat-test."""
    words = spell(rng)
    images = draw_images(rng, ["train", "test"], CLASSES[:1])
    mark = rng.choice("-_ ")
    specimen = lay_out(images, lambda split, name: f"{name}{mark}{words[split]}", "class-split")
    specimen.causes.append(rf"{words['train']}|split")
    if not any(split == "test" for split, _ in images.names):
        # Then the word is as good a part of the name as any.
        names = {f"{name}{mark}{words['train']}": name for name in images.classes}
        whole = {("train", new): images.counts()["train", name] for new, name in names.items()}
        specimen.readings.append(collections.Counter(whole))
    return specimen


def two_of_a_split(rng):
    """Two folders of training images, or one and its copy."""
    images = draw_images(rng, ["train", "test"], CLASSES[:3])
    pair = rng.choice([("train1", "train2"), ("train_clean", "train_noisy"), ("train", "Training")])
    turns = itertools.cycle(pair)
    is_copy = rng.random() < 0.4
    specimen = Specimen(f"folder:{TOP}", ["a copy of a split" if is_copy else "two of a split"])
    for (split, name), some in images.names.items():
        for place, file in enumerate(some):
            content = specimen.picture()
            folders = ["test"] if split == "test" else pair if is_copy else [next(turns)]
            for folder in folders:
                specimen.files[f"{TOP}/{folder}/{name}/{place}{file}"] = content
    specimen.readings.append(images.counts())
    if is_copy:
        specimen.must_stop(pair[0])
    specimen.causes.append("|".join(pair))
    return specimen


def many_classes(rng):
    count = rng.choice([60, 150, 150, 1000])
    images = Images(
        [f"class {n}" for n in range(count)],
        {("train", f"class {n}"): ["1.png"] for n in range(count)},
    )
    return lay_out(images, lambda split, name: name, f"{count} classes")


def one_class(rng):
    images = Images(["cat"], {("train", "cat"): ["1.png", "2.png", "3.png"]})
    specimen = lay_out(images, lambda split, name: name, "one class")
    specimen.must_stop("one class|single")
    return specimen


def splits_beside_classes(rng):
    images = draw_images(rng, ["train", "test"], CLASSES[:3])
    specimen = lay_out(images, lambda split, name: f"{split}/{name}", "classes beside splits")
    for name in images.classes:
        specimen.files[f"{TOP}/{name}/extra.png"] = specimen.picture()
    specimen.must_stop(rf"({'|'.join(images.classes)})")
    return specimen


def splits_without_classes(rng):
    """Nobody trains on splits as classes."""
    words = spell(rng)
    chosen = rng.choice(
        [("train", "test"), ("train", "validation", "test"), ("train", "validation")]
    )
    specimen = Specimen(f"folder:{TOP}", [f"splits without classes {words['train']}"])
    for split in chosen:
        within = rng.choice(["", "", "/images"])
        for number in range(rng.randint(2, 5)):
            specimen.files[f"{TOP}/{words[split]}{within}/cat.{number}.png"] = specimen.picture()
    specimen.must_stop("no class|class folder|--\\w+")
    return specimen


def boxes_beside_images(rng):
    """As labelling sites write them for detection and segmentation: no classes at all."""
    beside, ending = rng.choice([("labels", "txt"), ("masks", "png"), ("annotations", "xml")])
    specimen = Specimen(f"folder:{TOP}", [f"train/images and train/{beside}"])
    for split in ("train", "valid", "test"):
        for number in range(3):
            specimen.files[f"{TOP}/{split}/images/{number}.png"] = specimen.picture()
            content = specimen.picture() if ending == "png" else b"0 0.5 0.5 0.1 0.1\n"
            specimen.files[f"{TOP}/{split}/{beside}/{number}.{ending}"] = content
    specimen.files[f"{TOP}/data.yaml"] = b"nc: 2\n"
    specimen.must_stop("class")
    return specimen


def loose(rng):
    specimen = Specimen(f"folder:{TOP}", ["no folders"])
    for number in range(rng.randint(2, 9)):
        specimen.files[f"{TOP}/{rng.choice(['cat', 'dog'])}.{number}.png"] = specimen.picture()
    specimen.must_stop("no class folders|no folder")
    return specimen


def empty(rng):
    specimen = Specimen(f"folder:{TOP}", ["empty"])
    specimen.folders |= {
        f"{TOP}/{name}" for name in rng.choice([[""], ["a", "b"], ["train", "test/x"]])
    }
    specimen.must_stop("no class|no image|no usable|empty|no picture|one class")
    return specimen


def not_a_folder(rng):
    specimen = Specimen(f"folder:{TOP}", ["no folder"])
    kind = rng.choice(["missing", "zip", "table"])
    if kind == "missing":
        specimen.files["datta/a/1.png"] = specimen.picture()
    else:
        specimen.files[TOP] = b"PK\3\4" if kind == "zip" else b"image,label\n"
    specimen.must_stop("does not exist|not a folder")
    return specimen


def sizes(rng):
    """The same pictures in several sizes, each with all classes."""
    images = draw_images(rng, ["train"], CLASSES[:2])
    pair = rng.choice(
        [
            ("small", "large"),
            ("64x64", "128x128"),
            ("raw", "processed"),
            ("fold1", "fold2"),
            ("gray", "color"),
            ("original", "augmented"),
            ("2023", "2024"),
        ]
    )
    specimen = Specimen(f"folder:{TOP}", [f"all classes in {' and '.join(pair)}"])
    whole = collections.Counter()
    for (split, name), some in images.names.items():
        whole[split, readable_name(name)] += 2 * len(some)
        for file in some:
            for part in pair:
                specimen.files[f"{TOP}/{part}/{name}/{file}"] = specimen.picture()
    specimen.readings.append(whole)
    specimen.told.append("folder/class|joined")
    specimen.causes.append(f"{pair[0]}|{pair[1]}")
    return specimen


def copy_of_all(rng):
    """The archive has itself once more inside."""
    choice = rng.choice([("train",), ("train",), ("train", "test")])
    images = draw_images(rng, choice, CLASSES)
    where = (
        (lambda split, name: name)
        if choice == ("train",)
        else (lambda split, name: f"{split}/{name}")
    )
    specimen = lay_out(images, where, "copy of all inside")
    copy = rng.choice([TOP, "PlantVillage", "all36", "backup", "copy", "New folder"])
    for name, content in list(specimen.files.items()):
        specimen.files[name.replace(TOP, f"{TOP}/{copy}", 1)] = content
    specimen.causes.append(copy)
    specimen.told.append(copy)
    return specimen


def all_in_one(rng):
    """A folder of all pictures once more beside their classes."""
    images = draw_images(rng, ["train"], CLASSES[:4])
    specimen = lay_out(images, lambda split, name: name, "all in one folder beside classes")
    whole = rng.choice(["all", "images_all", "total", "unsorted"])
    files = [name.rpartition("/")[2] for name in specimen.files]
    if len(set(files)) < len(files):
        # Under other names, where they would hide each other.
        files = [f"{number}.png" for number in range(len(files))]
    specimen.must_stop(whole)
    for file, content in zip(files, list(specimen.files.values()), strict=True):
        specimen.files[f"{TOP}/{whole}/{file}"] = content
    return specimen


def unlabelled(rng):
    """A folder of pictures without classes beside the splits, as competitions have it."""
    words = spell(rng)
    choice = rng.choice([("train",), ("train", "test"), ("train", "validation")])
    images = draw_images(rng, choice, CLASSES)
    specimen = lay_out(
        images, lambda split, name: f"{words[split]}/{name}", "unlabelled beside splits"
    )
    aside = rng.choice(
        ["pred", "unlabeled", "predict"]
        + [words[split] for split in ("validation", "test") if split not in choice]
    )
    count = rng.randint(2, 12)
    for number in range(count):
        specimen.files[f"{TOP}/{aside}/{number}.png"] = specimen.picture()
    specimen.told.append(rf"\d+ images? in .*{re.escape(aside)}.* left out")
    specimen.causes.append(aside)
    return specimen


def unlike_forms(rng):
    """Two folders whose names look the same, or nearly."""
    return _two_of_a_name(rng, rng.choice(FORMS))


def unlike_cases(rng):
    """Two folders whose names differ by case or spaces."""
    return _two_of_a_name(rng, rng.choice([("cat", "Cat"), ("cat", "cat "), ("a cat", "acat")]))


FORMS = [
    ("cat", "cat\u200b"),
    ("big cat", "big\u00a0cat"),
    ("cat", "cat "),
    ("cat", " cat"),
    ("cat", "Cat"),
    ("Straße", "STRASSE"),
    ("cat", "\ufeffcat"),
    ("cat", "cat\u00ad"),
    ("cat", "c\u2060at"),
    ("ﬁsh", "fish"),
    ("cat", "cat\u200e"),
    ("cat", "\u0441at"),
    ("cop", "\u0441\u043e\u0440"),
    ("x\u0445", "xx"),
    ("1", "01"),
    ("7", "7.0"),
    ("class1", "class_1"),
    ("a-b", "a\u2013b"),
    ("cat_1", "cat-1"),
]


def _two_of_a_name(rng, forms):
    form, other = forms
    in_splits = rng.random() < 0.5
    files = {f"{form}/1.png": 0, f"{form}/2.png": 1, f"{other}/3.png": 2, "dog/4.png": 3}
    if in_splits:
        files = {
            f"train/{form}/1.png": 0,
            f"train/{form}/2.png": 1,
            f"test/{other}/3.png": 2,
            "train/dog/4.png": 3,
            "test/dog/5.png": 4,
        }
    specimen = Specimen(f"folder:{TOP}", [f"{form!r} and {other!r}"])
    for name in files:
        specimen.files[f"{TOP}/{name}"] = specimen.picture()
    specimen.must_stop("case|spaces|form|invisible|one line|letters|separators|cannot be seen")
    return specimen


def two_forms(rng):
    """Composed and decomposed accents are one class."""
    specimen = Specimen(f"folder:{TOP}", ["accents in two forms"])
    for name in [
        "train/caf\u00e9/1.png",
        "test/cafe\u0301/2.png",
        "train/thé/3.png",
        "test/thé/4.png",
    ]:
        specimen.files[f"{TOP}/{name}"] = specimen.picture()
    specimen.readings.append(
        collections.Counter(
            {(split, name): 1 for split in ("train", "test") for name in ("café", "thé")}
        )
    )
    return specimen


def only_in_test(rng):
    """Classes that the splits do not share."""
    words = spell(rng)
    specimen = Specimen(f"folder:{TOP}", [f"classes of their own in splits {words['train']}"])
    for split, name in [("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "bird")]:
        for number in range(rng.randint(1, 3)):
            specimen.files[f"{TOP}/{words[split]}/{name}/{number}.png"] = specimen.picture()
    specimen.must_stop("bird")
    return specimen


def three_levels(rng):
    """Things, each with its own splits and classes, as data of inspection have it."""
    specimen = Specimen(f"folder:{TOP}", ["thing/split/class"])
    for thing in ("bottle", "cable"):
        for place in ("train/good", "test/good", f"test/{thing[0]}_broken"):
            for number in range(2):
                specimen.files[f"{TOP}/{thing}/{place}/{number}.png"] = specimen.picture()
    by_class = {
        ("train", "good"): 4,
        ("test", "good"): 4,
        ("test", "b_broken"): 2,
        ("test", "c_broken"): 2,
    }
    by_thing = {
        ("train", "bottle"): 2,
        ("test", "bottle"): 4,
        ("train", "cable"): 2,
        ("test", "cable"): 4,
    }
    specimen.readings = [collections.Counter(by_class), collections.Counter(by_thing)]
    specimen.told.append("layout")
    specimen.causes.append("bottle|cable|good")
    return specimen


def splits_in_some(rng):
    """One class has its own splits and the other none."""
    specimen = Specimen(f"folder:{TOP}", ["splits in some classes"])
    for name in ("cat/train/1", "cat/train/2", "cat/test/3", "dog/4", "dog/5"):
        specimen.files[f"{TOP}/{name}.png"] = specimen.picture()
    whole = {("train", "cat"): 2, ("test", "cat"): 1, ("train", "dog"): 2}
    specimen.readings.append(collections.Counter(whole))
    specimen.causes.append("cat|dog|split")
    return specimen


def all_moved_out(rng):
    """A cloud drive has taken every picture of a class."""
    specimen = Specimen(f"folder:{TOP}", ["a class of placeholders"])
    for number in range(4):
        specimen.files[f"{TOP}/cat/{number}.png"] = specimen.picture()
        specimen.files[f"{TOP}/dog/{number}.png"] = specimen.picture()
        specimen.files[f"{TOP}/bird/.{number}.png.icloud"] = b"bplist00" + bytes(160)
    specimen.must_stop("bird")
    return specimen


def class_is_link(rng):
    """A class folder that is a link: to a folder elsewhere, or to another class."""
    specimen = Specimen(f"folder:{TOP}", ["a class that is a link"])
    for number in range(4):
        specimen.files[f"{TOP}/cat/{number}.png"] = specimen.picture()
        specimen.files[f"elsewhere/{number}.png"] = specimen.picture()
    specimen.links[f"{TOP}/dog"] = "ROOT/elsewhere"
    specimen.readings.append(collections.Counter({("train", "cat"): 4, ("train", "dog"): 4}))
    if rng.random() < 0.3:
        specimen.links[f"{TOP}/kitty"] = "cat"
        specimen.causes.append("kitty")
    return specimen


def annexed(rng):
    """Every picture is a link into a hidden store, which may lack some."""
    images = draw_images(rng, ["train"], CLASSES[:4])
    specimen = lay_out(images, lambda split, name: name, "links into a hidden store")
    for number, (name, content) in enumerate(list(specimen.files.items())):
        del specimen.files[name]
        specimen.links[name] = f"ROOT/{TOP}/.git/annex/objects/{number}.png"
        specimen.files[f"{TOP}/.git/annex/objects/{number}.png"] = content
    if rng.random() < 0.4:
        specimen.links[f"{TOP}/{images.classes[0]}/gone.png"] = "../.git/annex/objects/gone.png"
        specimen.must_stop("no such file|broken|link|not downloaded|annex")
    return specimen


def notes_of_images(rng):
    """A file of text for each picture, without ending, in folders of the same classes."""
    images = draw_images(rng, ["train"], CLASSES[:2])
    one, other = rng.choice([("Images", "Annotation"), ("img", "xml"), ("jpg", "labels")])
    specimen = lay_out(images, lambda split, name: f"{one}/{name}", "annotations of each class")
    for name in images.classes:
        for number in range(3):
            specimen.files[f"{TOP}/{other}/{name}/{number}"] = b"<annotation><folder/></annotation>"
    specimen.causes.append(f"{one}|{other}")
    return specimen


def no_pictures(rng):
    """Class folders of something else."""
    ending, content, cause = rng.choice(
        [
            ("npy", b"\x93NUMPY\1\0" + bytes(60), "array|numpy"),
            ("mp4", b"\0\0\0\x18ftypisom" + bytes(60), "video"),
            ("txt", b"some words\n", "text"),
            ("heic", HEIC, "HEI"),
            ("tiff", b"II*\0" + bytes(60), "tif"),
            ("pdf", b"%PDF-1.7\n" + bytes(60), "pdf|document"),
            ("dcm", bytes(128) + b"DICM" + bytes(90), "dicom|medical"),
            ("parquet", b"PAR1" + bytes(90), "parquet|table|arrays|data|stored"),
            ("zip", b"PK\3\4" + bytes(90), "zip|archive"),
        ]
    )
    specimen = Specimen(f"folder:{TOP}", [f"class folders of .{ending}"])
    for number in range(30):
        specimen.files[f"{TOP}/{rng.choice(['cat', 'dog'])}/{number}.{ending}"] = content
    specimen.must_stop(cause)
    return specimen


def named_like_copies(rng):
    """Two folders of one class, as file managers and careless hands make them."""
    first, second = rng.choice(
        [
            ("cat", "cat (1)"),
            ("cat", "cat - Copy"),
            ("cat", "cat copy 2"),
            ("big-cat", "big_cat"),
            ("big cat", "Big-Cat"),
        ]
    )
    specimen = Specimen(f"folder:{TOP}", [f"{first} and {second}"])
    for place, name in enumerate([first, first, second, "dog", "dog"]):
        specimen.files[f"{TOP}/{name}/{place}.png"] = specimen.picture()
    specimen.must_stop(re.escape(second))
    return specimen


def third_beside_splits(rng):
    """More images of the classes in a folder that no split is called."""
    images = draw_images(rng, ["train", "test"], CLASSES[:4])
    aside = rng.choice(["extra", "raw", "more photos", "2023", "night"])
    specimen = lay_out(images, lambda split, name: f"{split}/{name}", "a third beside splits")
    for name in images.classes:
        specimen.files[f"{TOP}/{aside}/{name}/x.png"] = specimen.picture()
    specimen.must_stop(rf"{aside}.*--\w+")
    return specimen


def made_from_images(rng):
    """Smaller or changed pictures of all, with their names, in a folder beside the classes."""
    aside, name_of = rng.choice(
        [
            ("thumbs", "{}"),
            ("small", "{}_small"),
            ("resized_64", "{}-64x64"),
            ("gray", "gray_{}"),
            ("all", "{}"),
        ]
    )
    specimen = Specimen(f"folder:{TOP}", [f"{aside} beside the classes"])
    for place in range(12):
        name, stem = rng.choice(["cat", "dog", "bird"]), f"P{place:03}"
        specimen.files[f"{TOP}/{name}/{stem}.png"] = specimen.picture()
        specimen.files[f"{TOP}/{aside}/{name_of.format(stem)}.png"] = specimen.picture()
    specimen.must_stop(aside)
    return specimen


def named_by_files(rng):
    """All in one folder, with classes in the names of files and a flag that says so."""
    order = rng.choice(["{0}.{1}", "{0}_{1:04}", "{0} ({1})", "{1:03}_{0}", "{0}-{1}-2"])
    splits = rng.choice([["train"], ["train", "test"]])
    form = "split/file" if splits[1:] else "file"
    specimen = Specimen(f"folder:{TOP}", [f"{order} as {form}"], flags={"layout": form})
    counts = collections.Counter()
    for split in splits:
        for name in ("cat", "great_dane"):
            for number in range(rng.randint(3, 6)):
                counts[split, name] += 1
                folder = f"{TOP}/{split}" if splits[1:] else TOP
                file = f"{order.format(name, number)}.png"
                specimen.files[f"{folder}/{file}"] = specimen.picture()
    if rng.random() < 0.3:
        del specimen.flags["layout"]
        specimen.must_stop(rf"cat, great_dane.*--layout={form}")
    specimen.readings.append(counts)
    return specimen


def sessions(rng):
    """In each class folder some that are called like it and numbered."""
    images = draw_images(rng, ["train"], CLASSES[:2])
    mark = rng.choice(["_", "-", " ", ""])
    specimen = Specimen(f"folder:{TOP}", ["numbered folders called like their class"])
    for (_, name), some in images.names.items():
        for place, file in enumerate(some):
            specimen.files[f"{TOP}/{name}/{name}{mark}{place % 2}/{file}"] = specimen.picture()
    specimen.readings.append(images.counts())
    return specimen


def higher_rank(rng):
    """Classes by number below folders of a higher rank."""
    specimen = Specimen(f"folder:{TOP}", ["numbered classes of a higher rank"])
    first, number = rng.randint(0, 1), 0
    for name in ("Acer", "Quercus", "Ulmus"):
        for _ in range(rng.randint(2, 4)):
            for file in range(2):
                specimen.files[f"{TOP}/{name}/{first + number}/{file}.png"] = specimen.picture()
            number += 1
    specimen.must_stop(r"can be read as class\S* .*Acer.*--layout=folder/class")
    return specimen


def masks(rng):
    """What was drawn onto each image, in a folder beside them, under the same name or nearly."""
    specimen = Specimen(f"folder:{TOP}", ["masks of the images"])
    name_of = rng.choice(["{}", "{}_mask", "mask_{}"])
    within = rng.random() < 0.5
    for name in ("cat", "dog"):
        for number in range(4):
            stem = f"{name}{number}"
            place = f"{name}/images" if within else f"images/{name}"
            specimen.files[f"{TOP}/{place}/{stem}.png"] = specimen.picture()
            beside = f"{name}/masks" if within else f"masks/{name}"
            specimen.files[f"{TOP}/{beside}/{name_of.format(stem)}.png"] = specimen.picture()
    specimen.readings.append(collections.Counter({("train", "cat"): 4, ("train", "dog"): 4}))
    specimen.told.append("masks")
    return specimen


def made_within(rng):
    """Masks or thumbnails of the images of each class or split, in a folder named so."""
    specimen = Specimen(f"folder:{TOP}", ["made from the images of a class or split"])
    name_of = rng.choice(["{}", "{}_mask", "thumb_{}"])
    place, beside = rng.choice(
        [
            ("{}", "{}/masks"),
            ("{}", "{}/thumbs"),
            ("train/{}", "train_masks/{}"),
            ("train/{}", "train_labels/{}"),
        ]
    )
    for name in ("cat", "dog"):
        for number in range(4):
            stem = f"{name}{number}"
            specimen.files[f"{TOP}/{place.format(name)}/{stem}.png"] = specimen.picture()
            made = f"{TOP}/{beside.format(name)}/{name_of.format(stem)}.png"
            specimen.files[made] = specimen.picture()
    specimen.readings.append(collections.Counter({("train", "cat"): 4, ("train", "dog"): 4}))
    specimen.told.append("masks, labels or thumbnails are left out")
    return specimen


def labeled_in_part(rng):
    """Folders of images with a class, and one of those without."""
    images = draw_images(rng, ["train"], CLASSES[:4])
    done = rng.choice(["labeled", "done", "sorted"])
    specimen = lay_out(images, lambda split, name: f"{done}/{name}", "labeled in part")
    aside = rng.choice(["unlabeled", "to_sort", "Unsorted", "unclassified", "untagged"])
    for number in range(rng.randint(2, 9)):
        specimen.files[f"{TOP}/{aside}/{number}.png"] = specimen.picture()
    specimen.told.append(rf"\d+ images in .*{aside}/ are in no class and left out")
    specimen.above = [TOP]
    return specimen


def classes_deeper(rng):
    """The same classes two levels below folders of another kind."""
    specimen = Specimen(f"folder:{TOP}", ["classes further down"])
    for source in ("amazon", "dslr", "webcam"):
        for name in ("bike", "mug"):
            for number in range(2):
                specimen.files[f"{TOP}/{source}/images/{name}/{number}.png"] = specimen.picture()
    specimen.must_stop("bike, mug further down.*--layout=class")
    return specimen


def class_is_gone(rng):
    """A class folder that is a link to what was moved."""
    images = draw_images(rng, ["train"], CLASSES[:2])
    specimen = lay_out(images, lambda split, name: name, "a class that is a link to nowhere")
    specimen.links[f"{TOP}/zebra"] = "/mnt/old/zebra"
    specimen.told.append(
        r"zebra is a link to /mnt/old/zebra, which is not there|zebra to /mnt/old/zebra"
    )
    return specimen


def things_beside_a_table(rng):
    """A folder for each patient or for the first letters of names, and the classes in a table."""
    names = rng.choice(
        [
            [f"{word}{number:02}" for number in (1, 2, 7)]
            for word in ("patient_", "Subject", "case-", "scan ", "video")
        ]
        + [["00", "3f", "a7"], ["0a1", "b20", "c33"]]
    )
    specimen = Specimen(f"folder:{TOP}", [f"{names[0]} and so on beside a table"])
    for name in names:
        for number in range(3):
            specimen.files[f"{TOP}/{name}/{number}.png"] = specimen.picture()
    specimen.files[f"{TOP}/labels.csv"] = b"image,label\n"
    specimen.must_stop(r"parts of a whole.*labels\.csv")
    return specimen


def wrapped_without_classes(rng):
    """Splits that hold a folder named as they are, with images alone."""
    words = spell(rng)
    specimen = Specimen(f"folder:{TOP}", [f"wrapped splits without classes {words['train']}"])
    for split in rng.choice([("train", "test"), ("train", "validation", "test")]):
        for number in range(3):
            place = f"{TOP}/{words[split]}/{words[split]}/0{number}.png"
            specimen.files[place] = specimen.picture()
    specimen.must_stop("named as splits and hold images, but no class folders")
    return specimen


def with_a_word(rng):
    """Honest classes, and something beside them that a person should hear of."""
    images = draw_images(rng, ["train"], CLASSES[:2])
    specimen = lay_out(images, lambda split, name: name, "classes and more")
    if rng.random() < 0.5:
        place = rng.choice(["", "meta/", "lists/"])
        for name in ("train.txt", "test.txt"):
            specimen.files[f"{TOP}/{place}{name}"] = b"cat/1.png\n"
        specimen.told.append(r"train\.txt")
    else:
        aside = rng.choice(["RECYCLER", "misc", "results", "New folder"])
        specimen.files |= {f"{TOP}/{aside}/{place}.png": picture(90 + place) for place in (0, 1)}
        if aside != "RECYCLER":
            specimen.readings[0]["train", aside] = 2
        specimen.told.append(aside)
    return specimen


def listed(rng):
    """Classes in folders, and the splits in texts that name the images."""
    specimen = Specimen(f"folder:{TOP}", ["splits in texts"])
    place, inner = rng.choice([("", ""), ("images/", ""), ("images/", "meta/"), ("jpg/", "lists/")])
    names = [f"{name}/{name}_{number}" for name in ("cat", "big dog", "emu") for number in range(5)]
    # Each class has something to train with.
    splits = ["train" if name[-1] in "01" else rng.choice(SPLITS) for name in names]
    for name in names:
        specimen.files[f"{TOP}/{place}{name}.png"] = specimen.picture()
    form = rng.choice(["numbers", "lines", "labels", "paths", "others train", "JSON"])
    specimen.features.append(form)
    if form == "numbers":
        splits = ["train" if split == "train" else "test" for split in splits]
        texts = {
            "images": [f"{number} {name}.png" for number, name in enumerate(names)],
            "train_test_split": [f"{row} {int(one == 'train')}" for row, one in enumerate(splits)],
        }
    else:
        line = {"labels": "{}.png 3", "paths": "/home/me/{}.png"}.get(form, "{}")
        texts = {
            split: [
                line.format(name) for name, one in zip(names, splits, strict=True) if one == split
            ]
            for split in SPLITS[form == "others train" :]
        }
    ending = "json" if form == "JSON" else "txt"
    for name, rows in texts.items():
        text = json.dumps({"a": rows}) if form == "JSON" else "\n".join(rows)
        specimen.files[f"{TOP}/{inner}{name}.{ending}"] = text.encode()
    counts = collections.Counter(
        (split, name.split("/")[0]) for name, split in zip(names, splits, strict=True)
    )
    specimen.readings.append(counts)
    if len(set(splits)) > 1:
        specimen.told.append(rf"splits in {inner}\w+\.{ending}")
    return specimen


def parts(rng):
    """Images dealt to numbered folders, with their classes in a table, or in folders below."""
    name_of = rng.choice(["HAM_images_part_{}", "images_00{}", "batch{}", "chunk-{}", "part_{}"])
    has_classes = rng.random() < 0.4 and not name_of.startswith("images")
    specimen = Specimen(f"folder:{TOP}", ["parts of a whole"])
    for number in range(1, 4):
        for place, name in enumerate(["cat", "dog"] if has_classes else [""]):
            folder = f"{TOP}/{name_of.format(number)}/{name}"
            specimen.files[f"{folder.rstrip('/')}/P{number}{place}.png"] = specimen.picture()
    if has_classes:
        specimen.readings = [collections.Counter({("train", "cat"): 3, ("train", "dog"): 3})]
    else:
        specimen.files[f"{TOP}/metadata.csv"] = b"image,label\n"
        specimen.must_stop(r"part|metadata\.csv")
    return specimen


def not_sorted(rng):
    """Folders as cameras, phones, drives and file managers make them: none is a class."""
    names = rng.choice(
        [
            ["DCIM/100APPLE", "DCIM/101APPLE", "DCIM/102APPLE"],
            ["100CANON", "101CANON"],
            ["DCIM/100_PANA", "DCIM/101_PANA"],
            ["Camera", "Screenshots", "WhatsApp Images"],
            ["2024-05-01", "2024-05-02 Rome", "2024-06-30"],
            ["Photos from 2019", "Photos from 2020"],
            ["New folder", "New folder (2)"],
            [f"photos-20240101T101010Z-00{number}" for number in (1, 2, 3)],
            ["holiday-001", "holiday-002"],
        ]
    )
    specimen = Specimen(f"folder:{TOP}", [f"{names[0]} and so on"])
    for name in names:
        for number in range(rng.randint(1, 4)):
            specimen.files[f"{TOP}/{name}/IMG_{number}.png"] = specimen.picture()
    specimen.must_stop("(camera|computer|days|albums|new folders|download), not as classes")
    return specimen


def with_a_stray(rng):
    """Honest classes beside a folder that is none."""
    clear = ["Recycle Bin", "_backup", "backup_2023", "~old", "wandb/run-1/media", "mlruns/0/1"]
    return _with_aside(rng, rng.choice(rng.choice([clear, clear, ["DCIM/100APPLE", "101CANON"]])))


def with_a_doubtful_stray(rng):
    """Honest classes beside a folder that may be one."""
    return _with_aside(rng, rng.choice(UNCLEAR))


UNCLEAR = ["Trash", "Papierkorb", "tmp", "test", "val1", "Test-Bilder", "unlabeled", "to_predict"]


def _with_aside(rng, aside):
    images = draw_images(rng, rng.choice([("train",), ("train", "test")]), CLASSES[:3])
    deep = "{0}/{1}" if any(split == "test" for split, _ in images.names) else "{1}"
    specimen = lay_out(images, deep.format, "a folder that is no class")
    place = f"{TOP}/train" if "{0}" in deep and "/" not in aside else TOP
    for number in range(rng.randint(1, 3)):
        specimen.files[f"{place}/{aside}/{number}.png"] = specimen.picture()
    name = aside.split("/")[0]
    if name in UNCLEAR:
        specimen.must_stop(f"'{name}', named as a")
    else:
        specimen.told.append(rf"\d (image|file)s?.*{re.escape(name)}.*left out|left out \(.*{name}")
    specimen.causes.append(name)
    specimen.above = [TOP]
    return specimen


def waste(rng):
    """Where waste is sorted, trash is a class."""
    classes = ["cardboard", "glass", "metal", "trash", rng.choice(["Recycle Bin", "compost bin"])]
    images = draw_images(rng, rng.choice([("train",), ("train", "test")]), [classes])
    deep = "{0}/{1}" if any(split == "test" for split, _ in images.names) else "{1}"
    return lay_out(images, deep.format, "kinds of waste")


def parts_of_a_download(rng):
    """What a cloud drive packs into several archives, each with a part of the tree."""
    images = draw_images(rng, rng.choice([("train",), ("train", "test")]), CLASSES[:3])
    deep = "{0}/{1}" if any(split == "test" for split, _ in images.names) else "{1}"
    within = rng.choice(["", "photos/"])
    turns = itertools.cycle(
        [f"{TOP}/photos-20240101T101010Z-{number:03}/{within}" for number in (1, 2, 3)]
    )
    specimen = Specimen(f"folder:{TOP}", ["parts of a download"])
    for (split, name), some in images.names.items():
        for file in some:
            place = f"{next(turns)}{deep.format(split, name)}"
            specimen.files[f"{place}/{file}"] = specimen.picture()
    specimen.readings.append(images.counts())
    if len({name.split("/")[1] for name in specimen.files}) > 1:
        specimen.told.append("parts of a download")
    return specimen


def domains(rng):
    """The same classes in several looks, and a flag that says which level names them."""
    within = rng.choice(["", "images/", "images/"])
    specimen = Specimen(f"folder:{TOP}", ["domains"])
    looks = rng.choice([("amazon", "dslr", "webcam"), ("art_painting", "cartoon", "photo")])
    for look in looks:
        for name in ("bike", "mug"):
            for number in range(3):
                specimen.files[f"{TOP}/{look}/{within}{name}/{look}{number}.png"] = (
                    specimen.picture()
                )
                specimen.groups[f"{look}{number}"] = look
    specimen.readings.append(collections.Counter({("train", name): 9 for name in ("bike", "mug")}))
    if rng.random() < 0.3:
        specimen.must_stop(r"bike, mug.*--layout=folder/class")
    else:
        specimen.flags["layout"] = rng.choice(["folder/class", "group/class"])
    if specimen.flags.get("layout") != "group/class":
        specimen.groups.clear()
    return specimen


def grouped(rng):
    """Videos or patients in each class: in folders, by the names of files, or around classes."""
    thing = rng.choice(["vid_{:03}", "Patient {:02}", "{:07x}1", "P{:05}", "clip-{}"])
    form = rng.choice(
        [
            *("{0}/{1}/frame_{2:04}", "{0}/{1}_frame_{2:04}", "{0}/{1}-{2}", "{0}/{1}/{2}"),
            *("{1}/{0}/{2}", "{0}/all/{1}/{2}"),
        ]
    )
    specimen = Specimen(f"folder:{TOP}", [f"groups {form} of {thing}"])
    counts = collections.Counter()
    numbers = rng.sample(range(100, 1000), 10)
    for place, name in enumerate(("oak", "elm")):
        some = numbers[5 * place : 5 * place + rng.randint(3, 5)]
        for number in numbers[:4] if form.startswith("{1}") else some:
            group = thing.format(number)
            for frame in range(rng.randint(2, 4)):
                # Groups are known by the stems of their files.
                file = f"{form.format(name, group, frame + 10 * len(specimen.files))}"
                specimen.files[f"{TOP}/{file}.png"] = specimen.picture()
                specimen.groups[file.rpartition("/")[2]] = group
                counts["train", name] += 1
    specimen.readings.append(counts)
    specimen.told.append("Layout: .*group.* stay in one split")
    return specimen


def perhaps_grouped(rng):
    """What may be subjects or classes, in several folders of another kind."""
    specimen = Specimen(f"folder:{TOP}", ["subjects or classes"])
    names = rng.choice([("S01", "S02", "S03", "S04"), ("ann", "bob", "eve"), ("1", "2", "3")])
    for outer in ("happy", "sad", "calm"):
        for name in names:
            for number in range(2):
                specimen.files[f"{TOP}/{outer}/{name}/{number}.png"] = specimen.picture()
    specimen.must_stop(r"read as class .* as folder/class .*or class/group")
    return specimen


def augmented(rng):
    """Copies of each image that somebody has made before, by their names alone."""
    images = draw_images(rng, ["train"], CLASSES[:3])
    style = rng.choice(
        [
            *("{0}_aug_{1}", "aug_{1}_{0}", "{0}_rot{1}0", "{0}-flip{1}", "{0}_jpg.rf.{1:032x}"),
            "x_original_{0}.png_{1:08x}-0000-4000-8000-0123456789ab",
        ]
    )
    specimen = Specimen(f"folder:{TOP}", [f"copies named {style}"])
    counts = collections.Counter()
    for name in images.classes:
        for number in range(rng.randint(3, 5)):
            stem = f"{name[0]}{number}x"
            for copy in range(rng.randint(2, 3)):
                file = style.format(stem, copy)
                specimen.files[f"{TOP}/{name}/{file}.png"] = specimen.picture()
                specimen.groups[file] = f"{name}/{stem}"
                counts["train", name] += 1
    specimen.readings.append(counts)
    specimen.told.append("copy by its name")
    return specimen


def two_lines(rng):
    specimen = flat(rng)
    specimen.features = ["a class name of two lines"]
    specimen.files[f"{TOP}/a{rng.choice(chr(10) + chr(13) + chr(27) + chr(0x2028))}b/1.png"] = (
        specimen.picture()
    )
    specimen.must_stop("one line")
    return specimen


LAYOUTS = [
    flat,
    splits,
    honest,
    splits_again,
    splits_without_train,
    inner,
    splits_below,
    lettered,
    copy_of_all,
    unlabelled,
    splits_without_classes,
    unusual_splits,
    sizes,
    honest_in_splits,
    splits_beside_classes,
    uneven,
    unlike_forms,
    doubled,
    splits_between,
    shared_parts,
    split_in_class_name,
    boxes_beside_images,
    loose,
    two_of_a_split,
    two_forms,
    one_class,
    empty,
    not_a_folder,
    two_lines,
    many_classes,
    only_in_test,
    three_levels,
    splits_in_some,
    all_moved_out,
    class_is_link,
    annexed,
    notes_of_images,
    no_pictures,
    all_in_one,
    named_like_copies,
    third_beside_splits,
    made_from_images,
    named_by_files,
    sessions,
    masks,
    with_a_word,
    parts,
    made_within,
    labeled_in_part,
    classes_deeper,
    class_is_gone,
    things_beside_a_table,
    wrapped_without_classes,
    listed,
    higher_rank,
    not_sorted,
    with_a_stray,
    waste,
    parts_of_a_download,
    domains,
    augmented,
    grouped,
    perhaps_grouped,
    unlike_cases,
    with_a_doubtful_stray,
]
# Nothing can lie about in them without changing what they are.
ALONE = {
    no_pictures,
    all_in_one,
    made_from_images,
    named_by_files,
    masks,
    made_within,
    classes_deeper,
    higher_rank,
    listed,
    not_sorted,
    with_a_stray,
    with_a_doubtful_stray,
    parts_of_a_download,
    domains,
    augmented,
    grouped,
    perhaps_grouped,
    things_beside_a_table,
    wrapped_without_classes,
    loose,
    empty,
    not_a_folder,
    one_class,
    boxes_beside_images,
    splits_without_classes,
    many_classes,
}
