"""KerasHub presets of decoders: each becomes a Hugging Face folder in the cache, then read as any other.

`preset` reads the files, `families`, `configs` and `layouts` give config and tensors their Hugging Face names,
`tokenizers` makes tokenizer.json, and `conversion` puts these together. KerasHub itself is not asked: its presets are
read without running what their config.json names. Imports no TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path

_DECODERS = (
    *("Bloom", "Falcon", "GPT2", "GPTNeoX", "GptOss", "Gemma", "Llama", "Mistral", "Mixtral", "OPT", "Phi3", "Qwen"),
    "SmolLM3",
)


def keras_hub_decoder(folder: Path) -> str | None:
    """Return the class of a preset folder, such as "Llama3Backbone", if it is a decoder's."""
    try:
        name = str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["class_name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # what is wrong with the file is found where it is read
    return name if name.startswith(_DECODERS) else None
