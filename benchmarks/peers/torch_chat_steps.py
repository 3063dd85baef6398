"""Chat training steps of PyTorch, turn by turn: by TRL's SFTTrainer, or by a plain loop.

Run by chat_vs_peers.py in an environment of its own: python torch_chat_steps.py RECIPE.json PRECISION trl|plain

PRECISION is float32, or bfloat16 for autocast. When the recipe's first steps are done, a line on standard output says
so: {"losses": of these steps, "seconds": from the imports until now, "peak_bytes": of the process}. Each line of
standard input, {"steps": numbers of batches}, is answered by a list of the seconds of each step: forward, backward,
clipping at the global norm, AdamW. TRL's trainer goes through the batches in their order: of each line it takes the
number of steps alone.
"""

import json
import resource
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback

STOCK_STEPS = 10**6  # more than any measurement has


def main(recipe, precision, way):
    began = time.perf_counter()
    data = np.load(recipe["batches"])
    model = AutoModelForCausalLM.from_pretrained(recipe["model"], dtype=torch.float32)
    {"trl": by_trl, "plain": by_plain_loop}[way](model, data, recipe, precision, began)


def say_ready(losses, began):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say({"losses": losses, "seconds": time.perf_counter() - began, "peak_bytes": peak})


def say(what):
    print(json.dumps(what), file=sys.__stdout__, flush=True)


def by_plain_loop(model, data, recipe, precision, began):
    parts = ("ids", "mask", "learned")
    batches = [
        [torch.from_numpy(data[f"{part}_{number}"]).long() for part in parts] for number in range(recipe["batch_count"])
    ]
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    exempt = [weight for weight in model.parameters() if weight.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe["weight_decay"]}, {"params": exempt, "weight_decay": 0.0}],
        lr=recipe["learning_rate"],
        betas=(recipe["beta_1"], recipe["beta_2"]),
        eps=recipe["epsilon"],
        fused=True,
    )
    precise = torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()
    model.train()

    def step(ids, mask, learned):
        labels = torch.where(learned.bool(), ids, -100)
        with precise:
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["clip_norm"])
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    def timed(batch):
        start = time.perf_counter()
        step(*batch)
        return time.perf_counter() - start

    say_ready([step(*batches[number % len(batches)]) for number in range(recipe["first_steps"])], began)
    for line in sys.stdin:
        say([timed(batches[number]) for number in json.loads(line)["steps"]])


class Turns(TrainerCallback):
    """Lets the trainer go on for as many steps as it is asked to, and says how long each took."""

    def __init__(self, first_steps, began):
        self.left, self.began = first_steps, began
        self.losses, self.seconds, self.ready = [], [], False

    def on_step_begin(self, args, state, control, **kwargs):
        if not self.left:
            if self.ready:
                say(self.seconds)
            else:
                self.ready = True
                say_ready(self.losses, self.began)
            line = sys.stdin.readline()
            if not line:
                sys.exit()
            self.left, self.seconds = len(json.loads(line)["steps"]), []
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds.append(time.perf_counter() - self.start)
        self.left -= 1

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in (logs or {}):
            self.losses.append(float(logs["loss"]))


def by_trl(model, data, recipe, precision, began):
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from torch.utils.data import SequentialSampler
    from trl import SFTConfig, SFTTrainer

    sys.stdout = sys.stderr  # what the trainer prints is no answer
    vocabulary = {f"t{number}": number for number in range(model.config.vocab_size)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, "t0")), pad_token="t0", eos_token="t1"
    )
    rows = []
    for number in range(recipe["batch_count"]):
        arrays = (data[f"{part}_{number}"] for part in ("ids", "mask", "learned"))
        for ids, mask, learned in zip(*arrays, strict=True):
            there = mask.astype(bool)
            labels = np.where(learned, ids, -100)
            rows.append({"input_ids": ids[there].tolist(), "labels": labels[there].tolist()})
    turns = Turns(recipe["first_steps"], began)
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            folder,
            per_device_train_batch_size=len(data["ids_0"]),
            max_steps=STOCK_STEPS,
            learning_rate=recipe["learning_rate"],
            lr_scheduler_type="constant",
            weight_decay=recipe["weight_decay"],
            adam_beta1=recipe["beta_1"],
            adam_beta2=recipe["beta_2"],
            adam_epsilon=recipe["epsilon"],
            max_grad_norm=recipe["clip_norm"],
            bf16=precision == "bfloat16",
            use_cpu=True,
            gradient_checkpointing=False,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer, callbacks=[turns]
        )
        trainer._get_train_sampler = lambda *_, **__: SequentialSampler(trainer.train_dataset)
        trainer.train()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), *sys.argv[2:])
