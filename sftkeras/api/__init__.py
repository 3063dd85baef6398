"""Names that `import sftkeras` gives to programs and notebooks; `sftkeras/__init__.py` imports them on demand."""
