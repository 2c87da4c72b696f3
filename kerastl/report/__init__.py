"""The page of a run, `report.html`, made from its directory alone. Imports no TensorFlow."""
