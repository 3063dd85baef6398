"""Supervised fine-tuning for Keras 3 and TensorFlow: a pretrained encoder in, a served model out."""

__version__ = "0.1.0"
