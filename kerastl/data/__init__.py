"""Labeled images, from where they are kept to batches of pixels."""
