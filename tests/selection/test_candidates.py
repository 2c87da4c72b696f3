import pytest

import kerastl
from kerastl.model.sources.applications import BACKBONES
from kerastl.selection.candidates import SMALL, read_candidates


def read(backbones, image_sizes="", **changes):
    config = kerastl.Config(run_dir="x", dataset="digits", **changes)
    candidates = read_candidates(config, backbones=backbones, image_sizes=image_sizes)
    return [(c.backbone, c.weights, c.image_size) for c in candidates]


def test_each_network_meets_each_size_with_its_weights():
    assert read("MobileNetV2=a.h5, ResNet50", "96,128", weights="b.h5") == [
        ("MobileNetV2", "a.h5", 96),
        ("ResNet50", "b.h5", 96),
        ("MobileNetV2", "a.h5", 128),
        ("ResNet50", "b.h5", 128),
    ]
    assert read("MobileNet,MobileNet=a.h5,MobileNet") == [
        ("MobileNet", "imagenet", 224),
        ("MobileNet", "a.h5", 224),
    ]


def test_lists_hold_the_networks_that_take_the_size():
    assert [name for name, *_ in read("small")] == list(SMALL)
    assert [name for name, *_ in read("all")] == list(BACKBONES)
    names = {name for name, _, size in read("all", "64,75") if size == 64}
    assert set(BACKBONES) - names == {"InceptionV3", "InceptionResNetV2", "Xception"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("MobileNetv2",), "backbone='MobileNetv2': is not a backbone of keras.applications. Did"),
        (("",), "backbones='': is empty or has an empty item. Give some, as in MobileNetV2"),
        (("ResNet50,",), "backbones='ResNet50,': is empty or has an empty item."),
        (("small=a.h5",), "backbones='small=a.h5': gives one file to several networks."),
        (("ResNet50=",), "backbones='ResNet50=': has no weights. Write NAME=FILE"),
        (("ResNet50=none",), "weights='none': would compare ResNet50 by the features of random"),
        (("ResNet50", "96,x"), "image_sizes='96,x': is not a list of sizes in pixels. Give whole"),
        (("Xception", "64"), "image_size=64: is below the 71 pixels that Xception needs."),
        (("ResNet50", "9999"), "image_size=9999: must be"),
    ],
)
def test_what_is_wrong_is_said_at_once(arguments, message):
    with pytest.raises(kerastl.UsageError) as caught:
        read(*arguments)
    assert str(caught.value).startswith(message)
