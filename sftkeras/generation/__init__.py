"""Texts that a decoder writes: the loop over tokens, in batches of prompts of like lengths. Knows no task."""

from sftkeras.generation.greedy import Generated, GenerationLimits, Generator

__all__ = ["Generated", "GenerationLimits", "Generator"]
