"""A backbone as a TF-Hub module with its preprocessor."""

from __future__ import annotations

import shutil
from pathlib import Path

from sftkeras.command_line import next_commands
from sftkeras.config import PublishedType
from sftkeras.disk.files import write_text
from sftkeras.publishing.source import PREPROCESSOR, Source


def write(source: Source, draft: Path, output: Path, dtype: PublishedType) -> list[str]:
    """Writes a module and its preprocessor, and proves them; returns what to say of them.

    Args:
        source: what is published.
        draft: an empty folder, which becomes `output`.
        output: the module's folder.
        dtype: float32 alone.

    Raises:
        SFTError: SFT378, SFT379 or SFT381.
    """
    from sftkeras.backbones.publishing.card import render_card

    difference = (_write_opaque if source.backbone.is_module else _write_native)(source, draft)
    card = render_card(
        output.name,
        source.backbone,
        source.pooling,
        difference,
        source=source.origin.backbone,
        learned_from=source.origin.data.get("train"),
    )
    write_text(draft / "README.md", card)
    return [
        f"Module        {output}",
        *([f"Preprocessor  {output / PREPROCESSOR}"] if (draft / PREPROCESSOR).exists() else []),
        f"Loaded again, its outputs differ from the encoder's by {difference:.1e} at most, its weights not at all.",
        "",
        "What to type next:",
        f"  {next_commands.with_backbone(output)}",
    ]


def _write_native(source: Source, draft: Path) -> float:
    """Writes a KerasHub encoder and its tokenizer as modules, and compares them with what they were made of."""
    from sftkeras.backbones.publishing.encoder import write_encoder
    from sftkeras.backbones.publishing.preprocessor import write_preprocessor
    from sftkeras.backbones.publishing.proof import prove
    from sftkeras.backbones.publishing.publication import Publication
    from sftkeras.exporting.parity import ODD_TEXTS
    from sftkeras.tasks import pool

    made_of = Publication.of(source.backbone, pool(source.backbone, source.pooling))
    write_encoder(made_of, draft)
    write_preprocessor(made_of.tokenizer, draft / PREPROCESSOR, max_positions=made_of.max_positions)
    return prove(made_of, draft, draft / PREPROCESSOR, ODD_TEXTS)


def _write_opaque(source: Source, draft: Path) -> float:
    """Writes a module that a run trained as it is, and the preprocessor it was given, if any."""
    from sftkeras.backbones.publishing.republish import write_again

    difference = write_again(source.backbone.model, draft)
    if source.preprocessor:
        shutil.copytree(source.preprocessor, draft / PREPROCESSOR)
    return difference
