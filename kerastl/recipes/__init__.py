"""Recipes: choose what is trained, and how, where no setting does."""
