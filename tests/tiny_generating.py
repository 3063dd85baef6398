"""Tiny decoders with random weights that generate, as models in memory and as exports."""

from __future__ import annotations

from pathlib import Path

from sftkeras import runtime

runtime.start_tensorflow()

from sftkeras.backbones import load_backbone  # noqa: E402
from sftkeras.exporting.generation_file import write_generation  # noqa: E402
from sftkeras.exporting.saved_model import write_saved_model  # noqa: E402
from sftkeras.tasks import TextModel, attach_head  # noqa: E402
from sftkeras.tasks.causal_lm.spec import CausalLMSettings  # noqa: E402
from sftkeras.tasks.causal_lm.task import CausalLM  # noqa: E402
from sftkeras.tasks.chat.spec import ChatSettings  # noqa: E402
from sftkeras.tasks.chat.task import Chat  # noqa: E402


def build_model(decoder: Path, kind: str = "chat") -> TextModel:
    """A model of the folder that `tiny_chat.write_tiny_decoder` wrote."""
    backbone = load_backbone(decoder, max_length=32)
    task = Chat(ChatSettings(max_new_tokens=8)) if kind == "chat" else CausalLM(CausalLMSettings())
    task = task.for_tokenizer(backbone.tokenizer).for_folder(decoder)
    features = task.features(backbone.tokenizer, max_length=32, pairs=False)
    return TextModel(features, attach_head(backbone, task, "mean"), task, backbone)


def write_tiny_export(decoder: Path, folder: Path, kind: str = "chat") -> Path:
    """Writes the SavedModel of such a model into a folder, without a contract; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model(decoder, kind)
    generating = model.task.generating(model)
    assert generating is not None
    write_saved_model(model, folder, generating)
    write_generation(folder, generating.facts)
    return folder
