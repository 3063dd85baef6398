"""From a decoder's Hugging Face folder to a GGUF file, by the `gguf` package's writer: the inverse of `conversion`.

Values are read and written tensor by tensor, so that a large model is never in memory whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf import GGUFWriter
from gguf.constants import GGML_QUANT_SIZES, GGML_QUANT_VERSION, GGMLQuantizationType, LlamaFileType
from gguf.quants import quant_shape_to_byte_shape, quantize
from safetensors import safe_open

from sftkeras.backbones.gguf.layouts import inverse
from sftkeras.backbones.gguf.written_settings import Described, Written, described, rope_tensors
from sftkeras.backbones.gguf.written_tokenizers import WrittenTokenizer, written_tokenizer
from sftkeras.backbones.hugging_face.config import read_json

GGUFType = Literal["float32", "float16", "bfloat16", "q8_0"]
_TYPES: Mapping[GGUFType, tuple[GGMLQuantizationType, LlamaFileType]] = {
    "float32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    "float16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "bfloat16": (GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
}
_IN_FLOAT32 = ("position_embd.weight",)  # as llama.cpp keeps it, beside vectors


@dataclass(frozen=True)
class _Tensor:
    """A tensor that is written.

    Attributes:
        name: in the file.
        source: its name in the folder.
        shape: as it is written.
        type: of its values.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    type: GGMLQuantizationType


def write_file(folder: Path, path: Path, dtype: GGUFType, *, name: str) -> WrittenTokenizer:
    """Write a GGUF file of a decoder.

    Args:
        folder: config.json, model.safetensors in float32 and a tokenizer.json, as `write_decoder` writes them.
        path: of the file.
        dtype: of the matrices; vectors stay float32. Matrices whose rows no block divides are float16 in place of q8_0.
        name: of the model, for people.

    Returns:
        What the file says of its tokenizer.

    Raises:
        SFTError: SFT334 if GGUF files have no form for the model.
    """
    written, model = described(folder, read_json(folder / "config.json"))
    tokenizer = written_tokenizer(folder, model.config.vocabulary_size, written.name)
    writer = GGUFWriter(path, written.name)
    writer.add_name(name)
    writer.add_file_type(_TYPES[dtype][1])
    if dtype == "q8_0":
        writer.add_quantization_version(GGML_QUANT_VERSION)
    settings = {f"{written.name}.{key}": value for key, value in written.settings(model).items() if value is not None}
    _add_all(writer, settings)
    _add_tokenizer(writer, tokenizer)
    _write_tensors(writer, folder / "model.safetensors", written, model, dtype)
    return tokenizer


def _add_tokenizer(writer: GGUFWriter, tokenizer: WrittenTokenizer) -> None:
    writer.add_tokenizer_model(tokenizer.model)
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(tokenizer.kinds)
    _add_all(writer, tokenizer.more)
    if tokenizer.template:
        writer.add_chat_template(tokenizer.template)


def _add_all(writer: GGUFWriter, settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        match value:
            case bool():
                writer.add_bool(key, value)
            case int():
                writer.add_uint32(key, value)
            case float():
                writer.add_float32(key, value)
            case str():
                writer.add_string(key, value)
            case _:
                writer.add_array(key, value)


def _write_tensors(writer: GGUFWriter, source: Path, written: Written, model: Described, dtype: GGUFType) -> None:
    changes, extra = inverse(written.architecture.changes), rope_tensors(model)
    with safe_open(source, framework="numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        tensors = [*_tensors(shapes, written, model, dtype)]
        for name, values in extra.items():
            writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes)
        for it in tensors:
            stored = quant_shape_to_byte_shape(it.shape, it.type)
            writer.add_tensor_info(it.name, stored, np.dtype(np.uint8), math.prod(stored), raw_dtype=it.type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for values in extra.values():
            writer.write_tensor_data(values)
        for it in tensors:
            values = file.get_tensor(it.source)
            if change := changes.get(_part(it.name)):
                values = change(values, model)
            writer.write_tensor_data(quantize(np.ascontiguousarray(values, np.float32), it.type))
    writer.close()


def _tensors(
    shapes: Mapping[str, tuple[int, ...]], written: Written, model: Described, dtype: GGUFType
) -> Iterator[_Tensor]:
    """Yield the tensors of a folder with their names, shapes and types in the file."""
    changes = inverse(written.architecture.changes)
    names = {}
    for name, theirs in written.architecture.names.items():
        for layer in range(model.config.layers) if "{}" in name else (0,):
            names[theirs.format(layer)] = name.format(layer)
    for source, shape in shapes.items():
        theirs, _, kind = source.rpartition(".")
        name = f"{names[theirs]}.{kind}"
        if change := changes.get(_part(name)):
            shape = change(np.broadcast_to(np.float32(0), shape), model).shape
        yield _Tensor(name, source, shape, _type(name, shape, dtype))


def _part(name: str) -> str:
    """Return the last part of a tensor's name and its kind, by which changes are found: attn_q.weight."""
    return ".".join(name.split(".")[-2:])


def _type(name: str, shape: tuple[int, ...], dtype: GGUFType) -> GGMLQuantizationType:
    if len(shape) == 1 or name in _IN_FLOAT32:
        return GGMLQuantizationType.F32
    kind = _TYPES[dtype][0]
    return GGMLQuantizationType.F16 if shape[-1] % GGML_QUANT_SIZES[kind][0] else kind
