"""Fitting a text model: the exact training step, the optimizer, the batches and the callbacks."""
