"""The page of a run, `report.html`, made from its directory alone.

Only `finished` and `tensorboard`, which are for the end of a run, import TensorFlow.
"""
