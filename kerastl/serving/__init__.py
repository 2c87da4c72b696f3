"""Predicts with an exported model: for files, one after another, and over HTTP."""
