import dataclasses
import io
from types import SimpleNamespace

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.settings import ImageSettings, TrainingSettings
from kerastl.training.final import deliver

LABELS = [0, 1, 0, 1]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Answers with as many images right as it is told, alone and with mirror images."""

    right: dict[str, int]
    images: ImageSettings
    splits: object
    refit: object = None

    def logits(self, indices):
        return self

    def take(self, chosen):
        return np.log(self.evaluate_logits(self, ()).probabilities + 1e-9)[:, np.newaxis]

    def evaluate_logits(self, logits, indices, *, temperature=1.0):
        mirrored = self.images.average_mirrored != "no"
        right = self.right["both" if mirrored else "alone"]
        predicted = [label if place < right else 1 - label for place, label in enumerate(LABELS)]
        return fakes.answers(LABELS, predicted, losses=np.full(4, 0.5 if mirrored else 0.7))

    def divide_logits(self, temperature):
        """Has no weights."""

    @property
    def best(self):
        return SimpleNamespace(
            row=SimpleNamespace(val_accuracy=self.evaluate_logits(self, ()).accuracy)
        )


def delivered(*, alone, both, **settings):
    right = {"alone": alone, "both": both}
    splits = SimpleNamespace(
        validation=np.arange(4),
        source=SimpleNamespace(labels=np.array(LABELS), class_names=("a", "b")),
        # Too few for a temperature.
        clusters=np.zeros(4, int),
    )
    trained = Trained(right, ImageSettings(**settings), splits)
    record, said = SimpleNamespace(add_check=lambda check: None), io.StringIO()
    result = deliver(trained, record, kerastl.Progress(said), TrainingSettings())
    answer = result.trained.images.average_mirrored
    return answer, result.validation.accuracy, said.getvalue()


@pytest.mark.parametrize(
    ("alone", "both", "kept", "accuracy"),
    [
        *((2, 3, "yes", 0.75), (3, 3, "yes", 0.75), (4, 1, "no", 1.0)),
        # One image of four is no evidence.
        (3, 2, "yes", 0.5),
    ],
)
def test_mirror_images_count_unless_they_clearly_harm(alone, both, kept, accuracy):
    answer, found, said = delivered(alone=alone, both=both, average_mirrored="auto")
    assert (answer, found) == (kept, accuracy)
    words = f"validation accuracy {both / 4:.4f} with them, {alone / 4:.4f} without"
    # The one that is lower and yet taken.
    assert (
        f"{words}{', which may be chance' if (kept, alone > both) == ('yes', True) else ''}."
        in said
    )
    assert ("are averaged with the prediction, which takes twice the time" in said) == (
        kept == "yes"
    )


@pytest.mark.parametrize("given", ["yes", "no"])
def test_what_is_given_stays(given):
    answer, accuracy, said = delivered(alone=4, both=1, average_mirrored=given)
    assert (answer, accuracy) == (given, 0.25 if given == "yes" else 1.0)
    assert "Mirror images" not in said


@pytest.mark.thorough
def test_run_that_chooses_is_one_of_the_two(tmp_path):
    source = fakes.color_source(noise=150.0)

    def run(answer):
        config = fakes.tiny_config(
            tmp_path / answer, average_mirrored=answer, cache_dir=str(tmp_path / "cache")
        )
        return fakes.finish_run(config, source)

    runs = {answer: run(answer) for answer in ("yes", "no", "auto")}
    kept = "yes" if "are averaged with" in runs["auto"].printed else "no"
    first, second = (
        (made.result.run_dir / "predictions.csv").read_bytes()
        for made in (runs["auto"], runs[kept])
    )
    assert first == second
    scores = {answer: made.result.metrics["validation"] for answer, made in runs.items()}
    assert scores["auto"] == scores[kept]
