"""Labels by their names, for whole texts: one a text, or several."""
