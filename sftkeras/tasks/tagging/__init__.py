"""Tagging: the entities in a text, or a label for each word."""
