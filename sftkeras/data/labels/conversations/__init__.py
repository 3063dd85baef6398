"""Conversations of several formats, which are learned without labels."""
