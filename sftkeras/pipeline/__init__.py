"""The stages of a fine-tuning, each a function of plain arguments: commands and Python call the same."""
