"""A decoder as a GGUF file for llama.cpp, with a Modelfile for Ollama beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sftkeras.backbones.gguf.conversion import write_folder
from sftkeras.backbones.gguf.writing import GGUFType, write_file
from sftkeras.backbones.publishing.read_back import prove_folder
from sftkeras.command_line import next_commands
from sftkeras.disk.files import write_text
from sftkeras.exporting.parity import ODD_TEXTS
from sftkeras.publishing.cards import Card, render_gguf_card
from sftkeras.publishing.hugging_face import write_decoder_folder
from sftkeras.publishing.modelfile import render_modelfile
from sftkeras.publishing.source import Source


def write(source: Source, draft: Path, output: Path, dtype: GGUFType) -> list[str]:
    """Writes the file, and proves that it is read as it was meant; returns what to say of it.

    Args:
        source: what is published.
        draft: an empty folder, which becomes `output`.
        output: the folder.
        dtype: of the matrices.

    Raises:
        SFTError: SFT334 if GGUF files have no form for the model, SFT379 if the file does not pass.
    """
    file = draft / f"{output.name}.gguf"
    with tempfile.TemporaryDirectory(dir=draft) as aside:
        whole, again = Path(aside) / "whole", Path(aside) / "again"
        again.mkdir()
        notes = write_decoder_folder(source, whole, "float32")
        tokenizer = write_file(whole, file, dtype, name=output.name)
        write_folder(file, again)
        difference = prove_folder(source.backbone, again, dtype, ODD_TEXTS)
        modelfile = render_modelfile(file.name, whole, tokenizer, source.task.system)
    write_text(draft / "Modelfile", modelfile)
    card = Card(output.name, source, dtype, difference, tuple(notes))
    write_text(draft / "README.md", render_gguf_card(card, file.name))
    return [
        f"GGUF file  {output / file.name}",
        f"Modelfile  {output / 'Modelfile'}",
        f"Loaded again, its outputs differ from the model's by {difference:.1e} at most ({dtype} weights).",
        *notes,
        "",
        "What to type next:",
        f"  llama-cli -m {output / file.name}",
        f"  {next_commands.with_backbone(output / file.name, source.kind)}",
    ]
