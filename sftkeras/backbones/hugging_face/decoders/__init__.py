"""Decoders of Hugging Face folders: config.json to a `DecoderConfig`, and the names of the weights.

Each family has a module of its own and a line in `families`. What a config.json asks for and is not computed is refused
by name, before TensorFlow is imported.
"""
