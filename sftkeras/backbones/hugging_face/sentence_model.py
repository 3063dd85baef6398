"""Settings of a sentence-transformers folder besides the encoder: pooling, length, layers behind it.

An encoder is what is fine-tuned here; how its token vectors become one is a setting. What the folder was trained with
is said where the settings are others. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.handles import sentence_modules

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
    """

    pooling: str | None
    max_length: int | None
    lowers: bool
    left_out: tuple[str, ...]

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
    )


def _content(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _pooling(config: Mapping[str, Any]) -> str | None:
    """The pooling of a config of today, which names it, or an earlier one, which has a switch for each."""
    if isinstance(named := config.get("pooling_mode"), str):
        return named
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    return " and ".join(_POOLINGS.get(key, key.removeprefix("pooling_mode_")) for key in chosen) or None
