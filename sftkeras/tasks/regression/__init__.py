"""Regression: one number a text."""
