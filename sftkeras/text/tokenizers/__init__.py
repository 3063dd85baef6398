"""Tokenizers as TensorFlow ops, token for token those of the checkpoints, with the characters behind each token."""
