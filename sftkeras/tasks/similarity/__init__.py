"""Similarity: a vector for each text, learned from pairs."""
