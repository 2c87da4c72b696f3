"""Recipes: what is trained, and how, where the user has not said so."""
