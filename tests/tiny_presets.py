"""Every family of KerasHub's networks for images, tiny, with random weights, as presets."""

import io

import keras
import pytest

keras_hub = pytest.importorskip("keras_hub")
SIZE = 32
SHAPE = (SIZE, SIZE, 3)
# As of PyTorch's networks, and one number for all channels.
STANDARDIZED = {"scale": [1 / 58.395, 1 / 57.12, 1 / 57.375], "offset": [-2.1, -2.0, -1.8]}
SYMMETRIC = {"scale": 1 / 127.5, "offset": -1.0}
_VIT = {
    "image_shape": SHAPE,
    "patch_size": 8,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 16,
    "dropout_rate": 0.1,
}
_DINO = {
    "patch_size": 8,
    "num_layers": 3,
    "hidden_dim": 16,
    "num_heads": 2,
    "intermediate_dim": 32,
    "num_register_tokens": 2,
    "image_shape": SHAPE,
}
_TEXT = (30, 16, 16, 2, 2, 32)
models = keras_hub.models


def _resnet(block="basic_block"):
    stem = ([64], [3]) if block == "basic_block" else ([32, 32, 64], [3, 3, 3])
    return models.ResNetBackbone(*stem, [64, 64], [1, 1], [1, 2], block)


def _efficientnet():
    return models.EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 2],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 4],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_strides=[1, 2],
        stackwise_block_types=["v1", "v1"],
        stackwise_width_coefficients=[1.0, 1.0],
        stackwise_depth_coefficients=[1.0, 1.0],
        stackwise_force_input_filters=[0, 0],
        stackwise_nores_option=[False, False],
    )


def _mobilenet():
    return models.MobileNetBackbone(
        stackwise_expansion=[[16, 24], [24]],
        stackwise_num_blocks=[2, 1],
        stackwise_num_filters=[[8, 8], [16]],
        stackwise_kernel_size=[[3, 3], [5]],
        stackwise_num_strides=[[2, 1], [2]],
        stackwise_se_ratio=[[None, None], [0.25]],
        stackwise_activation=[["relu", "relu"], ["hard_swish"]],
        stackwise_padding=[[1, 1], [2]],
        output_num_filters=32,
        input_num_filters=8,
        depthwise_filters=8,
        depthwise_stride=2,
        depthwise_residual=False,
        last_layer_filter=16,
        squeeze_and_excite=0.5,
    )


def _mobilenet_v5():
    none, zeros = [False, False], [0, 0]
    return models.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "uir"]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[24], [48, 48]],
        stackwise_strides=[[2], [2, 1]],
        stackwise_act_layers=[["relu"], ["relu", "relu"]],
        stackwise_exp_ratios=[[4.0], [6.0, 6.0]],
        stackwise_se_ratios=[[0.0], [0.0, 0.0]],
        stackwise_dw_kernel_sizes=[[0], [5, 5]],
        stackwise_dw_start_kernel_sizes=[[0], zeros],
        stackwise_dw_end_kernel_sizes=[[0], zeros],
        stackwise_exp_kernel_sizes=[[3], zeros],
        stackwise_pw_kernel_sizes=[[1], zeros],
        stackwise_num_heads=[[0], zeros],
        stackwise_key_dims=[[0], zeros],
        stackwise_value_dims=[[0], zeros],
        stackwise_kv_strides=[[0], zeros],
        stackwise_use_cpe=[[False], none],
        use_msfa=False,
        stem_size=8,
    )


def _hgnet():
    return models.HGNetV2Backbone(
        depths=[1, 2],
        embedding_size=8,
        hidden_sizes=[16, 32],
        stem_channels=[3, 8, 8],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[(8, 8, 16, 1, 1, 3), (16, 8, 32, 2, 1, 3)],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, False],
    )


def _cspnet():
    return models.CSPNetBackbone(
        stem_filters=8,
        stem_kernel_size=3,
        stem_strides=1,
        stackwise_depth=[1, 2],
        stackwise_strides=[1, 2],
        stackwise_num_filters=[16, 32],
        block_type="dark_block",
        stage_type="dark",
    )


def _mit():
    return models.MiTBackbone(
        layerwise_depths=[2, 2],
        num_layers=2,
        layerwise_num_heads=[1, 2],
        layerwise_sr_ratios=[2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
        image_shape=SHAPE,
        hidden_dims=[8, 16],
    )


def _swin():
    return models.SwinTransformerBackbone(
        image_shape=SHAPE, embed_dim=8, depths=(2, 2), num_heads=(2, 2), window_size=4
    )


def _siglip():
    return models.SigLIPBackbone(
        models.SigLIPVisionEncoder(8, 16, 3, 2, 32, image_shape=SHAPE),
        models.SigLIPTextEncoder(*_TEXT, max_sequence_length=8),
    )


def _clip(prefix="CLIP"):
    vision, text, whole = (
        getattr(models, prefix + part) for part in ("VisionEncoder", "TextEncoder", "Backbone")
    )
    return whole(
        vision(8, 16, 3, 2, 32, image_shape=SHAPE),
        text(*_TEXT, max_sequence_length=8),
        projection_dim=8,
    )


# Name -> how it is built.
BUILDERS = {
    "CLIP": _clip,
    "CSPNet": _cspnet,
    "DINOV2": lambda: models.DINOV2Backbone(**_DINO, position_embedding_shape=(64, 64, 3)),
    "DINOV3": lambda: models.DINOV3Backbone(**_DINO),
    "DeiT": lambda: models.DeiTBackbone(**_VIT, intermediate_dim=32),
    "DenseNet": lambda: models.DenseNetBackbone([2, 2], growth_rate=8),
    "EfficientNet": _efficientnet,
    "HGNetV2": _hgnet,
    "MetaCLIP2": lambda: _clip("MetaCLIP2"),
    "MiT": _mit,
    "MobileNet": _mobilenet,
    "MobileNetV5": _mobilenet_v5,
    "ResNet": _resnet,
    "ResNetVd": lambda: _resnet("basic_block_vd"),
    "SigLIP": _siglip,
    "SwinTransformer": _swin,
    "VGG": lambda: models.VGGBackbone([1, 2], [8, 16]),
    "ViT": lambda: models.ViTBackbone(**_VIT, mlp_dim=32),
    "Xception": lambda: models.XceptionBackbone([[8, 16], [16, 24]], [True, False]),
}


def save_preset(name, folder, *, seed=0, scaling=None, **converter):
    """Saves a network and its image converter; returns the backbone's name for kerastl."""
    keras.utils.set_random_seed(seed)
    network = BUILDERS[name]()
    network.save_to_preset(folder)
    kind = type(network).__name__.replace("Backbone", "ImageConverter")
    values = {"image_size": (SIZE, SIZE)} | (scaling or STANDARDIZED) | converter
    getattr(keras_hub.layers, kind)(**values).save_to_preset(folder)
    return f"hub:{folder}"


# Of the words "a", "red", "green" and "blue".
_LETTERS = "abdeglnru"


def _byte_pairs():
    words = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), "re"]
    tokens = ["<|startoftext|>", "<|endoftext|>", *words]
    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer = models.CLIPTokenizer(numbers, ["r e"])
    return models.CLIPPreprocessor(tokenizer, _converter("CLIP"), sequence_length=8)


def _pieces():
    sentencepiece = pytest.importorskip("sentencepiece")
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red", "a green", "a blue"]),
        model_writer=proto,
        vocab_size=8,
        model_type="WORD",
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    tokenizer = models.SigLIPTokenizer(proto.getvalue())
    return models.SigLIPPreprocessor(tokenizer, _converter("SigLIP"), sequence_length=8)


def _converter(prefix):
    kind = getattr(keras_hub.layers, f"{prefix}ImageConverter")
    return kind(image_size=(SIZE, SIZE), **STANDARDIZED)


# Name -> what prepares its texts.
PREPROCESSORS = {"CLIP": _byte_pairs, "SigLIP": _pieces}


def save_reader(name, folder):
    """Saves a network that reads texts, with its tokenizer; returns it, and what prepares texts."""
    keras.utils.set_random_seed(0)
    network, preprocessor = BUILDERS[name](), PREPROCESSORS[name]()
    network.save_to_preset(folder)
    preprocessor.save_to_preset(folder)
    return network, preprocessor
