"""Classification: one label a text, or none, one or several."""
