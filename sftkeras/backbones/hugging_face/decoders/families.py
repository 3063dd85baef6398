"""The families of decoders that are known. A new one is a file beside this one, and a line here."""

from __future__ import annotations

from importlib import import_module

from sftkeras.backbones.hugging_face.decoders.family import DecoderFamily

# What config.json calls a family, and its description: a file of this folder, and the name there.
_PLACES = {
    "llama": "llama.LLAMA",
    "smollm3": "smollm3.SMOLLM3",
    "qwen2": "qwen.QWEN2",
    "qwen3": "qwen.QWEN3",
    "mistral": "mistral.MISTRAL",
    "gemma": "gemma.GEMMA",
    "gemma2": "gemma.GEMMA2",
    "gemma3_text": "gemma.GEMMA3",
    "phi3": "phi3.PHI3",
    "gpt2": "gpt2.GPT2",
    "opt": "opt.OPT",
}


def _family(place: str) -> DecoderFamily:
    file, _, name = place.partition(".")
    return getattr(import_module(f"{__package__}.{file}"), name)


DECODER_FAMILIES = {model_type: _family(place) for model_type, place in _PLACES.items()}
