"""README.md of an exported version: what the model is, what it learned from, how good it is and how to ask it.

All of it follows from the contract, so the card can be renewed when the contract gets its metrics.
"""

from __future__ import annotations

import json
from typing import Any


def render_model_card(contract: dict[str, Any]) -> str:
    """Gives the card as Markdown."""
    sections = [
        f"# {contract['name']}\n\n{_summary(contract)}",
        f"## What it answers\n\n{_answers(contract)}",
        f"## What it learned from\n\n{_origin(contract)}",
        f"## How good it is\n\n{_metrics(contract.get('metrics'))}",
        f"## Limits\n\n{_limits(contract)}",
        f"## How to ask it\n\n{_calls(contract)}",
    ]
    return "\n\n".join(sections) + "\n"


def _summary(contract: dict[str, Any]) -> str:
    what = "pairs of texts" if contract["pairs"] else "texts"
    return (
        f"A {_kind(contract['task'])} model for {what}, fine-tuned with sftkeras {contract['versions']['sftkeras']} "
        f"and exported {contract['created']}. It takes raw strings: the tokenizer is inside. "
        "`contract.json` beside this file has every signature, operation and hash."
    )


def _kind(task: dict[str, Any]) -> str:
    return f"multi-label {task['kind']}" if task.get("multi_label") else task["kind"]


def _answers(contract: dict[str, Any]) -> str:
    task = contract["task"]
    if task["kind"] == "similarity":
        return (
            "A `vector` of length one for each text. The cosine of two, the sum of the products of their numbers, is "
            "the higher the more the texts belong together."
        )
    if task["kind"] == "span_qa":
        return (
            "The part of a context (`pair`) that answers a question (`text`): `answer`, and its place `start` and "
            "`end`, which count characters (code points) of the context as it was sent, the end exclusive. `score` is "
            "its probability, and `no_answer` the probability that the context has none. "
            + _no_answer(task["no_answer_threshold"])
        )
    if task["kind"] == "masked_lm":
        return (
            f"What may stand where a text has `{task['mask'][0]}`: `token` and `probability` have the five likeliest "
            "for each mask, in order. In a text without any, one word in seven is hidden: `hidden` says which tokens, "
            "`loss` their negative log-probability, whose mean says how well the model knows such texts."
        )
    if "label_names" not in task:
        return "One number a text, in the unit of the training data."
    labels = ", ".join(f"`{name}`" for name in task["label_names"])
    if task["kind"] == "tagging":
        return (
            f"The entities in a text, each with one of the labels {labels}: `start` and `end` count characters (code "
            "points) of the text as it was sent, the end exclusive. `score` is the probability that a word is of such "
            'an entity, averaged over its words. Rows with fewer entities than others are filled up: `label` "", '
            "`start` -1."
        )
    if task.get("multi_label"):
        return f"None, one or several of the labels {labels}: those whose probability reaches {task['threshold']:g}."
    return f"One of the labels {labels}, with the probability of each."


def _no_answer(threshold: float | None) -> str:
    if threshold is None or threshold == 1:
        return "It always answers."
    return f'Where that is above {threshold:.3g}, `answer` is "" and `start` is -1.'


def _origin(contract: dict[str, Any]) -> str:
    origin = contract["origin"]
    lines = [f"- Pretrained encoder: `{origin['backbone'] or 'not recorded'}`"]
    if train := origin["data"].get("train"):
        lines.append(f"- Data: `{', '.join(train) if isinstance(train, list) else train}`")
    if origin["rows"]:
        lines.append("- Rows: " + ", ".join(f"{count:,} {part}" for part, count in origin["rows"].items()))
    if origin["data_fingerprint"]:
        lines.append(f"- Data fingerprint: `{origin['data_fingerprint'][:16]}…`")
    return "\n".join(lines)


def _metrics(metrics: dict[str, Any] | None) -> str:
    if not metrics:
        return "Not evaluated yet: `python -m sftkeras.evaluate --model FOLDER --data FILE` does."
    rows = [
        f"| {name.replace('_', ' ')} | {value:.4f} |" for name, value in metrics.items() if isinstance(value, float)
    ]
    return "On the test part, answered by this very export.\n\n| metric | value |\n|---|---|\n" + "\n".join(rows)


def _limits(contract: dict[str, Any]) -> str:
    length = contract["max_length"]
    cut = f"Texts are cut to {length} tokens, special tokens included" if length else "The encoder reads whole texts"
    if contract["task"]["kind"] == "masked_lm":
        cut = f"Texts of more than {length} tokens are read in parts"
    if contract["task"]["kind"] in ("tagging", "span_qa"):
        cut = f"Texts of more than {length} tokens are read in windows that overlap"
    return (
        f"- {cut}.\n"
        "- It knows texts like those it learned from; on other topics or languages its probabilities mean little.\n"
        "- It repeats what its data says, prejudice included. Evaluate it on your own texts before it decides anything."
    )


def _calls(contract: dict[str, Any]) -> str:
    name, inputs = contract["name"], contract["sample"]["request"]["inputs"]
    body = json.dumps(contract["sample"]["request"], ensure_ascii=False).replace("'", "'\\''")
    response = json.dumps(contract["sample"]["response"], indent=2, ensure_ascii=False)
    words = " ".join(json.dumps(inputs[key][0], ensure_ascii=False) for key in ("text", "pair") if key in inputs)
    arguments = ", ".join(f"{key}=tf.constant({json.dumps(texts)})" for key, texts in inputs.items())
    protos = "\n".join(
        f'request.inputs["{key}"].CopyFrom(tf.make_tensor_proto({json.dumps(texts)}))' for key, texts in inputs.items()
    )
    return f"""Here, without a server:

```sh
python -m sftkeras.predict --model saved_models/{name} {words}
```

From Python, with TensorFlow and tensorflow-text only:

```python
import tensorflow as tf, tensorflow_text
model = tf.saved_model.load("saved_models/{name}/1")  # or another version
model.signatures["serving_default"]({arguments})
```

From a server{_servers(contract)} (`tensorflow_model_server --model_name={name}
--model_base_path=$PWD/saved_models/{name} --rest_api_port=8501 --port=8500`), over HTTP:

```sh
curl http://localhost:8501/v1/models/{name}:predict -d '{body}'
```

```json
{response}
```

over gRPC:

```python
import grpc, tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
server = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel("localhost:8500"))
request = predict_pb2.PredictRequest()
request.model_spec.name = "{name}"
{protos}
print(server.Predict(request, timeout=10))
```"""


def _servers(contract: dict[str, Any]) -> str:
    oldest = contract.get("minimum_server")
    return f", TensorFlow Serving {oldest} or newer" if oldest else ""
