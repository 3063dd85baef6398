"""Greedy tokens of an exported chat model beside those of transformers, and of llama.cpp, after the same conversations.

    python -m sftkeras.publish --run runs/chat --format hugging_face --output published/chat
    python benchmarks/generation_parity.py --model saved_models/chat --folder published/chat \\
        --peer_python .venv-bench/bin/python                                       # 200 conversations, minutes
    … --gguf published/chat-gguf/chat-gguf.gguf --llama_python .venv-llama/bin/python   # llama.cpp too, by xllamacpp

The export, the folder and the GGUF file are of one run, of a model with positions for some 400 tokens or more. Each
side renders and tokenises the conversations itself, but for llama.cpp, which is given the tokens. Two texts are the
same up to a tie: a token where the two largest logits of transformers are within 1e-4 of each other, relative to the
largest. Ends with exit code 1 if any differs otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from processes import HERE, environment

from sftkeras.conversations import Conversation
from sftkeras.exporting.contract import read_contract
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.transformers_parity import TOLERANCE, WORKER, conversations, place_of_difference
from sftkeras.exporting.versions import find_version
from sftkeras.generation.writing import NO_TOKEN
from sftkeras.tasks.chat.rendering import Rendering

_TOGETHER = 8  # prompts of like lengths in a batch


@dataclass(frozen=True)
class Written:
    """Prompts and greedy texts of one side, as token numbers, without the token that ended a text."""

    prompts: list[list[int]]
    texts: list[list[int]]


@dataclass
class Compared:
    """How many texts are the same, up to a tie, and not at all; `different` has the places of these."""

    same: int = 0
    ties: int = 0
    different: list[str] | None = None

    def add(self, number: int, ours: Sequence[int], theirs: Sequence[int], gaps: Sequence[float]) -> None:
        """Compares two texts; `gaps` are those between the two largest logits before each token of `theirs`."""
        place = place_of_difference(ours, theirs)
        if place is None:
            self.same += 1
        elif gaps[place] < TOLERANCE:
            self.ties += 1
        else:
            self.different = [*(self.different or ()), f"conversation {number}, token {place}"]


def main() -> int:
    """Lets each side write, prints the comparisons, and returns the exit code."""
    settings = arguments()
    version = find_version(settings.model)
    talks = conversations(settings.conversations, systems=True)
    with tempfile.TemporaryDirectory() as work:
        ours = write_ours(version, talks, settings.new_tokens)
        messages = [[{"role": it.role, "content": it.content} for it in talk.messages] for talk in talks]
        asked = {"folder": str(settings.folder), "conversations": messages, "new_tokens": settings.new_tokens}
        asked["together"] = _TOGETHER
        theirs = ask(settings.peer_python, WORKER, asked, Path(work))
        if wrong := [number for number, prompt in enumerate(ours.prompts) if prompt != theirs["prompts"][number]]:
            print(f"{len(wrong)} prompts have other tokens than in transformers, the first one {wrong[0]}")
            return 1
        failed = show("transformers", compare(ours.texts, theirs["texts"], theirs["gaps"]))
        if settings.gguf:
            asked = {"file": str(settings.gguf), "prompts": ours.prompts, "new_tokens": settings.new_tokens}
            asked["ends"] = theirs["ends"]
            found = ask(settings.llama_python, HERE / "peers" / "llama_cpp_generation.py", asked, Path(work))
            failed |= show("llama.cpp", compare(found["texts"], theirs["texts"], theirs["gaps"]))
    return int(failed)


def write_ours(version: Path, talks: Sequence[Conversation], new_tokens: int) -> Written:
    """Lets the exported version write, in a fresh process, without the run's own system message."""
    template = Rendering.restored(read_contract(version)["task"]).template
    marked = [template.render(talk, generation=True) for talk in talks]
    texts: list[list[int]] = [[] for _ in marked]
    with PredictionProcess(version) as process:
        found = process.run("tokenize", {"text": marked}, ["token_ids"])["token_ids"]
        prompts = [row[row != NO_TOKEN].tolist() for row in found]
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        for first in range(0, len(order), _TOGETHER):
            numbers = order[first : first + _TOGETHER]
            rows = np.full((len(numbers), max(len(prompts[it]) for it in numbers)), NO_TOKEN, np.int32)
            for row, number in zip(rows, numbers, strict=True):
                row[: len(prompts[number])] = prompts[number]
            inputs = {"token_ids": rows, "max_new_tokens": [new_tokens] * len(numbers)}
            written = process.run("generate_tokens", inputs, ["token_ids"])["token_ids"]
            for row, number in zip(written, numbers, strict=True):
                texts[number] = row[row != NO_TOKEN].tolist()
    return Written(prompts, texts)


def ask(python: str, program: Path, asked: dict[str, Any], work: Path) -> dict[str, Any]:
    """Runs a peer's program on a file of JSON, and reads the one that it writes."""
    given, answer = work / "asked.json", work / "answer.json"
    given.write_text(json.dumps(asked), encoding="utf-8")
    subprocess.run([python, program, given, answer], check=True, env=environment())
    return json.loads(answer.read_text(encoding="utf-8"))


def compare(ours: Sequence[list[int]], theirs: Sequence[list[int]], gaps: Sequence[list[float]]) -> Compared:
    """Compares the texts of two sides."""
    compared = Compared()
    for number, (one, other, between) in enumerate(zip(ours, theirs, gaps, strict=True)):
        compared.add(number, one, other, between)
    return compared


def show(name: str, compared: Compared) -> bool:
    """Prints how two sides compare; returns whether any text differs."""
    different = compared.different or []
    print(f"{name}: {compared.same} texts are the same, {compared.ties} up to a tie, {len(different)} differ")
    for place in different[:10]:
        print(f"  {place}")
    return bool(different)


def arguments() -> argparse.Namespace:
    """The settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="exported model, such as saved_models/chat")
    parser.add_argument(
        "--folder", type=Path, required=True, help="what publish --format hugging_face wrote of its run"
    )
    parser.add_argument("--peer_python", default=sys.executable, help="a Python with torch and transformers")
    parser.add_argument("--gguf", type=Path, help="what publish --format gguf wrote of its run, in float32")
    parser.add_argument("--llama_python", default=sys.executable, help="a Python with xllamacpp")
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--new_tokens", type=int, default=64)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
