"""Masked language modelling: predict masked tokens."""
