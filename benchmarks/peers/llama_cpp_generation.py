"""Greedy texts of llama.cpp after prompts of token numbers; run by generation_parity.py.

llama_cpp_generation.py ASKED.json ANSWER.json
"""

import json
import sys
from pathlib import Path

import xllamacpp


def main() -> None:
    """Continues each prompt by the most probable tokens, with a cache in float32 as in training."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    settings = xllamacpp.CommonParams()
    settings.model.path = asked["file"]
    settings.n_ctx, settings.n_parallel, settings.warmup = 4096, 1, False
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(settings)
    texts = []
    for prompt in asked["prompts"]:
        greedy = {"temperature": 0.0, "top_k": 1, "samplers": ["top_k"], "cache_prompt": False}
        asked_for = {"prompt": prompt, "max_tokens": asked["new_tokens"], "logprobs": 1, **greedy}
        answer = server.handle_completions(asked_for)
        answer = json.loads(answer) if isinstance(answer, str | bytes) else answer
        found = [token["id"] for token in answer["choices"][0]["logprobs"]["content"]]
        texts.append(found[: next((place for place, it in enumerate(found) if it in asked["ends"]), len(found))])
    Path(sys.argv[2]).write_text(json.dumps({"texts": texts}), encoding="utf-8")


if __name__ == "__main__":
    main()
