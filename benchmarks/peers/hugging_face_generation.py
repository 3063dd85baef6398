"""Greedy texts of transformers in float32 on PyTorch's CPU kernels; run by generation_parity.py.

hugging_face_generation.py ASKED.json ANSWER.json
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Renders conversations and continues them in batches of like lengths; keeps the gaps of the largest logits."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(asked["folder"])
    model = AutoModelForCausalLM.from_pretrained(asked["folder"], dtype=torch.float32).eval()
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    prompts = [
        tokenizer.apply_chat_template(it, add_generation_prompt=True, return_dict=False)
        for it in asked["conversations"]
    ]
    texts: list[list[int]] = [[] for _ in prompts]
    gaps: list[list[float]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    for first in range(0, len(order), asked["together"]):
        numbers = order[first : first + asked["together"]]
        longest = max(len(prompts[number]) for number in numbers)
        fill = [longest - len(prompts[number]) for number in numbers]  # on the left, since texts go on at the right
        tokens = [[ends[0]] * count + prompts[number] for count, number in zip(fill, numbers, strict=True)]
        mask = [[0] * count + [1] * (longest - count) for count in fill]
        with torch.no_grad():
            written = model.generate(
                torch.tensor(tokens),
                attention_mask=torch.tensor(mask),
                max_new_tokens=asked["new_tokens"],
                do_sample=False,
                output_logits=True,
                return_dict_in_generate=True,
                pad_token_id=ends[0],
            )
        largest = torch.stack(written.logits, 1).topk(2).values  # [rows, new tokens, 2]
        between = (largest[..., 0] - largest[..., 1]) / largest.abs().amax(-1)
        for row, number in enumerate(numbers):
            found = written.sequences[row, longest:].tolist()
            texts[number] = found[: next((place for place, it in enumerate(found) if it in ends), len(found))]
            gaps[number] = between[row].tolist()
    answer = {"prompts": prompts, "texts": texts, "gaps": gaps, "ends": ends}
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
