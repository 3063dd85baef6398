"""README.md of an exported version: what the model is, what it learned from, how good it is and how to call it.

All of it follows from the contract, so the card can be renewed when the contract gets its metrics.
"""

from __future__ import annotations

import json
from typing import Any

from sftkeras.exporting.agreement import Agreement
from sftkeras.tasks.predictions import Predictions


def render_model_card(contract: dict[str, Any], predictions: Predictions) -> str:
    """Returns the card as Markdown; the task words what its predictions are."""
    sections = [
        f"# {contract['name']}\n\n{_summary(contract, predictions)}",
        f"## What it predicts\n\n{predictions.meaning(contract['task'])}",
        f"## What it learned from\n\n{_origin(contract)}",
        f"## How good it is\n\n{_agreement(contract)}{_metrics(contract.get('metrics'))}",
        f"## Limits\n\n{_limits(contract, predictions)}",
        f"## How to call it\n\n{_calls(contract)}",
    ]
    return "\n\n".join(sections) + "\n"


def _summary(contract: dict[str, Any], predictions: Predictions) -> str:
    what = "pairs of texts" if contract["pairs"] else "texts"
    return (
        f"A {predictions.title(contract['task'])} model for {what}, fine-tuned with sftkeras "
        f"{contract['versions']['sftkeras']} and exported {contract['created']}. "
        "It takes raw strings: the tokenizer is inside. "
        "`contract.json` beside this file has every signature, operation and hash."
    )


def _origin(contract: dict[str, Any]) -> str:
    origin = contract["origin"]
    lines = [f"- Pretrained weights: `{origin['backbone'] or 'not recorded'}`"]
    if train := origin["data"].get("train"):
        lines.append(f"- Data: `{', '.join(train) if isinstance(train, list) else train}`")
    if origin["rows"]:
        lines.append("- Rows: " + ", ".join(f"{count:,} {part}" for part, count in origin["rows"].items()))
    if origin["data_fingerprint"]:
        lines.append(f"- Data fingerprint: `{origin['data_fingerprint'][:16]}…`")
    return "\n".join(lines)


def _agreement(contract: dict[str, Any]) -> str:
    """The cost of rounded weights, as a paragraph; nothing of an exact export."""
    if not (agreement := contract.get("agreement")):
        return ""
    return (
        f"Its weights are rounded to {contract['precision']}. {Agreement(**agreement).describe()} "
        "(Predictions that are numbers alone count as equal within 5% of their spread.)\n\n"
    )


def _metrics(metrics: dict[str, Any] | None) -> str:
    if not metrics:
        return "Not evaluated yet: `python -m sftkeras.evaluate --model FOLDER --data FILE` does."
    rows = [
        f"| {name.replace('_', ' ')} | {value:.4f} |" for name, value in metrics.items() if isinstance(value, float)
    ]
    return "On the test part, predicted by this very export.\n\n| metric | value |\n|---|---|\n" + "\n".join(rows)


def _limits(contract: dict[str, Any], predictions: Predictions) -> str:
    return (
        f"- {predictions.limit(contract['max_length'])}.\n"
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
