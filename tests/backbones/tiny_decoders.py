"""Tiny decoders of every family with random weights, as `decoders_from_transformers/make.py` describes them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "decoders_from_transformers"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
TOKENS = 24
LENGTHS = (5, 12, 9)  # of the rows
_TABLES = {"model.embed_tokens.weight", "lm_head.weight", "transformer.wte.weight", "model.decoder.embed_tokens.weight"}


def draw(name: str, shape: Sequence[int]) -> np.ndarray:
    """The values of a tensor, which depend on its name and its shape alone."""
    return np.random.default_rng(zlib.crc32(name.encode())).normal(0, 0.3, shape).astype(np.float32)


@dataclass(frozen=True)
class TinyDecoder:
    """One of them, and what transformers computes with it."""

    name: str

    @cached_property
    def described(self) -> dict[str, Any]:
        return json.loads((FOLDER / f"{self.name}.json").read_text(encoding="utf-8"))

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.described["config"])

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        return {name: draw(name, shape) for name, shape in self.described["shapes"].items()}

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Token numbers of each row."""
        return self._split("tokens")

    @cached_property
    def logits(self) -> list[np.ndarray]:
        """Logits [tokens, vocabulary] of each row."""
        return self._split("logits")

    def write(self, folder: Path, *, tokens: int = TOKENS, **changes: Any) -> Path:
        """Writes config.json, with `changes`, and model.safetensors; for more `tokens`, rows are repeated."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = self.tensors
        if tokens != TOKENS:
            changes["vocab_size"] = tokens
            for name in tensors.keys() & _TABLES:
                tensors[name] = np.resize(tensors[name], (tokens, tensors[name].shape[1]))
        (folder / "config.json").write_text(json.dumps({**self.config, **changes}), encoding="utf-8")
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    def _split(self, name: str) -> list[np.ndarray]:
        return np.split(np.load(FOLDER / f"{self.name}.npz")[name], np.cumsum(LENGTHS)[:-1])


def batch(rows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs of a decoder for rows of tokens, padded at their end."""
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, np.newaxis]
    tokens = np.zeros(mask.shape, np.int32)
    tokens[mask] = np.concatenate(rows)
    positions = np.where(mask, np.arange(mask.shape[1]), 0)
    return {"token_ids": tokens, "positions": positions.astype(np.int32), "segments": mask.astype(np.int32)}
