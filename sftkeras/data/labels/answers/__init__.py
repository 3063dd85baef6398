"""Spans of a context that answer a question."""
