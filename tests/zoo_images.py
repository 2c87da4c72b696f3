"""The images that a person has, and the names of their files, classes and splits."""

import collections
import dataclasses
import random
from collections.abc import Callable, Sequence

from zoo import Specimen, readable_name, with_train

TOP = "data"


def lines(text: str) -> list[list[str]]:
    return [line.split(" / ") for line in text.strip("\n").splitlines()]


CLASSES = lines("""
cat / dog / bird
daisy / dandelion / roses / sunflowers / tulips
Tomato___healthy / Tomato___Late_blight / Potato___healthy
0 / 1 / 2 / 9 / 10 / 11
01 / 02 / 10
-1 / 3 / 20
n01440764 / n01443537 / n02102040
red apple / green apple / pear (ripe)
-rf / --help / a;b / $HOME / 100% / it's / a "quote" / #1 / @home / ~x / !no
v1.2 / v1.3 / photos.jpg / no. 5
čeština / naïve / 日本語 / Ελληνικά
cafe\u0301 / the\u0301 / lait
قطة / כלב / طائر
😀 / 😢 / 👍🏽
none / nan / NA / null / unknown
CON / aux / nul
caf\udce9 / th\udce9 / lait
Background_Google / airplanes / accordion
runs / walks / jumps
images / text / tables
old / cache / results
normal / abnormal
good / not good
no / yes
a / b / c / d
model / car / weights
""")
CLASSES.append(["A" * 200, "A" * 199 + "B", "c"])
# Classes that are honestly called as splits are, or hold such a word.
HONEST = lines("""
bus / car / train
plane / train
invalid / valid
control / test
control / val / zoo
dev / ops
resting / training
steam train / bus / car
bus_station / train_station
pregnancy_test_positive / pregnancy_test_negative
contest / brain / valley / devil
Test / Tube
""")
# For training, validation and test.
SPELLINGS = lines("""
train / val / test
train / valid / test
training / validation / testing
Train / Validation / Test
TRAIN / VAL / TEST
train / dev / test
train / eval / test
train_set / val_set / test_set
training_set / validation_set / test_set
Training Data / Validation Data / Test Data
training-images / validation-images / test-images
train_images / val_images / test_images
train2017 / val2017 / test2017
1_train / 2_val / 3_test
01. Train / 02. Valid / 03. Test
seg_train / seg_val / seg_test
flowers-train / flowers-valid / flowers-test
2024 train set / 2024 val set / 2024 test set
birds.train / birds.val / birds.test
train-256 / val-256 / test-256
data_train_v2 / data_val_v2 / data_test_v2
(train) / (val) / (test)
_train / _val / _test
""")
# A person may have to say what these are, but they are no classes.
UNUSUAL_SPELLINGS = lines("""
trainset / valset / testset
TrainImages / ValImages / TestImages
entrenamiento / validación / prueba
Training / Validierung / Test
entraînement / validation / test
treino / validação / teste
训练 / 验证 / 测试
обучение / валидация / тест
tr / va / te
Entrainement / Validation / Test
""")
SPLITS = ("train", "validation", "test")
SPLIT_CHOICES = [("train", "test"), ("train", "validation", "test"), ("train", "validation")]


@dataclasses.dataclass(frozen=True)
class Images:
    """What a person has: names of image files by split and class."""

    classes: list[str]
    names: dict[tuple[str, str], list[str]]

    def counts(self) -> collections.Counter:
        return with_train(collections.Counter({key: len(some) for key, some in self.names.items()}))

    def total(self) -> int:
        return sum(map(len, self.names.values()))


def _name_style(rng: random.Random) -> Callable[[int], str]:
    styles = [
        lambda n: f"{n:04}.png",
        lambda n: f"IMG_{n:04}.PNG",
        lambda n: f"my photo ({n}).png",
        lambda n: f"-{n}.png",
        lambda n: f"#{n}.png",
        lambda n: f"~{n}.png",
        lambda n: f'it\'s {n} "x".png',
        lambda n: f"50%25 {n}.png",
        lambda n: f"ñandú {n}.png",
        lambda n: f"😀{n}.png",
        lambda n: f"a\nb{n}.png",
        lambda n: f"{'l' * 240}{n:04}.png",
        lambda n: f"{n}.jpg.png",
        lambda n: f"{n}.txt.png",
        lambda n: f"a.b.c {n}.png",
        lambda n: f"{n:032x}",
        lambda n: f"{n}.png ",
        lambda n: f"Thumbs{n}.png",
        lambda n: f"caf\udce9{n}.png",
        lambda n: f"{n}.jpg",
        lambda n: f"{n}.jpeg",
        lambda n: f"{n}.Jfif",
        lambda n: f"train_{n}.png",
        lambda n: f"2024-01-01T12:00:{n:02}.png",
        lambda n: f"{n}.png?width=640",
        lambda n: f"Copy of {n}.png",
        lambda n: f"\u200f{n}.png",
    ]
    # Most people have plain names, and what goes wrong with them should not hide.
    return rng.choice(styles) if rng.random() < 0.6 else styles[0]


def draw_images(
    rng: random.Random, splits: Sequence[str], pools: list[list[str]], *, most: int = 4
) -> Images:
    pool = rng.choice(pools)
    classes = pool if pools is HONEST else sorted(rng.sample(pool, rng.randint(2, len(pool))))
    style = _name_style(rng)
    goes_on = rng.random() < 0.5
    names: dict[tuple[str, str], list[str]] = {}
    number = 0
    for split in splits:
        for name in classes:
            if split != splits[0] and rng.random() < 0.1:
                continue  # A class that a later split lacks.
            some = [
                style((number if goes_on else 0) + place) for place in range(rng.randint(1, most))
            ]
            number += len(some)
            names[split, name] = some
    return Images(classes, names)


def lay_out(images: Images, where: Callable[[str, str], str], feature: str) -> Specimen:
    """Puts the images where they belong, which is the one right reading."""
    specimen = Specimen(f"folder:{TOP}", [feature])
    above = {TOP}
    for (split, name), some in images.names.items():
        folder = f"{TOP}/{where(split, name)}"
        for file in some:
            specimen.files[f"{folder}/{file}"] = specimen.picture()
        specimen.homes[folder] = split, readable_name(name)
        _, *parts = folder.split("/")
        depth = next(depth for depth, part in enumerate(parts) if name in part)
        above.add("/".join([TOP, *parts[:depth]]))
    specimen.above = sorted(above)
    specimen.readings.append(images.counts())
    return specimen


def spell(rng: random.Random, specimenspellings=SPELLINGS) -> dict[str, str]:
    return dict(zip(SPLITS, rng.choice(specimenspellings), strict=True))
