"""GGUF files, the format of llama.cpp: each becomes a Hugging Face folder in the cache, then read as any other.

`file` reads the format, `architectures` and `rope` give config and tensors their Hugging Face names, `tokenizers` makes
tokenizer.json, and `conversion` puts these together. `writing` is the way back, with `written_settings` and
`written_tokenizers`. Imports no TensorFlow.
"""

from sftkeras.backbones.gguf.conversion import convert

__all__ = ["convert"]
