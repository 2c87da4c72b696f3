"""Settings of what a run writes."""

import dataclasses

from kerastl.errors import unknown_name
from kerastl.export_formats import FORMATS
from kerastl.settings.base import Settings
from kerastl.settings.field import Decides, Within, setting

# The formats that accuracy decides about.
_ROUNDED = [name for name, row in FORMATS.items() if row.tolerance is None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputSettings(Settings):
    """Where the results go, and what is exported."""

    topic = "Output"

    run_dir: str = setting(
        help="Directory for everything that the run writes, except exports.",
        is_path=True,
        example="runs/first",
        also="output output_dir out out_dir save_dir model_dir log_dir logdir work_dir project "
        "results_dir",
    )
    export_dir: str = setting(
        "",
        help="Directory of exports; each becomes EXPORT_DIR/<next integer>/. Empty for none.",
        is_path=True,
        decides=Decides.OUTPUT,
        also="saved_model_dir saved_model export_path export",
    )
    format: str = setting(
        "savedmodel",
        help=f"Export formats, separated by commas: {', '.join(FORMATS)}.",
        decides=Decides.OUTPUT,
        also="formats export_format export_formats",
    )
    parity_images: int = setting(
        0,
        help="Number of test images on which each export is compared with the trained model; 0 "
        "for all, up to 50 million probabilities.",
        within=Within(0),
        decides=Decides.OUTPUT,
    )
    max_accuracy_drop: float = setting(
        0.02,
        help=f"Largest loss of accuracy allowed for {', '.join(_ROUNDED)}.",
        within=Within(0, 1),
        decides=Decides.OUTPUT,
    )
    overwrite: bool = setting(
        False,
        help="Replace a finished run in run_dir, or an unfinished one with other flags.",
        is_kept=False,
        also="force exist_ok",
    )
    checkpoint_minutes: float = setting(
        10.0,
        help="Minutes between checkpoints inside a long epoch; 0 for none. There is also one "
        "after each epoch.",
        within=Within(0),
    )

    @property
    def formats(self) -> tuple[str, ...]:
        """The names in `format`, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.format.split(",")))

    def _check(self) -> None:
        super()._check()
        for name in self.formats:
            if name not in FORMATS:
                raise unknown_name("format", name, FORMATS, what="a format")
