import io

import pytest

import kerastl
from kerastl.model.sources.applications import BACKBONES
from kerastl.selection.candidates import read_candidates


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    return tmp_path / "models" / "keras"


def read(backbones, image_sizes="", *, said=None, **changes):
    config = kerastl.Config(run_dir="x", dataset="digits", **changes)
    candidates = read_candidates(
        config, backbones=backbones, image_sizes=image_sizes, progress=kerastl.Progress(said)
    )
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


def names_of(candidates):
    return [name for name, *_ in candidates]


def test_lists_hold_the_networks_that_take_the_size(kaggle):
    small = names_of(read("small"))
    assert small[0] == "MobileNetV2_035"
    assert len(small) == 8
    assert all(BACKBONES[name].parameters < 6e6 for name in small)
    said = io.StringIO()
    names = {name for name, _, size in read("all", "64,75", said=said) if size == 64}
    assert set(BACKBONES) - names == {"InceptionV3", "InceptionResNetV2", "Xception"}
    text = "networks that take no images of 64 px (InceptionResNetV2, InceptionV3, Xception"
    assert text in said.getvalue()


def test_lists_hold_networks_of_kerashub_that_are_modern_or_here(kaggle):
    pytest.importorskip("keras_hub")
    modern = names_of(read("modern", "224"))
    assert len(modern) == 8
    assert sum(name.startswith("hub:") for name in modern) == 6
    assert set(modern) <= set(names_of(read("all", "224")))
    said = io.StringIO()
    assert len(read("modern", "96", said=said)) == 5
    assert "3 networks that take no images of 96 px (hub:swin_tiny" in said.getvalue()

    weights = kaggle / "mobilenetv3/keras/mobilenet_v3_small_050_imagenet/1/model.weights.h5"
    name = "hub:mobilenet_v3_small_050_imagenet"
    said = io.StringIO()
    assert name not in names_of(read("all", "224", said=said))
    assert said.getvalue().startswith("backbones=all leaves out ")
    assert "that are not on this machine; name one, and it is downloaded (hub:" in said.getvalue()
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert names_of(read("small"))[0] == name
    assert name in names_of(read("all", "64"))


def test_lists_say_that_kerashub_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    said = io.StringIO()
    assert names_of(read("modern", said=said)) == ["EfficientNetV2S", "ConvNeXtTiny"]
    assert "leaves out 6 networks that need pip install " in said.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("MobileNetv2",), "backbone='MobileNetv2': is not a backbone of keras.applications. Did"),
        (("",), "backbones='': is empty or has an empty item. Give some, as in MobileNetV2"),
        (("ResNet50,",), "backbones='ResNet50,': is empty or has an empty item."),
        (("small", "16"), "backbones='small': holds no network for images of 16 px; it leaves out"),
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
