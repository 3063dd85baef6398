"""The architectures that are known. A new one is a file beside this one, and a line here."""

from __future__ import annotations

from importlib import import_module

from sftkeras.backbones.hugging_face.family import Family

# What config.json calls an architecture, and its description: a file of this folder, and the name there.
_PLACES = {
    "bert": "bert.BERT",
    "electra": "electra.ELECTRA",
    "albert": "albert.ALBERT",
    "roberta": "roberta.ROBERTA",
    "xlm-roberta": "roberta.XLM_ROBERTA",
    "distilbert": "distilbert.DISTILBERT",
    "deberta-v2": "deberta.DEBERTA",
}


def _family(place: str) -> Family:
    file, _, name = place.partition(".")
    return getattr(import_module(f"{__package__}.{file}"), name)


FAMILIES = {model_type: _family(place) for model_type, place in _PLACES.items()}
