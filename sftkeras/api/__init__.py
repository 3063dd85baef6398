"""What `import sftkeras` gives to programs and notebooks; `sftkeras/__init__.py` names it and imports it on demand."""
