"""Modules and their preprocessors, written and proved as the command does."""

from __future__ import annotations

from pathlib import Path

from sftkeras.backbones import Backbone
from sftkeras.backbones.publishing.encoder import write_encoder
from sftkeras.backbones.publishing.preprocessor import write_preprocessor
from sftkeras.backbones.publishing.proof import prove
from sftkeras.backbones.publishing.publication import Publication
from sftkeras.tasks import pool
from sftkeras.tasks.network import Pooling

TEXTS = ("A good films.", "bad É film", "", "x" * 300)


def write_module(backbone: Backbone, folder: Path, pooling: Pooling | None = None) -> Path:
    """Writes the encoder into `folder`, which is returned."""
    write_encoder(publication(backbone, pooling), folder)
    return folder


def write_both(backbone: Backbone, folder: Path) -> Path:
    """Writes the encoder into `folder`, which is returned, and its preprocessor into the subfolder `preprocessor`."""
    made_of = publication(backbone)
    write_preprocessor(made_of.tokenizer, folder / "preprocessor", max_positions=made_of.max_positions)
    return write_module(backbone, folder)


def publication(backbone: Backbone, pooling: Pooling | None = None) -> Publication:
    """What the command publishes of a pretrained encoder, or of one that a run pooled by `pooling`."""
    usual: Pooling = "cls" if backbone.has_pooler else "mean"
    return Publication.of(backbone, pool(backbone, pooling or usual))


def prove_module(backbone: Backbone, folder: Path) -> float:
    """What the command checks before the module lands."""
    return prove(publication(backbone), folder, folder / "preprocessor", TEXTS)
