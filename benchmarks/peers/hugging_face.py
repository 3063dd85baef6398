"""Hugging Face `Trainer` on PyTorch as its documentation shows it, batches grouped by length, padded to the longest.

Run by train_vs_peers.py and tasks_vs_peers.py in an environment of its own: python hugging_face.py RECIPE.json
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


class StepClock(TrainerCallback):
    """Notes when each step ended, in seconds since 1970."""

    def __init__(self):
        self.ends = []

    def on_step_end(self, args, state, control, **kwargs):
        self.ends.append(time.time())


def main(recipe):
    tokenizer = AutoTokenizer.from_pretrained(recipe["model"])

    def tokenise(rows):
        return tokenizer(rows["text"], truncation=True, max_length=recipe["max_length"], return_length=True)

    data = load_dataset("json", data_files=recipe["files"])
    data = data.map(tokenise, batched=True, remove_columns=["text", "label"]).rename_column("class", "labels")
    model = AutoModelForSequenceClassification.from_pretrained(recipe["model"], num_labels=len(recipe["labels"]))
    clock = StepClock()
    trainer = Trainer(
        model,
        training_arguments(recipe),
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        processing_class=tokenizer,
        compute_metrics=accuracy,
        callbacks=[clock],
    )
    trainer.train()
    trainer.save_model()
    print("TRAINED", flush=True)
    evaluated = trainer.predict(data["test"])
    answer = {
        "accuracy": evaluated.metrics["test_accuracy"],
        "step_ends": clock.ends,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    print("RESULT " + json.dumps(answer), flush=True)


def training_arguments(recipe, **others):
    """The settings of a recipe; what it does not say is as Hugging Face has it, or among `others`."""
    return TrainingArguments(
        output_dir=recipe["output"],
        num_train_epochs=recipe["epochs"],
        per_device_train_batch_size=recipe["batch_size"],
        per_device_eval_batch_size=recipe["evaluation_batch_size"],
        train_sampling_strategy="group_by_length",
        learning_rate=recipe["learning_rate"],
        lr_scheduler_type="linear",
        warmup_steps=recipe["warmup"],  # below 1 it is a share of all steps
        weight_decay=recipe["weight_decay"],
        max_grad_norm=recipe["clip_norm"],
        adam_beta1=recipe["beta_1"],
        adam_beta2=recipe["beta_2"],
        adam_epsilon=recipe["epsilon"],
        eval_strategy="epoch",
        report_to="none",
        use_cpu=True,
        seed=recipe["seed"],
        **{"save_strategy": "no", **others},
    )


def accuracy(evaluated):
    return {"accuracy": float(np.mean(evaluated.predictions.argmax(-1) == evaluated.label_ids))}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
