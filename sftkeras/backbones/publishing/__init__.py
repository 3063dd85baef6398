"""Encoders as TF-Hub modules with their preprocessors: written, proved by loading them again, and described."""
