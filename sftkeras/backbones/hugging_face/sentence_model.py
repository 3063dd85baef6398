"""Settings of a sentence-transformers folder besides the encoder: pooling, length, layers behind it; read and written.

An encoder is what is fine-tuned here; how its token vectors become one is a setting. What the folder was trained with
is said where the settings are others. Imports no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.family import dense
from sftkeras.backbones.hugging_face.tensors import write_tensors
from sftkeras.handles import sentence_modules

if TYPE_CHECKING:
    import keras

_CLASS = "sentence_transformers.models.{}"
_MODULES, _SETTINGS = "modules.json", "sentence_bert_config.json"
_POOLINGS = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max"}
_NO_WEIGHTS = ("Transformer", "Pooling", "Normalize")  # the encoder itself, and what has nothing to learn


@dataclass(frozen=True)
class SentenceModel:
    """The parts that were trained around an encoder.

    Attributes:
        pooling: how token vectors became one: "cls", "mean" or "max", or what it is called there if it is another.
        max_length: tokens that a text was cut to; None if it is not said.
        lowers: whether texts were lowered before they were tokenised.
        left_out: kinds of layers behind the pooling that have weights of their own.
        normalises: whether its vectors are of length one.
    """

    pooling: str | None
    max_length: int | None
    lowers: bool
    left_out: tuple[str, ...]
    normalises: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether an encoder, a known pooling and a length are all there is."""
        return self.pooling in _POOLINGS.values() and not self.lowers and not self.left_out

    def notes(self, pooling: str | None, max_length: int) -> Iterator[str]:
        """Yields what a run does otherwise that pools by `pooling`, None if its task needs the tokens themselves."""
        if pooling and self.pooling not in (None, pooling):
            known = self.pooling in _POOLINGS.values()
            remedy = f"to do the same, set --backbone.pooling {self.pooling}" if known else "which is not done here"
            yield f"sentence-transformers trained this encoder with pooling {self.pooling}, not {pooling}: {remedy}"
        if self.max_length and self.max_length < max_length:
            yield (
                f"sentence-transformers trained this encoder on {self.max_length} tokens at most, not {max_length}: "
                f"to do the same, set --backbone.max_length {self.max_length}"
            )
        if self.lowers:
            yield (
                "sentence-transformers lowered the texts of this encoder (do_lower_case in sentence_bert_config.json), "
                "which is not done here unless its tokenizer does"
            )
        for kind in self.left_out if pooling else ():
            yield f"the layer {kind} that sentence-transformers put behind this encoder is left out"


def read_sentence_model(folder: Path) -> SentenceModel | None:
    """Return what surrounds the encoder in `folder`; None if it is no folder of sentence-transformers.

    Args:
        folder: of the encoder's files, which may lie one level below that of the whole.

    Raises:
        SFTError: SFT304 or SFT354 if a file is damaged.
    """
    whole = next((it for it in (folder, folder.parent) if (it / _MODULES).is_file()), None)
    if whole is None:
        return None
    modules = sentence_modules(whole)
    if (whole / modules.get("Transformer", "")).resolve() != folder.resolve():
        return None
    settings = _content(folder / _SETTINGS)
    length = settings.get("max_seq_length")
    return SentenceModel(
        _pooling(_content(whole / modules["Pooling"] / "config.json")) if "Pooling" in modules else None,
        length if isinstance(length, int) else None,
        bool(settings.get("do_lower_case")),
        tuple(kind for kind in modules if kind not in _NO_WEIGHTS),
        "Normalize" in modules,
    )


def write_sentence_model(
    model: SentenceModel, folder: Path, pooler: keras.layers.Dense | None, hidden_size: int
) -> None:
    """Writes what sentence-transformers needs beside an encoder's own files.

    Args:
        model: pooling, length, and whether vectors are of length one.
        folder: has the encoder's files.
        pooler: a layer with tanh that the pooled vector goes through; None if there is none.
        hidden_size: numbers in a vector.
    """
    modes = {key: pooling == model.pooling for key, pooling in _POOLINGS.items()}
    pooling = {"word_embedding_dimension": hidden_size, **modes, "pooling_mode_mean_sqrt_len_tokens": False}
    kinds = ["Transformer", "Pooling", *(["Dense"] if pooler else []), *(["Normalize"] if model.normalises else [])]
    modules = [
        {"idx": place, "name": str(place), "path": f"{place}_{kind}" if place else "", "type": _CLASS.format(kind)}
        for place, kind in enumerate(kinds)
    ]
    for place, kind in enumerate(kinds[1:], 1):
        (folder / f"{place}_{kind}").mkdir()
    _write(folder / _MODULES, modules)
    _write(folder / _SETTINGS, {"max_seq_length": model.max_length, "do_lower_case": model.lowers})
    _write(folder / "1_Pooling" / "config.json", pooling)
    if pooler:
        tanh = "torch.nn.modules.activation.Tanh"
        sizes = {"in_features": hidden_size, "out_features": hidden_size, "bias": True, "activation_function": tanh}
        _write(folder / "2_Dense" / "config.json", sizes)
        write_tensors(dense(pooler, "linear"), folder / "2_Dense")


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _content(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _pooling(config: Mapping[str, Any]) -> str | None:
    """The pooling of a config of today, which names it, or an earlier one, which has a switch for each."""
    if isinstance(named := config.get("pooling_mode"), str):
        return named
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    return " and ".join(_POOLINGS.get(key, key.removeprefix("pooling_mode_")) for key in chosen) or None
