"""Predictions of an exported version or of a server's model, for people and programs.

Importing this package imports no TensorFlow.
"""
