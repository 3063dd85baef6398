"""TensorFlow as every command starts it, before a test imports it."""

from sftkeras import runtime

runtime.start_tensorflow()
