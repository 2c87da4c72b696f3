"""`kerastl backbones`: the networks that have a name, and which are on this machine."""

import re

import pytest

from kerastl.commands.table import run_command
from kerastl.model.sources.table import find_row, list_rows


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))

    def run(*arguments):
        code = run_command("backbones", arguments)
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return run


def put(path):
    path.parent.mkdir(parents=True)
    path.write_text("weights")


def test_networks_are_listed_with_what_is_known_of_them(command):
    code, lines, _ = command("--match=DINOv")
    assert code == 0
    assert lines[0].split("  ")[0] == "network"
    assert len(lines) == 1 + 16 + 1
    small = next(line for line in lines if line.startswith("hub:dinov2_small "))
    cells = re.split(" {2,}", small)
    assert cells == [
        *("hub:dinov2_small", "KerasHub", "22.6 M", "multiples of 14, best 224"),
        *("by its converter", "class token, mean of the patches", "Apache 2.0"),
    ]
    assert re.split(" {2,}", lines[0])[1:6] == [
        *("source", "parameters", "image size", "scaling", "pooling"),
    ]
    assert lines[-1].startswith("16 networks. No licence is named")


def test_every_row_is_found_by_its_name():
    pytest.importorskip("keras_hub")
    rows = list_rows()
    assert len({row.name for row in rows}) == len(rows) > 150
    for row in rows[::10]:
        assert find_row(row.name) == row


def test_what_is_here_is_told_from_what_is_not(command, tmp_path):
    put(tmp_path / "kaggle/models/keras/resnetv1/keras/resnet_18_imagenet/3/model.weights.h5")
    put(tmp_path / "keras/models/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5")
    _, lines, _ = command("--here")
    names = [line.split()[0] for line in lines[1:-1]]
    assert names == ["MobileNetV2_035", "ResNet50V2", "hub:resnet_18_imagenet"]
    assert lines[1].endswith("bundled")
    assert lines[-1].startswith("3 networks.")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("mobilenet_1_0_224_tf_no_top.h5", "MobileNet"),
        ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "MobileNetV2"),
        ("weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "MobileNetV3Small"),
        ("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "ResNet50"),
        ("efficientnetb0_notop.h5", "EfficientNetB0"),
        ("efficientnetv2-b0_notop.h5", "EfficientNetV2B0"),
        ("convnext_tiny_notop.h5", "ConvNeXtTiny"),
        ("nasnet_mobile_no_top.h5", "NASNetMobile"),
    ],
)
def test_files_of_keras_are_recognized(command, tmp_path, file, name):
    put(tmp_path / "keras/models" / file)
    _, lines, _ = command("--here")
    assert {line.split()[0] for line in lines[1:-1]} == {name, "MobileNetV2_035"}


def test_name_of_none_is_refused(command):
    code, _, errors = command("--match=xyz")
    assert code == 2
    assert errors.startswith("error: match='xyz': is in the name of no network.")
