"""Makes the folders beside this file: tiny random models of Hugging Face's library, and what it computes with them.

Needs PyTorch and transformers, which the tests do not. Made with transformers 5.23 and PyTorch 2.13:

    python tests/backbones/from_transformers/make.py
"""

from pathlib import Path

import numpy as np
import torch
import transformers

TOKENS, LAYERS, HEADS, HIDDEN, INNER = 16, 2, 4, 16, 24
POSITIONS = {"deberta-v2": 512}  # so long that far positions share a row
SIZES = {
    "vocab_size": TOKENS,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
}
DISTIL_SIZES = {"vocab_size": TOKENS, "dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": INNER}
ROBERTA = {**SIZES, "max_position_embeddings": 14, "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
CONFIGS = {
    "bert": transformers.BertConfig(**SIZES, max_position_embeddings=12),
    "electra": transformers.ElectraConfig(**SIZES, max_position_embeddings=12, embedding_size=8),
    "albert": transformers.AlbertConfig(**SIZES, max_position_embeddings=12, embedding_size=8),
    "roberta": transformers.RobertaConfig(**ROBERTA),
    "xlm-roberta": transformers.XLMRobertaConfig(**ROBERTA),
    "distilbert": transformers.DistilBertConfig(**DISTIL_SIZES, max_position_embeddings=12),
    "deberta-v2": transformers.DebertaV2Config(
        **SIZES,
        max_position_embeddings=512,
        position_buckets=256,
        relative_attention=True,
        position_biased_input=False,
        pos_att_type="p2c|c2p",
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        type_vocab_size=0,
        layer_norm_eps=1e-7,
    ),
}


def make(name: str, folder: Path) -> None:
    """Writes config.json, model.safetensors and outputs.npz: inputs, token vectors where tokens are, pooled vectors."""
    config = CONFIGS[name]
    torch.manual_seed(3)
    model = transformers.AutoModel.from_config(config).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    model.save_pretrained(folder)
    draw = np.random.default_rng(11)
    lengths = np.linspace(1, POSITIONS.get(name, 12), 2 if name in POSITIONS else 5).astype(int)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int32)
    tokens = np.where(mask, draw.integers(3, TOKENS, mask.shape), config.pad_token_id or 0).astype(np.int32)
    segments = draw.integers(0, 2, mask.shape).astype(np.int32) * mask
    given = {"input_ids": torch.tensor(tokens).long(), "attention_mask": torch.tensor(mask).long()}
    if getattr(config, "type_vocab_size", 0) > 1:
        given["token_type_ids"] = torch.tensor(segments).long()
    else:
        segments = np.zeros_like(segments)
    with torch.no_grad():
        outputs = model(**given)
    arrays = {"token_ids": tokens, "segment_ids": segments, "padding_mask": mask}
    arrays["sequence_output"] = outputs.last_hidden_state.numpy()[mask.astype(bool)]
    if (pooled := getattr(outputs, "pooler_output", None)) is not None:
        arrays["pooled_output"] = pooled.numpy()
    np.savez_compressed(folder / "outputs.npz", **arrays)


if __name__ == "__main__":
    for name in CONFIGS:
        make(name, Path(__file__).parent / name)
