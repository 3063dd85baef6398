"""A text classifier behind FastAPI, with transformers on PyTorch, in one process, as their documentation shows it.

Run by benchmarks/serve_vs_peers.py, in an environment of its own: python fastapi_classifier.py FOLDER

FOLDER has the encoder and tokenizer as transformers saves them, and head.json with "kernel" [width, classes], "bias"
[classes], "label_names" and "max_length".
"""

import json
import socket
import sys
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import AutoModel, AutoTokenizer


class Question(BaseModel):
    texts: list[str]


class Classifier(torch.nn.Module):
    """The mean of the token vectors, and a linear layer."""

    def __init__(self, folder):
        super().__init__()
        head = json.loads((folder / "head.json").read_text(encoding="utf-8"))
        self.labels, self.max_length = head["label_names"], head["max_length"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.encoder = AutoModel.from_pretrained(folder, add_pooling_layer=False)
        self.head = torch.nn.Linear(*torch.tensor(head["kernel"]).shape)
        self.head.weight.data = torch.tensor(head["kernel"]).T.contiguous()
        self.head.bias.data = torch.tensor(head["bias"])

    @torch.inference_mode()
    def forward(self, texts):
        options = {"truncation": True, "max_length": self.max_length, "padding": True, "return_tensors": "pt"}
        inputs = self.tokenizer(texts, **options)
        vectors = self.encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        mean = (vectors * mask).sum(1) / mask.sum(1)
        return self.head(mean).softmax(-1).tolist()


def make_app(classifier):
    app = FastAPI()

    # Not `async`: FastAPI runs it in a thread, as its documentation advises for work that does not await.
    @app.post("/predict")
    def predict(question: Question):
        return [describe(row, classifier.labels) for row in classifier(question.texts)]

    return app


def describe(row, labels):
    best = max(range(len(row)), key=row.__getitem__)
    return {"label": labels[best], "probability": row[best], "probabilities": dict(zip(labels, row, strict=True))}


def main(folder):
    classifier = Classifier(folder).eval()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(make_app(classifier), log_level="warning", access_log=False))
        print(f"LISTENING {listening.getsockname()[1]}", flush=True)
        server.run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
