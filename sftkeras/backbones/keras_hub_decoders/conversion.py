"""From a KerasHub preset of a decoder to the Hugging Face folder of the same model, written once into the cache."""

from __future__ import annotations

from pathlib import Path

from sftkeras.backbones.converted import converted, write_json, write_tensors
from sftkeras.backbones.keras_hub_decoders.families import family_of, read_config, read_tensors
from sftkeras.backbones.keras_hub_decoders.preset import CONFIG, INDEX, WEIGHTS, Preset
from sftkeras.backbones.keras_hub_decoders.tokenizers import BYTE_PAIRS, MERGES, PIECES, TOKENIZER, read_tokenizer
from sftkeras.disk.files import sha256_of

_FORMAT = 1  # of what is written; a higher number makes every preset be converted again
_FILES = (CONFIG, TOKENIZER, PIECES, BYTE_PAIRS, MERGES, WEIGHTS, INDEX)


def convert(folder: Path) -> Path:
    """Return the folder made of a preset, from the cache or written now; the key is what the files hold.

    Raises:
        SFTError: SFT106, SFT108 if the cache cannot be written, SFT354 if a file is damaged, SFT355 if something is
            asked for that is not known, SFT357 if a variable is missing.
    """
    preset = Preset.read(folder)
    paths = [path for name in _FILES if (path := folder / name).exists()]
    paths += sorted(folder.glob("model_*.weights.h5"))
    try:
        hashes = " ".join(sha256_of(path) for path in paths)
    except OSError as error:
        raise preset.damaged(folder, error.strerror or error) from error
    return converted(folder, f"keras_hub {hashes} {_FORMAT}", write_folder)


def write_folder(path: Path, folder: Path) -> None:
    """Write a preset's model into an empty folder; raises as `convert`."""
    preset = Preset.read(path)
    family = family_of(preset)
    tokenizer = read_tokenizer(preset)
    write_json(folder / "config.json", read_config(family, preset) | tokenizer.generation)
    write_json(folder / "generation_config.json", tokenizer.generation)
    write_json(folder / "tokenizer.json", tokenizer.whole)
    write_json(folder / "tokenizer_config.json", tokenizer.settings)
    write_tensors(read_tensors(family, preset), folder)
