"""Reads texts with networks of KerasHub that compare images with texts."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from kerastl.errors import KerastlError, bad_value, first_line
from kerastl.extras import install_command
from kerastl.model.building.interface import TextReader
from kerastl.model.sources.hub import Family, Preset
from kerastl.settings import ModelSettings

_FIELD = "class_prompts"


def open_texts(whole: Any, family: Family, row: Preset, settings: ModelSettings) -> TextReader:
    """Opens the texts of a network, with the preset's own tokenizer.

    The head is linear and does not know the length of an image's embedding, by which the network
    divides: it scales the logits of an image, and changes none of their order.

    Raises:
        UsageError: If the network has no texts, or the preset no tokenizer.
        KerastlError: If a package that the tokenizer takes is missing.
    """
    given = settings.class_prompts
    if not family.similarity:
        problem = f"is for a network with a text tower, and {row.name} has none"
        raise bad_value(_FIELD, given, problem, "Leave it out, or use CLIP or SigLIP")
    with _explained(row, given):
        prepare = keras_hub.models.CausalLMPreprocessor.from_preset(row.preset)
    scale = np.exp(_values(getattr(whole, family.similarity).logit_scale))

    def read(texts: Sequence[str], features: np.ndarray) -> np.ndarray:
        black = np.zeros((1, settings.image_size, settings.image_size, 3), np.float32)
        with _explained(row, given):
            tokens = prepare({"prompts": list(texts), "images": black})["token_ids"]
        _check_apart(given, texts, _values(tokens))
        embeddings = _values(whole.get_text_embeddings(tokens))
        directions = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        kernel = scale * directions.T
        if family.projection:
            projection = _values(getattr(whole, family.projection).kernel)
            kernel, features = projection @ kernel, features @ projection
        length = np.linalg.norm(features, axis=1).mean()
        return np.asarray(kernel / length, np.float32)

    return read


def _check_apart(given: str, texts: Sequence[str], tokens: np.ndarray) -> None:
    """Refuses texts of which the tokenizer makes the same, as of long ones that it cuts."""
    seen: dict[bytes, str] = {}
    for text, row in zip(texts, tokens, strict=True):
        other = seen.setdefault(row.tobytes(), text)
        if other != text:
            problem = f"makes the same of {other!r} and {text!r} in {tokens.shape[1]} tokens"
            raise bad_value(_FIELD, given, problem, "Shorten it, or rename the classes")


def _values(tensor: Any) -> np.ndarray:
    array: np.ndarray = keras.ops.convert_to_numpy(tensor)
    return array if array.dtype.kind == "i" else array.astype(np.float32)


@contextlib.contextmanager
def _explained(row: Preset, given: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise KerastlError(
            f"{_FIELD}={given!r}: needs packages that are not installed ({first_line(error)}). "
            f"Run: {install_command('hub')}."
        ) from error
    except (OSError, ValueError) as error:
        raise bad_value(
            _FIELD,
            given,
            f"needs the tokenizer of {row.name}, which cannot be read ({first_line(error)})",
            "Save its preprocessor there too, with save_to_preset",
        ) from error
