"""A KerasHub preset folder to an encoder and its tokenizer."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_hub
import numpy as np

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.hugging_face.families import FAMILIES
from sftkeras.backbones.hugging_face.family import listed
from sftkeras.backbones.token_encoder import TokenEncoder
from sftkeras.errors import SFTError
from sftkeras.text import BytePair, Tokenizer, Unigram, WordPiece

# The architectures that are known, by KerasHub's name and by that of Hugging Face.
_MODEL_TYPES = {
    "BertBackbone": "bert",
    "RobertaBackbone": "roberta",
    "XLMRobertaBackbone": "xlm-roberta",
    "DistilBertBackbone": "distilbert",
    "DebertaV3Backbone": "deberta-v2",
}

# The settings of KerasHub's tokenizers that change tokens, with the value that is followed.
_FOLLOWED = {"split": True, "suffix_indicator": "##", "oov_token": "[UNK]", "special_tokens_in_strings": False}


def load(folder: Path, *, dropout: float | None, weights: bool) -> Backbone:
    """Loads an encoder that KerasHub saved; see `sftkeras.backbones.load_backbone`."""
    try:
        settings = {} if dropout is None else {"dropout": dropout}
        backbone = keras_hub.models.Backbone.from_preset(str(folder), load_weights=weights, **settings)
        splitter = keras_hub.models.Tokenizer.from_preset(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise SFTError("SFT354", path=folder, problem=" ".join(str(error).split())) from error
    kind = type(backbone).__name__
    if kind not in _MODEL_TYPES:
        raise SFTError("SFT355", folder=folder, key="backbone", value=kind, known=listed(_MODEL_TYPES))
    tokenizer = _tokenizer_of(splitter, folder)
    if tokenizer.size > backbone.vocabulary_size:
        raise SFTError("SFT353", folder=folder, pieces=tokenizer.size, rows=backbone.vocabulary_size)
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".weights.h5")
    }
    encoder = _encoder_of(backbone, _MODEL_TYPES[kind])
    has_pooler = kind == "BertBackbone"
    return Backbone(encoder, tokenizer, backbone.max_sequence_length, has_pooler, "keras_hub", files)


def _encoder_of(backbone: keras_hub.models.Backbone, model_type: str) -> keras.Model:
    """The backbone as a Hugging Face folder of the same architecture gives it."""
    if model_type == "bert":
        return backbone
    if model_type in ("roberta", "xlm-roberta"):
        return _with_segments_and_pooler(backbone, model_type)
    FAMILIES[model_type].adjust(backbone)
    encoder = TokenEncoder(backbone)
    encoder.model_type = model_type
    return encoder


def _with_segments_and_pooler(backbone: keras_hub.models.Backbone, model_type: str) -> keras.Model:
    """RoBERTa built as in `hugging_face.roberta`; its segment is zero, as KerasHub's positions have it in them."""
    family = FAMILIES[model_type]
    config = {key: getattr(backbone, argument) for key, argument in family.sizes.items()}
    config |= {"max_position_embeddings": backbone.max_sequence_length + family.first_position}
    config |= {"type_vocab_size": 1, "layer_norm_eps": backbone.embeddings_layer_norm.epsilon}
    encoder = family.build({**config, **dict.fromkeys(family.dropout, backbone.dropout)}, None)
    segments = encoder.segment_embedding.embeddings
    segments.assign(np.zeros(segments.shape))
    added = {id(weight) for weight in (segments, *encoder.pooled_dense.weights)}
    shared = [weight for weight in encoder.weights if id(weight) not in added]
    for weight, source in zip(shared, backbone.weights, strict=True):
        weight.assign(source)
    return encoder


def _tokenizer_of(splitter: keras_hub.models.Tokenizer, folder: Path) -> Tokenizer:
    """The tokenizer of the same vocabulary that gives the same tokens everywhere.

    Raises:
        SFTError: SFT355 if it is of no known kind or has a setting that is not followed, and what the tokenizer raises.
    """
    for key, value in _FOLLOWED.items():
        if (found := getattr(splitter, key, value)) != value:
            raise SFTError("SFT355", folder=folder, key=f"the tokenizer's {key}", value=found, known=value)
    match splitter:
        case keras_hub.tokenizers.WordPieceTokenizer():
            return WordPiece(
                splitter.vocabulary,
                lowercase=splitter.lowercase,
                # BERT's own rule: an uncased model saw no accents. KerasHub's converter leaves the setting at False.
                strip_accents=splitter.strip_accents or splitter.lowercase,
                split_cjk=splitter.split_on_cjk,
            )
        case keras_hub.models.RobertaTokenizer():
            merges = [tuple(merge.split(" ")) for merge in splitter.merges]
            return BytePair(splitter.vocabulary, merges, add_prefix_space=splitter.add_prefix_space)
        case keras_hub.models.XLMRobertaTokenizer():
            return Unigram(splitter.proto, rules="xlm_roberta")
        case keras_hub.models.DebertaV3Tokenizer():
            return Unigram(splitter.proto, rules="deberta")
    known = "WordPieceTokenizer, RobertaTokenizer, XLMRobertaTokenizer, DebertaV3Tokenizer"
    raise SFTError("SFT355", folder=folder, key="tokenizer", value=type(splitter).__name__, known=known)
