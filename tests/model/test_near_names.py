import pytest

import kerastl
from kerastl.model.sources.table import find_row


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("resnet18", "'hub:resnet_18_imagenet'"),
        ("resnet18.a1_in1k", "'hub:resnet_18_imagenet'"),
        ("efficientnet_b0", "'EfficientNetB0'"),
        ("vit_b_16", "'hub:vit_base_patch16_224_imagenet' or 'hub:vit_base_patch16_"),
        ("swin_t", "'hub:swin_tiny_patch4_window7_224'"),
        ("convnext", "'ConvNeXtTiny' or 'ConvNeXtSmall' or 'ConvNeXtBase'"),
        ("ResNet5O", "'ResNet50'"),
        ("hf://timm/resnet50.a1_in1k", "'hub:hf://timm/resnet50.a1_in1k'"),
        ("kaggle://keras/vit/keras/x", "'hub:kaggle://keras/vit/keras/x'"),
        ("hub:ResNet50", "'ResNet50'"),
        (
            "hub:dinov2",
            "'hub:dinov2_small' or 'hub:dinov2_with_reg",
        ),
    ],
)
def test_names_of_other_libraries_are_answered_with_those_of_this_one(name, meant):
    pytest.importorskip("keras_hub")
    with pytest.raises(kerastl.UsageError, match="is not a") as refused:
        find_row(name)
    assert f"Did you mean {meant}" in str(refused.value)


def test_a_name_like_no_other_gets_the_command_that_lists_all():
    with pytest.raises(kerastl.UsageError) as refused:
        find_row("yolo11n-cls.pt")
    assert str(refused.value) == (
        "backbone='yolo11n-cls.pt': is not a backbone of keras.applications. kerastl backbones "
        "lists all networks."
    )
