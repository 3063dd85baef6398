"""The rows and their tokens on disk: written once into the cache, read through memory mappings."""
