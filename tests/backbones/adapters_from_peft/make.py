"""Makes the folders beside this file: adapters as PEFT writes them, and what it computes with them.

Needs PyTorch, transformers and PEFT, which the tests do not. Made with PEFT 0.21, transformers 5.24 and PyTorch 2.13,
for the BERT of `from_transformers` and decoders of `decoders_from_transformers`:

    python tests/backbones/adapters_from_peft/make.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import peft
import torch
import transformers

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from tiny_decoders import TinyDecoder  # noqa: E402

BERT = {
    "task_type": "FEATURE_EXTRACTION",
    "target_modules": ["query", "value", "output.dense"],
    "r": 2,
    "lora_alpha": 5,
}
LLAMA = {"task_type": "CAUSAL_LM", "target_modules": "all-linear", "r": 3, "lora_alpha": 4, "use_rslora": True}
GPT2 = {"task_type": "CAUSAL_LM", "target_modules": ["c_attn", "c_proj"], "r": 2, "fan_in_fan_out": True}
BERT_ADALORA = {**BERT, "init_r": 3, "total_step": 1, "r": 8}
DORA = {"use_dora": True, "r": 2}
BERT_IA3 = {
    "task_type": "FEATURE_EXTRACTION",
    "target_modules": ["key", "value", "output.dense"],
    "feedforward_modules": ["output.dense"],
}
LLAMA_IA3 = {
    "task_type": "CAUSAL_LM",
    "target_modules": ["k_proj", "v_proj", "down_proj"],
    "feedforward_modules": ["down_proj"],
}
GPT2_IA3 = {
    "task_type": "CAUSAL_LM",
    "target_modules": ["c_attn", "mlp.c_proj"],
    "feedforward_modules": ["mlp.c_proj"],
    "fan_in_fan_out": True,
}
PROMPT = {"num_virtual_tokens": 3, "num_transformer_submodules": 1}


def make(name: str, model: torch.nn.Module, config: peft.PeftConfig, tokens: np.ndarray) -> None:
    """Writes the adapter and outputs.npz: tokens, and for each the vector or the logits."""
    torch.manual_seed(3)
    adapted = peft.get_peft_model(model, config).eval()
    for key, weight in adapted.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(weight, 0, 0.3)
        elif "lora_E" in key:
            torch.nn.init.normal_(weight)
        elif "prompt_encoder" in key:
            torch.nn.init.normal_(weight, 0, 0.5)
        elif "magnitude" in key or "ia3" in key:
            weight.data *= torch.empty_like(weight).uniform_(0.5, 1.5)
    adapted.save_pretrained(HERE / name)
    (HERE / name / "README.md").unlink()
    file = HERE / name / "adapter_config.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    written |= {key: sorted(value) for key, value in written.items() if key.endswith("_modules") and value}
    written |= {"base_model_name_or_path": name}
    file.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    with torch.no_grad():
        outputs = adapted(torch.tensor(tokens[None]).long())[0][0][-len(tokens) :]  # none of virtual tokens
    np.savez_compressed(HERE / name / "outputs.npz", token_ids=tokens, outputs=outputs.numpy())


if __name__ == "__main__":
    tokens = np.arange(3, 13, dtype=np.int32)
    adapters = {
        "bert": ("bert", peft.LoraConfig(**BERT)),
        "bert-dora": ("bert", peft.LoraConfig(**BERT | DORA)),
        "bert-adalora": ("bert", peft.AdaLoraConfig(**BERT_ADALORA)),
        "bert-ia3": ("bert", peft.IA3Config(**BERT_IA3)),
        "bert-prompt": ("bert", peft.PromptTuningConfig("FEATURE_EXTRACTION", **PROMPT)),
        "bert-prefix": ("bert", peft.PrefixTuningConfig("FEATURE_EXTRACTION", **PROMPT)),
        "llama": ("llama", peft.LoraConfig(**LLAMA)),
        "llama-dora": ("llama", peft.LoraConfig(**LLAMA | DORA)),
        "llama-ia3": ("llama", peft.IA3Config(**LLAMA_IA3)),
        "llama-prompt": ("llama", peft.PromptTuningConfig("CAUSAL_LM", **PROMPT)),
        "llama-prefix": ("llama", peft.PrefixTuningConfig("CAUSAL_LM", **PROMPT)),
        "gpt2": ("gpt2", peft.LoraConfig(**GPT2)),
        "gpt2-dora": ("gpt2", peft.LoraConfig(**GPT2 | DORA)),
        "gpt2-ia3": ("gpt2", peft.IA3Config(**GPT2_IA3)),
        "gpt2-prompt": ("gpt2", peft.PromptTuningConfig("CAUSAL_LM", **PROMPT)),
        "gpt2-prefix": ("gpt2", peft.PrefixTuningConfig("CAUSAL_LM", **PROMPT)),
        "gemma3-prompt": ("gemma3", peft.PromptTuningConfig("CAUSAL_LM", **PROMPT)),
        "gemma3-prefix": ("gemma3", peft.PrefixTuningConfig("CAUSAL_LM", **PROMPT)),
        "qwen2-windows-prompt": ("qwen2-windows", peft.PromptTuningConfig("CAUSAL_LM", **PROMPT)),
        "qwen2-windows-prefix": ("qwen2-windows", peft.PrefixTuningConfig("CAUSAL_LM", **PROMPT)),
    }
    wanted = sys.argv[1:] or list(adapters)
    for name, (base, config) in ((name, adapters[name]) for name in wanted):
        if config.is_prompt_learning:
            tokens = tokens[:9]  # the BERT has 12 positions
        if base == "bert":
            make(name, transformers.AutoModel.from_pretrained(HERE.parent / "from_transformers" / base), config, tokens)
            continue
        with tempfile.TemporaryDirectory() as folder:
            TinyDecoder(base).write(Path(folder))
            make(name, transformers.AutoModelForCausalLM.from_pretrained(folder), config, tokens)
