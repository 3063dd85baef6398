"""From a GGUF file to the Hugging Face folder of the same model, written once into the cache."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from sftkeras.backbones.converted import converted, write_json, write_tensors
from sftkeras.backbones.gguf.architectures import architecture_of, read_config, read_tensors
from sftkeras.backbones.gguf.file import GGUFFile, damaged
from sftkeras.backbones.gguf.tokenizers import read_tokenizer
from sftkeras.disk.files import sha256_of

_FORMAT = 1  # of what is written; a higher number makes every file be converted again


def convert(path: Path) -> Path:
    """Return the folder made of a GGUF file, from the cache or written now; the key is the file's content.

    Raises:
        SFTError: SFT106, SFT108 if the cache cannot be written, SFT398 if the file is damaged, SFT399 if it asks for
            something unknown.
    """
    try:
        content = f"gguf {sha256_of(path)} {_FORMAT} {version('gguf')}"
    except OSError as error:
        raise damaged(path, error.strerror or error) from error
    return converted(path, content, write_folder)


def write_folder(path: Path, folder: Path) -> None:
    """Write a GGUF file's model into an empty folder; raises as `convert`."""
    file = GGUFFile(path)
    architecture, model = architecture_of(file)
    tokenizer = read_tokenizer(file, model.architecture)
    config = read_config(architecture, model) | tokenizer.generation
    if (tokens := 1 + max(tokenizer.whole["model"]["vocab"].values())) > config["vocab_size"]:
        raise damaged(path, f"it has {tokens:,} tokens and {config['vocab_size']:,} rows of the embedding")
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", tokenizer.generation)
    write_json(folder / "tokenizer.json", tokenizer.whole)
    write_json(folder / "tokenizer_config.json", tokenizer.settings)
    write_tensors(read_tensors(architecture, model), folder)
