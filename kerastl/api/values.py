"""What verbs take and return, for annotations: at run time, most of it would bring NumPy."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerastl.checkup.diagnosis import Diagnosis as Diagnosis
    from kerastl.comparison.reproduction import Reproduction as Reproduction
    from kerastl.comparison.result import Comparison as Comparison
    from kerastl.data.source import Source as Source
    from kerastl.outputs.exporting import Exported as Exported
    from kerastl.selection.curve import LearningCurve as LearningCurve
    from kerastl.selection.ranking import Ranking as Ranking
    from kerastl.serving.predictor import Predictions as Predictions
    from kerastl.serving.server import Served as Served
    from kerastl.serving.suggestions import Suggestions as Suggestions
    from kerastl.tuning.hypermodel import TransferHyperModel as TransferHyperModel
    from kerastl.tuning.search import Found as Found
