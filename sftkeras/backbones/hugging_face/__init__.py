"""Hugging Face folders: config.json, safetensors and a tokenizer's files, to a model with equal outputs and back.

Each architecture has a module of its own and a line in `families`. Nothing here imports TensorFlow before an encoder or
a tokenizer is built, so `check_folder` answers at once.
"""

from sftkeras.backbones.hugging_face.decoder_tokenizers import load_decoder_tokenizer, read_decoder_tokenizer
from sftkeras.backbones.hugging_face.decoders.writing import write_decoder
from sftkeras.backbones.hugging_face.reading import check_folder, kind_of_config, load
from sftkeras.backbones.hugging_face.tokenizers import load_tokenizer, write_tokenizer
from sftkeras.backbones.hugging_face.writing import write_config, write_folder

__all__ = [
    "check_folder",
    "kind_of_config",
    "load",
    "load_decoder_tokenizer",
    "load_tokenizer",
    "read_decoder_tokenizer",
    "write_config",
    "write_decoder",
    "write_folder",
    "write_tokenizer",
]
