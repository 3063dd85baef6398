"""Every task with a few rows it can be trained on, and what it is asked: what the contract tests run over.

A new task is one more entry of `ENTRIES`. Imports no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tiny_bert import BAD, GOOD, NOUNS
from tiny_conversations import conversations

from sftkeras.tasks import spec_of

Record = dict[str, Any]

ROWS = 48
MANY = 70  # texts in one request: several batches of a server, and of a local process
ODD = (
    "the good film",
    "A DULL plot, é 🎬 lovely   cast!",
    "",
    "这部电影 e\u0301 \u202e<b>bad</b>\u200b",
    "the film " * 30,
)
QUESTIONS = ("which film?", "what is é 🎬?", "who?", "", "which?")
MASKED = ("the [MASK] film", "A [MASK] plot, é 🎬 [MASK]   cast!", "", "这部[MASK] e\u0301", "[MASK] film " * 30)


@dataclass(frozen=True)
class Entry:
    """One task.

    Attributes:
        kind: its `task.kind`.
        rows: of a JSON Lines file.
        wrong: what may be wrong with a row: the fields it has then, and the code of the error.
        settings: further settings, by their dotted names.
        texts: what the model is asked.
        pairs: their second texts, if it takes two.
        weights: the folder of its backbone.
        teacher: an entry before this one, which it learns from beside its labels.
        earlier: an entry before this one, whose run it begins with.
    """

    kind: str
    rows: tuple[Record, ...]
    wrong: Mapping[str, tuple[Record, str]]
    settings: Mapping[str, object] = field(default_factory=dict)
    texts: tuple[str, ...] = ODD
    pairs: tuple[str, ...] | None = None
    weights: str = "bert"
    teacher: str = ""
    earlier: str = ""

    def task_settings(self) -> dict[str, object]:
        """The settings of its task; nothing is dropped, so that a batch may be cut into any parts."""
        dropout = {"task.dropout": 0.0} if "dropout" in spec_of(self.kind).settings.__dataclass_fields__ else {}
        return {"task.kind": self.kind, **dropout, **self.settings}

    def many(self) -> tuple[list[str], list[str] | None]:
        """More texts than a batch holds, and their second texts; answers to some are longer than those to others."""
        return uneven(self.texts), None if self.pairs is None else uneven(self.pairs)


def uneven(texts: tuple[str, ...]) -> list[str]:
    """These texts once, twice and three times over, again and again."""
    return [" ".join([texts[row % len(texts)]] * (1 + row // len(texts) % 3)) for row in range(MANY)]


def written(rows: Iterable[Record]) -> bytes:
    """Rows as JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def words_of(number: int) -> tuple[str, str, str]:
    """An adjective, a noun and another noun, different in each of 64 rows."""
    return (GOOD + BAD)[number % 8], NOUNS[number // 8 % 8], NOUNS[number * 3 % 8]


def sentence(number: int) -> str:
    """A sentence of the row's words, in part with what is not ASCII."""
    adjective, noun, other = words_of(number)
    return f"the {adjective} {noun} a {other}" + ("", " é", " 🎬 电影")[number % 3]


def opinion(number: int) -> str:
    """Whether the row's adjective is a good one."""
    return "positive" if number % 8 < len(GOOD) else "negative"


def thing(number: int) -> list[Any]:
    """Where the row's adjective and noun are in its sentence."""
    adjective, noun, _ = words_of(number)
    return [4, 5 + len(adjective) + len(noun), "THING"]


def answer(number: int) -> Record:
    """Where the row's adjective is in its sentence, as SQuAD has it; every sixth row has no answer."""
    return {"text": [words_of(number)[0]], "answer_start": [4]} if number % 6 else {"text": [], "answer_start": []}


NO_TEXT: dict[str, tuple[Record, str]] = {
    "no text": ({"text": " "}, "SFT216"),
    "a list for a text": ({"text": ["good"]}, "SFT219"),
}
# Of tasks that another entry trains whole, in the same way.
LORA: dict[str, object] = {"tuning.method": "lora", "tuning.rank": 2, "tuning.base": "int8"}
DORA = {**LORA, "tuning.method": "dora", "tuning.base": "int4"}
ADAPTERS: dict[str, object] = {"tuning.method": "adapters", "tuning.bottleneck": 4}
WRITING: dict[str, object] = {"backbone.max_length": 64, "task.generated_rows": 2, "task.max_new_tokens": 4}
PROMPT: dict[str, object] = {"tuning.method": "prompt", "tuning.virtual_tokens": 3}
PREFIX = {**PROMPT, "tuning.method": "prefix", "tuning.init_text": "the good film"}
NO_LABEL: dict[str, tuple[Record, str]] = {"no label": ({"label": None}, "SFT217")}


ENTRIES = {
    "classification": Entry(
        "classification",
        tuple({"text": sentence(row), "label": opinion(row)} for row in range(ROWS)),
        {**NO_TEXT, **NO_LABEL, "two labels for one": ({"label": ["positive", "negative"]}, "SFT219")},
    ),
    "multi-label": Entry(
        "classification",
        tuple({"text": sentence(row), "label": [opinion(row), "odd"][row % 5 % 3 :]} for row in range(ROWS)),
        {**NO_TEXT, "an object for a label": ({"label": {"positive": "yes"}}, "SFT244")},
        {"task.multi_label": "true", **DORA},
    ),
    "regression": Entry(
        "regression",
        tuple({"text": sentence(row), "label": 1000.0 + 10 * (row % 8)} for row in range(ROWS)),
        {**NO_TEXT, **NO_LABEL, "words for a number": ({"label": "three"}, "SFT218")},
        ADAPTERS,
    ),
    "tagging": Entry(
        "tagging",
        tuple({"text": sentence(row), "label": [thing(row)]} for row in range(ROWS)),
        {
            "no text": ({"text": " ", "label": []}, "SFT216"),
            "words whose tag is a place": ({"text": ["good"]}, "SFT252"),
            "a word that is none": ({"text": [None], "label": ["THING"]}, "SFT252"),
            "an entity beyond the text": ({"label": [[4, 5000, "THING"]]}, "SFT253"),
            "entities that overlap": ({"label": [[0, 7, "THING"], [4, 9, "THING"]]}, "SFT254"),
            "an entity without a label": ({"label": [[0, 3]]}, "SFT252"),
        },
        PROMPT,
    ),
    "span-qa": Entry(
        "span_qa",
        tuple({"question": "which?", "context": sentence(row), "answers": answer(row)} for row in range(ROWS)),
        {
            "no context": ({"context": " ", "answers": {"text": [], "answer_start": []}}, "SFT216"),
            "words for answers": ({"answers": "good"}, "SFT280"),
            "an answer that is not there": ({"answers": {"text": ["none"], "answer_start": [4]}}, "SFT281"),
        },
        PREFIX,
        texts=QUESTIONS,
        pairs=ODD,
    ),
    "similarity": Entry(
        "similarity",
        tuple({"text": sentence(row), "pair": f"{words_of(row)[1]} {row}"} for row in range(ROWS)),
        {**NO_TEXT, "no second text": ({"pair": ""}, "SFT216")},
        {"data.pair": "pair"},
    ),
    "similarity-scores": Entry(
        "similarity",
        tuple({"text": sentence(row), "pair": sentence(row + 1), "label": row % 5 / 4} for row in range(ROWS)),
        {**NO_TEXT, **NO_LABEL, "words for a number": ({"label": "alike"}, "SFT218")},
        {"data.pair": "pair", "task.loss": "cosine", "tuning.method": "bitfit"},
        teacher="similarity",
    ),
    "masked-lm": Entry("masked_lm", tuple({"text": sentence(row)} for row in range(ROWS)), NO_TEXT, texts=MASKED),
    "chat": Entry(
        "chat",
        tuple(conversations(ROWS)),
        {
            "no messages": ({"messages": []}, "SFT272"),
            "nobody's message": ({"messages": [{"role": "film", "content": "good"}]}, "SFT263"),
            "no answer": ({"messages": [{"role": "user", "content": "good?"}]}, "SFT272"),
        },
        {**WRITING, **ADAPTERS},
        weights="decoder",
    ),
    "causal-lm": Entry(
        "causal_lm", tuple({"text": sentence(row)} for row in range(ROWS)), NO_TEXT, PROMPT, weights="decoder"
    ),
}

# The task and the architecture of docs/extending.md, in a package where the guide was followed.
OF_THE_GUIDE = {
    "ordinal": Entry(
        "ordinal",
        tuple({"text": sentence(row), "label": (1 + row % 8 // 2) * "★" + "☆"} for row in range(ROWS)),
        {},
        weights="ernie",
    ),
}

# Methods of tuning, a teacher of tokens, and runs that begin with another one, of tasks that are trained whole above;
# only trained, since what follows is the same.
TUNED = {
    "adalora": replace(
        ENTRIES["classification"],
        settings={"tuning.method": "adalora", "tuning.rank": 1, "tuning.initial_rank": 3, "tuning.alpha": 16},
    ),
    "causal-lm-lora": replace(ENTRIES["causal-lm"], settings=LORA),
    "chat-prefix": replace(ENTRIES["chat"], settings={**WRITING, **PREFIX, "backbone.max_length": 48}),
    "causal-lm-head": replace(ENTRIES["causal-lm"], settings={"tuning.method": "head"}, weights="untied"),
    "causal-lm-taught": replace(
        ENTRIES["causal-lm"],
        settings={"training.packing": "true", "distillation.top_k": 4},
        weights="untied",
        teacher="causal-lm",
    ),
    "more-classes": replace(
        ENTRIES["classification"],
        rows=tuple({"text": f"odd {sentence(row)}", "label": ["odd", opinion(row)][row % 2]} for row in range(ROWS)),
        settings={"continual.replay": 0.3, "continual.ewc": 100, "continual.fisher_rows": 6},
        earlier="classification",
        teacher="classification",
    ),
    "more-tags": replace(
        ENTRIES["tagging"],
        rows=tuple({"text": sentence(row), "label": [[*thing(row)[:2], "ODD"]]} for row in range(ROWS)),
        settings={"continual.replay": 0.3, "continual.ewc": 100, "continual.fisher_rows": 6},
        earlier="tagging",
        teacher="tagging",
    ),
}
