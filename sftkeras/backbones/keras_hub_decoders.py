"""Which KerasHub presets are decoders. They are refused: the same models are read from Hugging Face folders.

KerasHub's decoders leave out a part of what their checkpoints say, such as epsilon or stretched positions. Imports no
TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path

_FAMILIES = (
    *("Bloom", "Falcon", "GPT2", "GPTNeoX", "GptOss", "Gemma", "Llama", "Mistral", "Mixtral", "OPT", "Phi3", "Qwen"),
    "SmolLM3",
)


def keras_hub_decoder(folder: Path) -> str | None:
    """Return the class of a preset folder, such as "Llama3Backbone", if it is a decoder's."""
    try:
        name = str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["class_name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # what is wrong with the file is found where it is read
    return name if name.startswith(_FAMILIES) else None
