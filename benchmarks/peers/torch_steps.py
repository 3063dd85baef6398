"""Training steps of PyTorch with transformers, as a plain loop, turn by turn.

Run by steps_vs_peers.py in an environment of its own: python torch_steps.py RECIPE.json PRECISION [compile]

PRECISION is float32, or bfloat16 for autocast. When all batches have been trained on, a line on standard output
says so: {"logits": of the first batch, before any training and without dropout, "seconds": from the imports until now}.
Each line of standard input, {"steps": numbers of batches}, is answered by a list of the seconds of each step: forward,
backward, clipping at the global norm, AdamW.
"""

import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel


class Classifier(torch.nn.Module):
    """The mean of the token vectors, and a linear layer."""

    def __init__(self, recipe, kernel, bias):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(recipe["model"], add_pooling_layer=False)
        self.dropout = torch.nn.Dropout(recipe["head_dropout"])
        self.head = torch.nn.Linear(*kernel.shape)
        self.head.weight.data = kernel.T.contiguous()
        self.head.bias.data = bias

    def forward(self, ids, mask):
        vectors = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        return self.head(self.dropout((vectors * weights).sum(1) / weights.sum(1)))


def main(recipe, precision, compiled):
    began = time.perf_counter()
    data = {name: torch.from_numpy(array) for name, array in np.load(recipe["batches"]).items()}
    batches = [
        (data[f"ids_{number}"].long(), data[f"mask_{number}"].long(), data[f"labels_{number}"].long())
        for number in range(recipe["batch_count"])
    ]
    model = Classifier(recipe, data["kernel"], data["bias"]).eval()
    precise = torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()
    with torch.inference_mode(), precise:
        logits = model(*batches[0][:2]).float().tolist()
    step = make_step(model.train(), recipe, precise, compiled)
    for batch in batches * 2:  # torch.compile compiles again when it first sees that lengths differ
        step(*batch)
    print(json.dumps({"logits": logits, "seconds": time.perf_counter() - began}), flush=True)
    for line in sys.stdin:
        print(json.dumps([timed(step, batches[number]) for number in json.loads(line)["steps"]]), flush=True)


def make_step(model, recipe, precise, compiled):
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    exempt = [weight for weight in model.parameters() if weight.ndim == 1]  # biases and layer norms
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe["weight_decay"]}, {"params": exempt, "weight_decay": 0.0}],
        lr=recipe["learning_rate"],
        betas=(recipe["beta_1"], recipe["beta_2"]),
        eps=recipe["epsilon"],
        fused=True,
    )
    forward = torch.compile(model) if compiled else model

    def step(ids, mask, labels):
        with precise:
            loss = torch.nn.functional.cross_entropy(forward(ids, mask), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["clip_norm"])
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def timed(step, batch):
    began = time.perf_counter()
    step(*batch)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2], "compile" in sys.argv[3:])
