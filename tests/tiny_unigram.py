"""Tiny SentencePiece models as XLM-RoBERTa and DeBERTa-v3 have them, and the tokenizers Hugging Face makes of them."""

from __future__ import annotations

from functools import cache

from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tiny_sentence_pieces import train_pieces
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

SPECIALS = {
    "xlm_roberta": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
    "deberta": {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    | {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
}

ADDED = {
    "xlm_roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "deberta": ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"),
}


@cache
def tiny_model(rules: str) -> bytes:
    """The contents of a sentencepiece.bpe.model or spm.model."""
    return train_pieces(**SPECIALS[rules])


def hugging_face_tokenizer(rules: str) -> Tokenizer:
    """Hugging Face's tokenizer of a tiny model, as its converter writes it into tokenizer.json."""
    proto = ModelProto.FromString(tiny_model(rules))
    pieces = [(it.piece, it.score) for it in proto.pieces]
    if rules == "xlm_roberta":
        pieces = [*((special, 0.0) for special in ADDED[rules][:4]), *pieces[3:], ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    charsmap = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), charsmap, spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    return tokenizer


def tokenizer_json(rules: str) -> str:
    """The contents of the tokenizer.json of a tiny model."""
    tokenizer = hugging_face_tokenizer(rules)
    tokenizer.add_special_tokens(list(ADDED[rules]))
    return tokenizer.to_str()
