"""Cleaning of raw texts before they are tokenised."""
