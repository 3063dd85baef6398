"""The gate that users ask for: an export that generates reads and writes as transformers does with the same weights.

transformers and PyTorch are no requirements of this package: they run under a Python that the user names.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.console import say
from sftkeras.conversations import Conversation, Message, Role
from sftkeras.errors import SFTError
from sftkeras.exporting.prediction_process import PredictionProcess

if TYPE_CHECKING:
    from sftkeras.tasks.generating import Generating

Ask = Callable[[dict[str, Any]], tuple[dict[str, Any], np.ndarray]]

WORKER = Path(__file__).with_name("transformers_worker.py")
TOLERANCE = 1e-4  # of logits, relative to the largest: float32 by other kernels differs by less

_PROMPTS = 16  # those of as many that fit
_MOST_PROMPT = 512  # tokens
_NEW_TOKENS = 64
_TOGETHER = 8  # prompts of like lengths in a batch
_NO_TOKEN = -1  # fills rows of token numbers
_PACKAGES = ("torch", "transformers")
_LOOK = "import importlib.util as u, json; print(json.dumps([n for n in {names} if not u.find_spec(n)]))"
_SENTENCES = (
    "How long does a building permit take?",
    "What is the capital of Sweden?",
    "Write a haiku about rain.",
    "My parcel is late, what can I do?",
    "Explain gravity to a child.",
    "Vad kostar en ny altan på 20 m²?",
    "List three fruits.",
    "Is 17 a prime number?",
    "Can you build a garage for 2 cars (6 x 7 m)?",
    "Translate 'good morning' to French: «…».",
    "Thanks! 👍",
    "为什么天空是蓝色的？",
    "Why is the sky blue?\n\nAnswer in one sentence.",
)


@dataclass(frozen=True)
class Peer:
    """A Python that has transformers and PyTorch.

    Attributes:
        python: its program.
        flag: the setting that names it, for messages.
    """

    python: str
    flag: str

    @classmethod
    def of_setting(cls, python: str | None, flag: str, *, generates: bool) -> Peer | None:
        """Find the Python of a setting, in a tenth of a second; None where none is named.

        Args:
            python: its path, or the name of a program that is found as the shell finds one.
            flag: the setting.
            generates: whether the model writes texts; of no other is anything compared.

        Raises:
            SFTError: SFT102 if the model writes none, SFT518 if there is no such program, or it lacks a package.
        """
        if python is None:
            return None
        if not generates:
            raise SFTError("SFT102", flag=flag, problem="only models of chat and causal_lm are compared. Leave it out.")
        found = shutil.which(Path(python).expanduser())
        if found is None:
            raise SFTError("SFT518", flag=flag, python=python, problem="there is no such program")
        looked = subprocess.run(
            [found, "-c", _LOOK.format(names=_PACKAGES)], capture_output=True, text=True, check=False
        )
        missing = json.loads(looked.stdout) if looked.returncode == 0 else None
        if missing is None:
            raise SFTError("SFT518", flag=flag, python=python, problem=f"it fails: {_last_line(looked.stderr)}")
        if missing:
            raise SFTError("SFT518", flag=flag, python=python, problem=f"it has no {' and no '.join(missing)}")
        return cls(found, flag)

    def ask(self, asked: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """Give what `transformers_worker` answers, and its logits.

        Raises:
            SFTError: SFT518 if it fails.
        """
        with tempfile.TemporaryDirectory() as work:
            given, answer = Path(work) / "asked.json", Path(work) / "answer.json"
            given.write_text(json.dumps(asked), encoding="utf-8")
            ran = subprocess.run([self.python, WORKER, given, answer], capture_output=True, text=True, check=False)
            if ran.returncode:
                problem = f"it fails: {_last_line(ran.stderr)}"
                raise SFTError("SFT518", flag=self.flag, python=self.python, problem=problem)
            return json.loads(answer.read_text(encoding="utf-8")), np.load(f"{answer}.npy")


def comparison(peer: Peer, folder: Path) -> Callable[[Generating, PredictionProcess], None]:
    """Return the proof that `export` makes before it publishes.

    Args:
        peer: runs transformers.
        folder: the trained decoder, as a Hugging Face folder.
    """
    return lambda generating, process: compare(generating, process, peer.ask, folder)


def compare(generating: Generating, process: PredictionProcess, ask: Ask, folder: Path) -> None:
    """Compare the export that `process` has loaded with transformers, and say what was compared.

    The same are the tokens of rendered conversations, or of texts for a model without a chat template; within
    `TOLERANCE`, relative to the largest, the logits after them; and 64 greedy tokens, up to a tie.

    Args:
        generating: what was exported.
        process: has loaded the export.
        ask: gives what `transformers_worker` answers, and its logits.
        folder: the trained decoder, as a Hugging Face folder.

    Raises:
        SFTError: SFT518 if transformers fails, SFT519 if something differs.
    """
    asked, marked = _prompts(generating)
    new_tokens = min(_NEW_TOKENS, generating.facts["positions"] // 4)
    found = process.run("tokenize", {"text": marked})["token_ids"]
    prompts = [row[row != _NO_TOKEN].tolist() for row in found]
    most = min(_MOST_PROMPT, generating.facts["positions"] - new_tokens)
    fitting = [number for number, prompt in enumerate(prompts) if len(prompt) <= most][:_PROMPTS]
    prompts, marked = [prompts[number] for number in fitting], [marked[number] for number in fitting]
    given: dict[str, Any] = {name: [values[number] for number in fitting] for name, values in asked.items()}
    chat = generating.facts["chat"]
    given |= {"template": chat and chat["template"], "folder": str(folder), "ends": generating.facts["end_ids"]}
    theirs, logits = ask(given | {"new_tokens": new_tokens, "together": _TOGETHER})
    _check_tokens(prompts, theirs)
    largest = _check_logits(marked, logits, theirs, process)
    options = {"max_new_tokens": [new_tokens] * len(fitting)}
    written = process.run("generate_tokens", {"token_ids": found[fitting], **options})["token_ids"]
    ties = _check_texts([row[row != _NO_TOKEN].tolist() for row in written], theirs)
    texts = f"{len(fitting)} greedy texts{f', {ties} of them up to a tie' if ties else ''}"
    say(
        f"transformers {theirs['version']} reads and writes the same: the tokens of {len(fitting)} prompts, the logits "
        f"after them to {largest:.1e}, and {texts}."
    )


def _prompts(generating: Generating) -> tuple[dict[str, list[Any]], list[str]]:
    """The prompts that transformers is given, and the same as marked text."""
    alone = (Conversation((Message("user", sentence),)) for sentence in _SENTENCES)
    talks = [*conversations(2 * _PROMPTS, systems=False), *alone]
    chat = generating.facts["chat"]
    if not chat:
        texts = [" ".join(it.content for it in talk.messages) for talk in talks]
        return {"texts": texts}, [generating.asked(text) for text in texts]
    if chat["system"]:
        talks = [talk.with_system(chat["system"]) for talk in talks]
    # As a row of the data it has an answer, before which its prompt ends.
    rows = [Conversation((*talk.messages, Message("assistant", ""))).to_json() for talk in talks]
    given = [[message.values() for message in talk.messages] for talk in talks]
    return {"conversations": given}, [generating.marked(row) for row in rows]


def conversations(count: int, *, systems: bool) -> list[Conversation]:
    """Return conversations of one to seven messages and of unlike lengths, always the same.

    Args:
        count: how many.
        systems: whether a third of them begins with a system message, which not every template takes.
    """
    drawn = random.Random(3)

    def said(role: Role, most: int) -> Message:
        return Message(role, " ".join(drawn.choices(_SENTENCES, k=drawn.randrange(1, most + 1))))

    talks = []
    for number in range(count):
        messages = [said("system", 2)] if systems and number % 3 == 0 else []
        for _ in range(number % 4):
            messages += [said("user", 2), said("assistant", 3)]
        talks.append(Conversation((*messages, said("user", 6))))
    return talks


def place_of_difference(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """Return the first place where two texts have other tokens, or one has ended; None if they are the same."""
    place = next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    return min(len(ours), len(theirs)) if place is None and len(ours) != len(theirs) else place


def _check_tokens(prompts: Sequence[list[int]], theirs: dict[str, Any]) -> None:
    for number, (ours, expected) in enumerate(zip(prompts, theirs["prompts"], strict=True)):
        place = place_of_difference(ours, expected)
        if place is not None:
            tokens = f"tokens {ours[place : place + 5]}, not {expected[place : place + 5]}"
            raise _difference(theirs, f"prompt {number} has from place {place} on the {tokens}")


def _check_logits(
    marked: Sequence[str], logits: np.ndarray, theirs: dict[str, Any], process: PredictionProcess
) -> float:
    """The largest difference, relative to the largest logit of a prompt."""
    largest = 0.0
    for number, text in enumerate(marked):
        length = np.int32(len(theirs["prompts"][number]))
        ours = process.run("prefill", {"text": [text], "cache_length": length}, ["logits"])["logits"][0]
        expected = logits[number, : len(ours)]  # some models have rows for no token behind their vocabulary
        difference = float(np.abs(ours - expected).max() / max(1.0, float(np.abs(expected).max())))
        if not difference <= TOLERANCE:  # nor where it is no number
            raise _difference(theirs, f"the logits after prompt {number} differ by {difference:.1e} of the largest")
        largest = max(largest, difference)
    return largest


def _check_texts(texts: Sequence[list[int]], theirs: dict[str, Any]) -> int:
    """The number of texts that differ, where two tokens are as probable."""
    ties = 0
    for number, (ours, expected) in enumerate(zip(texts, theirs["texts"], strict=True)):
        place = place_of_difference(ours, expected)
        if place is None:
            continue
        if theirs["gaps"][number][place] >= TOLERANCE:
            wrote = f"tokens {ours[place : place + 5]}, not {expected[place : place + 5]}"
            raise _difference(theirs, f"after prompt {number} it writes from place {place} on the {wrote}")
        ties += 1
    return ties


def _difference(theirs: dict[str, Any], what: str) -> SFTError:
    return SFTError("SFT519", version=theirs["version"], what=what)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it says nothing"])[-1]
