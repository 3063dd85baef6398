"""One number a row."""
