"""What the export of a random decoder generates, by the engine that serves it: one loaded version for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_generating import build_model

from sftkeras.generation import GenerationLimits, Generator
from sftkeras.serving.engine import Call, Engine
from sftkeras.serving.errors import ServingError
from sftkeras.serving.tensors import to_array
from sftkeras.text.marks import special

Run = Callable[..., dict[str, np.ndarray]]
TEXTS = ["the cat sat", special("<|im_start|>") + "user\nwhat?" + special("<|im_end|>"), "", "a b c d e f g h i j k"]


@pytest.fixture(scope="module")
def run(tiny_generating_version: Path) -> Iterator[Run]:
    """Runs a signature; inputs that are left out have their defaults."""
    engine = Engine(tiny_generating_version)

    def run(name: str, **inputs: object) -> dict[str, np.ndarray]:
        signature = engine.signatures[name]
        arrays = []
        for key in sorted(signature.inputs):
            array = np.array(inputs[key]) if key in inputs else to_array(key, signature.defaults[key])
            arrays.append(np.char.encode(array, "utf-8").astype(object) if array.dtype.kind == "U" else array)
        feeds = tuple(info.name for _, info in sorted(signature.inputs.items()))
        fetches = tuple(info.name for _, info in sorted(signature.outputs.items()))
        return dict(zip(sorted(signature.outputs), engine.run(Call(feeds, fetches), arrays), strict=True))

    yield run
    engine.close()


def int32(*values: object) -> np.ndarray:
    return np.array(values, np.int32)


def tokens_of(run: Run, texts: list[str]) -> list[np.ndarray]:
    return [row[row >= 0] for row in run("tokenize", text=texts)["token_ids"]]


def float32(*values: object) -> np.ndarray:
    return np.array(values, np.float32)


def test_greedy_texts_are_those_of_the_model_in_memory(run, tiny_decoder_folder):
    model = build_model(tiny_decoder_folder)
    tokens = tokens_of(run, TEXTS)
    limits = GenerationLimits(tuple(model.features.tokenizer.end_ids), 12, 64)
    expected = Generator(model.backbone.model, limits, vocabulary=model.features.tokenizer.size)(tokens)
    found = run("generate", text=TEXTS, max_new_tokens=int32(12))
    assert [row[row >= 0].tolist() for row in found["token_ids"]] == [row.tolist() for row in expected.token_ids]
    assert found["ended"].tolist() == expected.ended.tolist()
    assert found["prompt_tokens"].tolist() == [len(row) for row in tokens]


def test_caches_that_do_not_fit_are_refused(run):
    """What is written into an empty one would end the process."""
    first = run("prefill", text=["x"], cache_length=int32(4)[0])
    one = {"token_ids": int32(1), "positions": int32(4), "cache": first["cache"]}
    with pytest.raises(ServingError, match="too few places"):
        run("step", **one)
    with pytest.raises(ServingError, match="too few places"):
        run("extend", **one | {"token_ids": int32([1, -1])})
    with pytest.raises(ServingError, match="not as many rows"):
        run("step", **one | {"positions": int32(0), "cache": first["cache"][:, :, :0]})
    with pytest.raises(ServingError, match="too few places"):
        run("step", **one | {"positions": int32(0), "cache": first["cache"][..., :0, :]})
    with pytest.raises(ServingError, match="more than the model reads"):
        run("prefill", text=["x"], cache_length=np.int32(2**31 - 1))


def test_steps_and_parts_of_a_prompt_give_what_the_loop_gives(run):
    expected = run("generate", text=TEXTS, max_new_tokens=int32(5))["token_ids"]
    tokens = tokens_of(run, TEXTS)
    first = run("prefill", text=["x"] * len(TEXTS), cache_length=int32(40)[0])
    cache, logits = first["cache"].copy(), None
    read = np.zeros(len(TEXTS), np.int32)
    for part in (1, 50):  # the first token of each alone, then the others
        rows = [row[at : at + part] if len(row) > at else row[-1:] for row, at in zip(tokens, read, strict=True)]
        at = np.array([min(at, len(row) - 1) for row, at in zip(tokens, read, strict=True)], np.int32)
        padded = np.full((len(rows), max(map(len, rows))), -1, np.int32)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row
        found = run("extend", token_ids=padded, positions=at, cache=cache)
        logits, cache, read = found["logits"], found["cache"].copy(), at + [len(row) for row in rows]
    written = []
    for number in range(5):
        written.append(logits.argmax(1).astype(np.int32))
        found = run("step", token_ids=written[-1], positions=(read + number).astype(np.int32), cache=cache)
        logits, cache = found["logits"], found["cache"].copy()
    assert np.stack(written, 1)[expected >= 0].tolist() == expected[expected >= 0].tolist()


def test_a_row_depends_on_its_own_inputs_and_seed_alone(run):
    options = {
        "temperature": float32(0.9, 0.0, 1.3, 0.7),
        "top_k": int32(0, 5, 20, 0),
        "top_p": float32(0.9, 1.0, 1.0, 0.8),
        "min_p": float32(0.0, 0.0, 0.05, 0.0),
        "repetition_penalty": float32(1.0, 1.2, 1.0, 1.1),
        "seed": np.array([1, 2, 3, 4]),
        "max_new_tokens": int32(9, 4, 12, 7),
        "stop": [["e", ""], ["", ""], ["zq", "  "], ["", "th"]],
    }
    together = run("generate", text=TEXTS, **options)
    for row, text in enumerate(TEXTS):
        alone = run("generate", text=[text], **{name: value[row : row + 1] for name, value in options.items()})
        assert alone["text"][0] == together["text"][row]
        assert alone["token_ids"][0].tolist() == together["token_ids"][row][together["token_ids"][row] >= 0].tolist()
    again = run("generate", text=TEXTS, **options | {"seed": np.array([5, 2, 6, 7])})
    assert [a == b for a, b in zip(again["text"], together["text"], strict=True)] == [False, True, False, False]


def test_a_batch_without_rows_gets_none(run):
    for name in ("serving_default", "generate", "score", "tokenize", "prompt"):
        inputs = {"text": np.array([], object)} | ({"prompt": np.array([], object)} if name == "score" else {})
        assert {len(output) for output in run(name, **inputs).values()} == {0}


def test_log_probabilities_of_a_written_text_are_those_of_the_text_given(run):
    prompt = "the cat sat"
    found = run("generate", text=[prompt], max_new_tokens=int32(6), temperature=float32(1.0))
    written = found["token_ids"][0]
    texts = run("vocabulary")["texts"]
    given = run("score", prompt=[prompt], text=[b"".join(texts[written]).decode("utf-8", "ignore")])
    same = given["token_ids"][0].tolist() == written.tolist()
    if same:  # which other texts of these bytes need not be
        np.testing.assert_allclose(given["log_probabilities"][0], found["log_probabilities"][0], rtol=1e-4)
    np.testing.assert_allclose(given["log_probability"], given["log_probabilities"].sum(1), rtol=1e-5)
