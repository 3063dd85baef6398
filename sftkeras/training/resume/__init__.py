"""A run that is interrupted goes on as if it had not been: its state, the files of it, and when they are written."""
