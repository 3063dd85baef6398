"""Hugging Face `Trainer` on PyTorch with a token classifier, as its documentation shows it.

The first token of each word has the word's tag; other tokens have no loss. The epoch with the best F1 of entities is
kept. The tags of the test rows, each word's likeliest, go to tags.jsonl, for the parent to evaluate.

Run by benchmarks/tasks_vs_peers.py, in an environment of its own: python hugging_face_tagging.py RECIPE.json
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from datasets import load_dataset
from hugging_face import StepClock, training_arguments
from tag_spans import entities, entity_f1
from transformers import AutoModelForTokenClassification, AutoTokenizer, DataCollatorForTokenClassification, Trainer

NO_LOSS = -100  # what PyTorch's cross-entropy leaves out


def main(recipe):
    names = recipe["labels"]
    numbers = {name: number for number, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(recipe["model"])

    def tokenise(rows):
        settings = {"truncation": True, "max_length": recipe["max_length"], "return_length": True}
        inputs = tokenizer(rows["tokens"], is_split_into_words=True, **settings)
        inputs["first_of"] = [words_begun(inputs.word_ids(row)) for row in range(len(rows["tokens"]))]
        inputs["labels"] = [
            [NO_LOSS if word < 0 else numbers[tags[word]] for word in words]
            for words, tags in zip(inputs["first_of"], rows["tags"], strict=True)
        ]
        return inputs

    def sentences(tags, labels):
        return [
            entities([names[tag] for tag in row[begins]]) for row, begins in zip(tags, labels != NO_LOSS, strict=True)
        ]

    def metrics(evaluated):
        labels, best = evaluated.label_ids, evaluated.predictions.argmax(-1)
        return {"entity_f1": entity_f1(sentences(labels, labels), sentences(best, labels))}

    data = load_dataset("json", data_files=recipe["files"])
    data = data.map(tokenise, batched=True, remove_columns=["text", "spans", "tags"])
    model = AutoModelForTokenClassification.from_pretrained(
        recipe["model"], num_labels=len(names), id2label=dict(enumerate(names)), label2id=numbers
    )
    clock = StepClock()
    trainer = Trainer(
        model,
        training_arguments(
            recipe,
            save_strategy="epoch",
            save_only_model=True,
            load_best_model_at_end=True,
            metric_for_best_model="entity_f1",
        ),
        data_collator=DataCollatorForTokenClassification(tokenizer),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        processing_class=tokenizer,
        compute_metrics=metrics,
        callbacks=[clock],
    )
    trainer.train()
    trainer.save_model()
    print("TRAINED", flush=True)
    trainer.args.train_sampling_strategy = "random"  # Trainer groups test rows too, and answers in that order
    likeliest = trainer.predict(data["test"]).predictions.argmax(-1)
    tags = (answered(row, best, names) for row, best in zip(data["test"], likeliest, strict=True))
    lines = "".join(json.dumps(each) + "\n" for each in tags)
    (Path(recipe["output"]) / "tags.jsonl").write_text(lines, encoding="utf-8")
    answer = {
        "step_ends": clock.ends,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    print("RESULT " + json.dumps(answer), flush=True)


def answered(row, best, names):
    """The tag of each word of a row; a word without a token is no entity."""
    tags = ["O"] * len(row["tokens"])
    for word, tag in zip(row["first_of"], best, strict=False):
        if word >= 0:
            tags[word] = names[tag]
    return tags


def words_begun(words):
    """For each token the number of the word that it begins, or -1."""
    words = [-1 if word is None else word for word in words]
    return [word if word != before else -1 for word, before in zip(words, [-1, *words], strict=False)]


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
