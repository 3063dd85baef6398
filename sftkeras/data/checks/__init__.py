"""Checks of the data, made before training."""
