"""A tiny decoder with a chat template."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tiny_decoder_tokenizers import END_TURN, START_TURN, tiny_tokenizer, write_tokenizer

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 16, 1, 2, 24, 64
CHATML = (
    "{% for message in messages %}{{ '"
    + START_TURN
    + "' + message['role'] + '\n' + message['content'] + '"
    + END_TURN
    + "' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '"
    + START_TURN
    + "assistant\n' }}{% endif %}"
)
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 1,
    "intermediate_size": INNER,
    "max_position_embeddings": POSITIONS,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}


def write_tiny_decoder(folder: Path, *, tied: bool = True) -> Path:
    """Writes a Hugging Face folder of a random Llama with ChatML as its template; returns it.

    `tied` says whether its output layer is its token embedding.
    """
    from safetensors.numpy import save_file

    write_tokenizer(folder, "smollm2")
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"chat_template": CHATML}))
    size = tiny_tokenizer("smollm2").get_vocab_size()
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": size, "tie_word_embeddings": tied}))
    random = np.random.default_rng(7)
    head = HIDDEN // HEADS
    shapes = {"model.embed_tokens.weight": (size, HIDDEN), "model.norm.weight": (HIDDEN,)}
    shapes |= {} if tied else {"lm_head.weight": (size, HIDDEN)}
    for layer in range(LAYERS):
        inside = {
            "self_attn.q_proj": (HIDDEN, HIDDEN),
            "self_attn.k_proj": (head, HIDDEN),
            "self_attn.v_proj": (head, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HIDDEN),
            "mlp.gate_proj": (INNER, HIDDEN),
            "mlp.up_proj": (INNER, HIDDEN),
            "mlp.down_proj": (HIDDEN, INNER),
            "input_layernorm": (HIDDEN,),
            "post_attention_layernorm": (HIDDEN,),
        }
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in inside.items()}
    tensors = {
        name: np.ones(shape, np.float32) if len(shape) == 1 else random.normal(0, 0.2, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
