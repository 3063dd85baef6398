"""Labelled spans of characters: the entities of a text, however a tool wrote them."""
