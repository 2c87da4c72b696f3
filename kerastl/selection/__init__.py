"""Compares backbones and training set sizes by probes on stored features."""
