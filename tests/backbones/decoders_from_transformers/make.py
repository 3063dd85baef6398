"""Makes the files beside this one: configs of tiny decoders as Hugging Face's library writes them, and their logits.

Needs PyTorch and transformers, which the tests do not. Made with transformers 5.24 and PyTorch 2.13:

    python tests/backbones/decoders_from_transformers/make.py

Weights are not kept: `tiny_decoders.tensors` draws them again from their names and shapes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from tiny_decoders import LENGTHS, TOKENS, draw  # noqa: E402

SIZES = {
    "vocab_size": TOKENS,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GEMMA = {**SIZES, "head_dim": 8}
STRETCHED = {"factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 100.0}
LLAMA3 = {**STRETCHED, "rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 3.0], "rope_theta": 100.0}
CONFIGS = {
    "llama": transformers.LlamaConfig(**SIZES, rms_norm_eps=1e-2),
    "llama-tied-with-biases": transformers.LlamaConfig(
        **SIZES, attention_bias=True, mlp_bias=True, head_dim=6, tie_word_embeddings=True, hidden_act="gelu"
    ),
    "llama-3.1": transformers.LlamaConfig(**SIZES, rope_parameters=LLAMA3),
    "llama-linear": transformers.LlamaConfig(**SIZES, rope_parameters={**STRETCHED, "rope_type": "linear"}),
    "llama-dynamic": transformers.LlamaConfig(**SIZES, rope_parameters={**STRETCHED, "rope_type": "dynamic"}),
    "llama-yarn": transformers.LlamaConfig(**SIZES, rope_parameters={**STRETCHED, "rope_type": "yarn"}),
    "smollm3": transformers.SmolLM3Config(**SIZES, no_rope_layers=[1, 0]),
    "smollm3-windows": transformers.SmolLM3Config(
        **SIZES, no_rope_layers=[0, 1], use_sliding_window=True, sliding_window=4, attention_bias=True
    ),
    "qwen2": transformers.Qwen2Config(**SIZES),
    "qwen2-windows": transformers.Qwen2Config(
        **SIZES, use_sliding_window=True, sliding_window=4, max_window_layers=1, tie_word_embeddings=True
    ),
    "qwen3": transformers.Qwen3Config(**SIZES, head_dim=8, attention_bias=True),
    "mistral": transformers.MistralConfig(**SIZES, sliding_window=4, head_dim=8),
    "gemma": transformers.GemmaConfig(**GEMMA),
    "gemma2": transformers.Gemma2Config(**GEMMA, sliding_window=4, query_pre_attn_scalar=12),
    "gemma3": transformers.Gemma3TextConfig(
        **GEMMA, sliding_window=4, query_pre_attn_scalar=12, layer_types=["sliding_attention", "full_attention"]
    ),
    "phi3": transformers.Phi3Config(**SIZES, sliding_window=4),
    "phi3-long": transformers.Phi3Config(
        **SIZES, original_max_position_embeddings=32, rope_parameters={**LONG, "partial_rotary_factor": 1.0}
    ),
    "gpt2": transformers.GPT2Config(
        vocab_size=TOKENS, n_positions=32, n_embd=16, n_layer=2, n_head=4, bos_token_id=2, eos_token_id=2
    ),
    "opt": transformers.OPTConfig(
        vocab_size=TOKENS,
        hidden_size=16,
        ffn_dim=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
    ),
}


def make(name: str) -> None:
    """Writes NAME.json, the config and the shapes of the tensors, and NAME.npz: tokens and logits, row after row."""
    config = CONFIGS[name]
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items() if key not in tied}
    with torch.no_grad():
        model.load_state_dict({key: torch.tensor(draw(key, shape)) for key, shape in shapes.items()}, strict=False)
        model.tie_weights()
        tokens = np.random.default_rng(7).integers(3, TOKENS, sum(LENGTHS), dtype=np.int32)
        rows = np.split(tokens, np.cumsum(LENGTHS)[:-1])
        logits = [model(torch.tensor(row[None]).long()).logits[0].numpy() for row in rows]
    described = {**config.to_diff_dict(), "architectures": [type(model).__name__]}
    (HERE / f"{name}.json").write_text(json.dumps({"config": described, "shapes": shapes}) + "\n", encoding="utf-8")
    np.savez_compressed(HERE / f"{name}.npz", tokens=tokens, logits=np.concatenate(logits))


if __name__ == "__main__":
    for name in sys.argv[1:] or CONFIGS:
        make(name)
