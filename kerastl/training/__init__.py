"""Trains the phases of a run and measures the result."""
