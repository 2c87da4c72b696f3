"""Searches for the best settings of a run, with keras-tuner."""
