"""Prompts, logits and greedy texts of transformers in float32 on PyTorch's CPU kernels.

Runs under a Python that has these two, of which this package knows nothing: it imports nothing else of ours.

    transformers_worker.py ASKED.json ANSWER.json

ASKED has `folder`, of a model; `conversations`, lists of messages, and `template`, the chat template, null for the
folder's own; `texts`, prompts of a model without one; `new_tokens` and `together`, most rows of a batch. ANSWER has, in
the order of conversations and texts, `prompts` as token numbers, `texts`, without the token that ended one, and `gaps`,
those between the two largest logits before each token, relative to the largest; the `ends` of texts and the `version`
of transformers. Logits after each prompt are in ANSWER.json.npy, [prompts, vocabulary] float32.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers


def main() -> None:
    """Reads what is asked and writes the answer."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(asked["folder"])
    model = transformers.AutoModelForCausalLM.from_pretrained(asked["folder"], dtype=torch.float32).eval()
    ends = asked.get("ends") or model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    prompts = [
        tokenizer.apply_chat_template(
            it, chat_template=asked.get("template"), add_generation_prompt=True, return_dict=False
        )
        for it in asked.get("conversations", ())
    ]
    prompts += [tokenizer(text)["input_ids"] for text in asked.get("texts", ())]
    texts: list[list[int]] = [[] for _ in prompts]
    gaps: list[list[float]] = [[] for _ in prompts]
    logits: list[np.ndarray] = [np.zeros(0)] * len(prompts)
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
                eos_token_id=ends,
                pad_token_id=ends[0],
            )
        found = torch.stack(written.logits, 1)  # [rows, new tokens, vocabulary]
        largest = found.topk(2).values
        between = (largest[..., 0] - largest[..., 1]) / largest.abs().amax(-1)
        for row, number in enumerate(numbers):
            new = written.sequences[row, longest:].tolist()
            texts[number] = new[: next((place for place, it in enumerate(new) if it in ends), len(new))]
            gaps[number] = between[row].tolist()
            logits[number] = found[row, 0].numpy()
    answer = {"prompts": prompts, "texts": texts, "gaps": gaps, "ends": ends, "version": transformers.__version__}
    np.save(f"{sys.argv[2]}.npy", np.stack(logits).astype(np.float32))
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
