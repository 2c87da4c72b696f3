"""Settings of training, and the phases that they describe."""

import dataclasses
from typing import Literal

from kerastl.settings.base import Settings
from kerastl.settings.field import Decides, Needs, Within, describe, setting

PhaseName = Literal["prompts", "head", "finetune", "scratch"]

# Unfreezes every layer of the backbone.
ALL_LAYERS = "all"

# What `best_by` may be beside a score.
LAST = "last"


def score_of(best_by: str) -> str:
    """Returns the score by which `best_by` compares epochs."""
    return "accuracy" if best_by == LAST else best_by


def why_kept(phase: str, epoch: int, *, last_phase: str, best_by: str) -> str:
    """Says why the weights of an epoch are kept.

    Args:
        phase: The phase of the epoch.
        epoch: Its number in the phase.
        last_phase: The last phase of the training.
        best_by: The setting.
    """
    if best_by != LAST:
        return "the best on the validation images"
    if phase == last_phase:
        if epoch == 1:
            return "the only one of the last phase"
        return "the last one, as few validation images often favor an earlier one by luck"
    return f"clearly better on the validation images than the end of the {last_phase} phase"


_EPOCHS = Within(0, 100_000)
_HAS_HEAD = Needs("head_epochs", lambda epochs: epochs > 0, "above 0")
_FINETUNES = Needs("finetune_epochs", lambda epochs: epochs > 0, "above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """A stage of training with a fixed set of trainable layers.

    Attributes:
        name: "prompts" makes a head of texts, "head" trains only the head, "finetune" the upper
            part of a pretrained backbone too, "scratch" every layer of one with random weights.
        epochs: Passes over the training images.
        learning_rate: Peak rate of the phase's schedule.
        warmup_epochs: Epochs, possibly a fraction, over which the rate rises to its peak.
        unfreeze_from: Block or layer of the backbone from which training starts; `all`;
            empty for the backbone's top block. The head phase has None.
        is_solved: Whether the head is solved for at once, and not trained step by step.
    """

    name: PhaseName
    epochs: int
    learning_rate: float
    warmup_epochs: float
    unfreeze_from: str | None
    is_solved: bool = False

    @property
    def has_steps(self) -> bool:
        """Whether it trains step by step."""
        return self.name != "prompts" and not self.is_solved


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhaseSettings(Settings):
    """The two phases of training, which a recipe chooses where none of them is given."""

    topic = "Phases"

    head: str = setting(
        "sgd",
        help="How the first phase trains the head. sgd trains it step by step. solved fits a "
        "logistic regression to the stored features; cross-validation chooses its penalty.",
        choices=("sgd", "solved"),
        decides=Decides.TRAINING,
        searchable=True,
        needs=_HAS_HEAD,
    )
    refit: bool = setting(
        False,
        help="If a solved head is better than what fine-tuning makes of it, or all there is, fit "
        "it once more at the end, to training and validation images together, with the same "
        "penalty. Scores on validation images are from before that.",
        decides=Decides.TRAINING,
        needs=Needs("head", lambda head: head == "solved", "solved"),
    )
    head_epochs: int = setting(
        10,
        help="Epochs of the first phase, which trains only the new head; 0 for none.",
        steps_of="head",
        is_epochs=True,
        within=_EPOCHS,
        decides=Decides.TRAINING,
        searchable=True,
        also="epochs num_epochs n_epochs freeze_epochs initial_epochs",
    )
    head_learning_rate: float = setting(
        0.01,
        help="Learning rate of the first phase.",
        is_rate=True,
        steps_of="head",
        within=Within(0, open_low=True),
        decides=Decides.TRAINING,
        searchable=True,
        needs=_HAS_HEAD,
        also="lr learning_rate lr0 base_lr initial_learning_rate",
    )
    finetune_epochs: int = setting(
        0,
        help="Epochs of the second phase, which trains the upper blocks too.",
        steps_of="finetune",
        is_epochs=True,
        within=_EPOCHS,
        decides=Decides.TRAINING,
        searchable=True,
        also="epochs num_epochs n_epochs fine_tune_epochs",
    )
    finetune_learning_rate: float = setting(
        0.001,
        help="Learning rate of the second phase, well below that of the first.",
        is_rate=True,
        steps_of="finetune",
        within=Within(0, open_low=True),
        decides=Decides.TRAINING,
        searchable=True,
        needs=_FINETUNES,
        also="lr learning_rate lr0 base_lr fine_tune_lr finetune_lr",
    )
    unfreeze_from: str = setting(
        "",
        help="Block or layer from which the second phase trains, or all; empty for the top block.",
        decides=Decides.TRAINING,
        searchable=True,
        needs=_FINETUNES,
        also="unfreeze freeze fine_tune_at fine_tune_from unfreeze_layers trainable "
        "trainable_layers",
    )
    optimizer: str = setting(
        "sgd",
        help="{choices}.",
        choices=("sgd", "adamw"),
        decides=Decides.TRAINING,
        searchable=True,
        also="opt",
    )
    momentum: float = setting(
        0.9,
        help="Momentum of sgd.",
        within=Within(0, 1, open_high=True),
        decides=Decides.TRAINING,
        searchable=True,
        needs=Needs("optimizer", lambda name: name == "sgd", "sgd"),
    )
    weight_decay: float = setting(
        0.0,
        help="Decoupled weight decay of kernels.",
        within=Within(0),
        decides=Decides.TRAINING,
        searchable=True,
        also="wd l2",
    )
    schedule: str = setting(
        "cosine",
        help="cosine lowers the rate to zero over each phase; constant keeps it.",
        choices=("cosine", "constant"),
        decides=Decides.TRAINING,
        searchable=True,
        also="scheduler lr_scheduler lr_schedule",
    )
    warmup_epochs: float = setting(
        0.5,
        help="Epochs over which the second phase's rate rises to its peak.",
        steps_of="finetune",
        within=Within(0),
        decides=Decides.TRAINING,
        searchable=True,
        needs=_FINETUNES,
        also="warmup",
    )

    @property
    def epochs(self) -> dict[str, int]:
        """The epochs of each phase, by the setting that gives them."""
        described = describe(PhaseSettings)
        return {name: getattr(self, name) for name in described if described[name].is_epochs}

    @property
    def rates(self) -> dict[str, float]:
        """The learning rate of each phase, by the setting that gives it."""
        described = describe(PhaseSettings)
        return {name: getattr(self, name) for name in described if described[name].is_rate}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings(PhaseSettings):
    """How the network is trained."""

    topic = "Training"

    batch_size: int = setting(
        64,
        help="Images per step. auto is the largest batch that fits in the memory of the GPU, where "
        "steps are tried, or of the processor, by an estimate and one step: the usual one doubled "
        "or halved, with at least ten steps an epoch if it is larger, and 8192 at most. It "
        "multiplies the rates by the ratio to the usual batch (sgd), or its root (adamw).",
        within=Within(1, 65536),
        has_auto=True,
        decides=Decides.TRAINING,
        searchable=True,
        also="batch bs train_batch_size global_batch_size minibatch_size",
    )
    class_weights: str = setting(
        "none",
        help="balanced multiplies the loss of a class by images / (classes * images of the "
        "class), sqrt by the square root of that; none leaves it.",
        choices=("none", "balanced", "sqrt"),
        decides=Decides.TRAINING,
        searchable=True,
        also="class_weight balanced balance",
    )
    teacher_weight: float = setting(
        0.5,
        help="Share of the loss that is the distance from the teacher's answers; the rest is that "
        "from the labels.",
        within=Within(0, 1, open_low=True),
        decides=Decides.TRAINING,
        searchable=True,
        needs=Needs("teacher", bool, "not empty"),
    )
    best_by: str = setting(
        "accuracy",
        help="What chooses the best epoch on the validation images: accuracy, balanced_accuracy, "
        "macro_f1 or loss; or last for the last epoch, unless the head alone was better by more "
        "than chance.",
        choices=("accuracy", "balanced_accuracy", "macro_f1", "loss", LAST),
        decides=Decides.TRAINING,
        also="monitor metric",
    )
    on_nan: str = setting(
        "back",
        help="If the loss is not finite: back goes on from the last good epoch at a third of the "
        "rate, once in a run; stop ends the run.",
        choices=("back", "stop"),
        decides=Decides.TRAINING,
    )
    label_issues: bool = setting(
        False,
        help="List the training and validation images whose label is probably wrong in "
        "label_issues.csv, and pictures that belong to no class in audit.csv.",
        decides=Decides.NOTHING,
    )
    repeats: int = setting(
        1,
        help="Seeds to train with on the same splits and stored features, to see how much of the "
        "result is chance: the least, the median and the highest score are reported. The model "
        "is always that of the first seed.",
        within=Within(1, 100),
        decides=Decides.TRAINING,
        also="runs trials num_runs seeds",
    )
    known_coverage: float = setting(
        0.0,
        help="Share of images like the validation images that is_known is to hold for, as 0.95: an "
        "image whose features are farther from those of the training images is unknown. 0 for no "
        "is_known.",
        within=Within(0, 1, open_high=True),
        decides=Decides.NOTHING,
    )
