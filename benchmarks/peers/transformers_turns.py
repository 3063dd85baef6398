"""Texts of transformers in float32 on PyTorch's CPU kernels, a request at a time; run by generate_vs_peers.py.

transformers_turns.py FOLDER

Answers each line of JSON with another: {"prompt", "new_tokens"} by a greedy text and its time, {"forward"} by the time
of one forward pass of a text.
"""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Loads the model and answers until there are no more lines."""
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()

    def write(prompt: str, new_tokens: int) -> dict:
        began = time.perf_counter()
        given = tokenizer(prompt, return_tensors="pt")
        with torch.inference_mode():
            found = model.generate(**given, max_new_tokens=new_tokens, do_sample=False)
        tokens = found[0, given["input_ids"].shape[1] :]
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        return {"seconds": time.perf_counter() - began, "tokens": len(tokens), "texts": [text]}

    def forward(text: str) -> dict:
        given = tokenizer(text, return_tensors="pt")
        began = time.perf_counter()
        with torch.inference_mode():
            model(**given, logits_to_keep=1)
        return {"seconds": time.perf_counter() - began}

    for line in sys.stdin:
        asked = json.loads(line)
        answer = forward(asked["forward"]) if "forward" in asked else write(**asked)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
