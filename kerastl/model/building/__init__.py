"""Builds pretrained networks: each module those of one source."""
