"""Graphs of TensorFlow from elsewhere: which are loaded."""
