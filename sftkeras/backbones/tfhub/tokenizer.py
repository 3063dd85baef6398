"""The tokenizer of a TF-Hub module, from the files that it carries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.tokenizers import TokenizerFiles
from sftkeras.backbones.hugging_face.vocabularies import AlbertModel, Vocabulary, read_word_pieces
from sftkeras.backbones.tfhub.module import HubModule
from sftkeras.errors import SFTError
from sftkeras.text import SentencePiece, Tokenizer, WordPiece


def tokenizer_of(module: HubModule) -> Tokenizer:
    """Makes the tokenizer that equals the module's companion preprocessor token for token.

    Public modules carry a vocabulary, and their preprocessors are all alike. A module that was published from another
    kind of checkpoint also says by which rules its texts were split.

    Raises:
        SFTError: SFT352 if a special token is not in the vocabulary, SFT354 if a file is damaged, SFT372 if there is no
            vocabulary.
    """
    lowercase = module.lowercase
    if module.sentence_piece is not None:
        model = module.sentence_piece.read_bytes()
        if module.tokenizer_config is not None:
            return _as_configured(AlbertModel(model), module.tokenizer_config)
        return SentencePiece(model, lowercase=True if lowercase is None else lowercase, rules="tensorflow_text")
    if module.vocabulary is not None:
        pieces = read_word_pieces(module.vocabulary)
        if module.tokenizer_config is not None:
            return _as_configured(pieces, module.tokenizer_config)
        return WordPiece(
            pieces, lowercase=_is_lower(pieces) if lowercase is None else lowercase, rules="tensorflow_text"
        )
    raise SFTError("SFT372", folder=module.folder)


def _as_configured(vocabulary: Vocabulary, config: Path) -> Tokenizer:
    return TokenizerFiles.of(vocabulary, read_json(config), config.parent).build()


def _is_lower(vocabulary: Sequence[str]) -> bool:
    """Whether a vocabulary is that of an uncased model; special tokens are in capitals always."""
    return not any(piece != piece.lower() for piece in vocabulary if not piece.startswith("["))
