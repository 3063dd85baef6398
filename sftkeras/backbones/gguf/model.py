"""The sizes of a GGUF file's model: settings with the name of the architecture before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sftkeras.backbones.gguf.file import GGUFFile, damaged, unsupported

# What follows the name of the architecture in a setting, by the name of what it becomes.
SIZES = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "intermediate_size": "feed_forward_length",
    "max_position_embeddings": "context_length",
}


@dataclass(frozen=True)
class Model:
    """Sizes of a file's model.

    Attributes:
        file: the file.
        architecture: its name in the file, the prefix of its settings.
        sizes: by their keys in config.json.
        key_heads: heads of keys and values.
        head_size: numbers of each head.
    """

    file: GGUFFile
    architecture: str
    sizes: Mapping[str, int]
    key_heads: int
    head_size: int

    @classmethod
    def of(cls, file: GGUFFile, architecture: str) -> Model:
        """Read the sizes.

        Raises:
            SFTError: SFT398 if one is missing, SFT399 if it differs between layers.
        """

        def size(setting: str, default: int | None = None) -> int:
            key = f"{architecture}.{setting}"
            value = file.metadata.get(key, default)
            if isinstance(value, list) and value and all(it == value[0] for it in value):
                value = value[0]
            if isinstance(value, list):
                raise unsupported(file.path, key, "one for each layer", "one number for all layers")
            if not isinstance(value, int) or value < 1:
                raise damaged(file.path, f"it has no number for {key}")
            return value

        sizes = {key: size(setting) for key, setting in SIZES.items()}
        head_size = size("attention.key_length", sizes["hidden_size"] // sizes["num_attention_heads"])
        if size("attention.value_length", head_size) != head_size:
            raise unsupported(file.path, "values longer than keys:", size("attention.value_length"), str(head_size))
        key_heads = size("attention.head_count_kv", sizes["num_attention_heads"])
        return cls(file, architecture, sizes, key_heads, head_size)

    @property
    def heads(self) -> int:
        """Heads of attention."""
        return self.sizes["num_attention_heads"]

    @property
    def layers(self) -> int:
        """Layers of the decoder."""
        return self.sizes["num_hidden_layers"]

    def size(self, name: str, default: int | None = None) -> int | None:
        """Return a setting of the architecture that is a whole number."""
        return self.file.get(f"{self.architecture}.{name}", int, default)

    def number(self, name: str, default: float | None = None) -> float | None:
        """Return a setting of the architecture that is any number."""
        return self.file.get(f"{self.architecture}.{name}", float, default)

    def has(self, tensor: str) -> bool:
        """Whether the first layer has a tensor."""
        return f"blk.0.{tensor}" in self.file.tensors
