"""Adapters, and other parts beside frozen weights, learn the same on any devices and in any parts; the weights stay.

Each number of devices needs a process of its own; see tiny_run.py for what is trained, and tests/contract for the other
methods and all tasks.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
from fresh_runs import largest_difference, train_each, weights

LORA: dict[str, object] = {
    "tuning": {"method": "lora", "rank": 2, "dropout": 0.3},
    "optimizer": "sgd",
    "clip_norm": 1e9,
    "validated": False,
}
PROMPT = {**LORA, "layers": 2, "dropout": 0.2, "tuning": {"method": "prompt", "virtual_tokens": 4}}
PREFIX = {**PROMPT, "tuning": {"method": "prefix", "virtual_tokens": 4}}
IN_PARTS = {"accumulation": 3, "rematerialise": True}
RUNS: dict[int, dict[str, dict[str, object]]] = {
    1: {
        "lora": {**LORA, "dropout": 0.2},
        "3 micro-batches": {**LORA, "dropout": 0.2, "accumulation": 3, "rematerialise": True},
        "undropped": {**LORA, "tuning": {"method": "lora", "rank": 2}},
        "ia3": {**LORA, "tuning": {"method": "ia3"}},
        "prompt": PROMPT,
        "prompt in parts": PROMPT | IN_PARTS,
        "prompt undropped": PROMPT | {"dropout": 0.0},
        "prefix": PREFIX,
        "prefix in parts": PREFIX | IN_PARTS,
        "prefix undropped": PREFIX | {"dropout": 0.0},
        "first layers": {**LORA, "layers": 3, "tuning": {"freeze_first": 2}},
        "adapters": {**LORA, "tuning": {"method": "adapters", "bottleneck": 4}},
        "adalora": {**LORA, "tuning": {"method": "adalora", "rank": 2, "initial_rank": 4, "alpha": 64}},
    },
    2: {
        "undropped": {**LORA, "tuning": {"method": "lora", "rank": 2}, "accumulation": 2},
        "ia3": {**LORA, "tuning": {"method": "ia3"}, "accumulation": 2, "rematerialise": True},
        "prompt undropped": PROMPT | {"dropout": 0.0, "accumulation": 2},
        "prefix undropped": PREFIX | {"dropout": 0.0, "accumulation": 2},
        "first layers": {**LORA, "layers": 3, "tuning": {"freeze_first": 2}, "accumulation": 2},
        "adapters": {
            **LORA,
            "tuning": {"method": "adapters", "bottleneck": 4},
            "accumulation": 2,
            "rematerialise": True,
        },
        "adalora": {
            **LORA,
            "tuning": {"method": "adalora", "rank": 2, "initial_rank": 4, "alpha": 64},
            "accumulation": 2,
            "rematerialise": True,
        },
    },
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Future]:
    return train_each(tmp_path_factory, RUNS)


def test_micro_batches_and_recomputed_layers_drop_the_same_of_what_goes_into_the_matrices(
    trained: dict[int, Future],
) -> None:
    runs = trained[1].result()
    assert largest_difference(runs["lora"], runs["3 micro-batches"]) < 1e-6
    np.testing.assert_allclose(runs["3 micro-batches"]["losses"], runs["lora"]["losses"], atol=1e-6)
    assert largest_difference(runs["lora"], runs["undropped"]) > 1e-4


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_micro_batches_and_recomputed_layers_learn_the_same_virtual_tokens(
    method: str, trained: dict[int, Future]
) -> None:
    runs = trained[1].result()
    assert largest_difference(runs[method], runs[f"{method} in parts"]) < 1e-6
    assert largest_difference(runs[method], runs[f"{method} undropped"]) > 1e-4


def test_only_the_virtual_tokens_and_the_head_learn(trained: dict[int, Future]) -> None:
    places = {
        "prompt undropped": {"prompt/vectors"},
        "prefix undropped": {"prefix_0/keys_and_values", "prefix_1/keys_and_values"},
    }
    for name, expected in places.items():
        run = trained[1].result()[name]
        learned = {name for name, before in weights(run, "before").items() if (weights(run)[name] != before).any()}
        assert learned == set(weights(run)) == expected | {"logits/kernel", "logits/bias"}


@pytest.mark.parametrize(
    "run", ["undropped", "ia3", "first layers", "adapters", "adalora", "prompt undropped", "prefix undropped"]
)
def test_two_devices_end_with_the_same_weights(run: str, trained: dict[int, Future]) -> None:
    one, two = trained[1].result()[run], trained[2].result()[run]
    assert largest_difference(one, two) < 1e-6


def test_vectors_are_beside_keys_values_and_the_inner_part(trained: dict[int, Future]) -> None:
    places = {f"ia3_0.{part}/ia3_l" for part in ("key", "value", "down")}
    assert set(weights(trained[1].result()["ia3"])) == places | {"logits/kernel", "logits/bias"}


def test_adalora_ends_with_the_target_rank_on_average_and_not_everywhere(trained: dict[int, Future]) -> None:
    values = [array for name, array in weights(trained[1].result()["adalora"]).items() if name.endswith("lora_e")]
    ranks = [np.count_nonzero(array) for array in values]
    assert sum(ranks) == 2 * len(ranks)
    assert len(set(ranks)) > 1


def test_bottleneck_adapters_and_norms_learn(trained: dict[int, Future]) -> None:
    run = trained[1].result()["adapters"]
    learned = {name for name, before in weights(run, "before").items() if (weights(run)[name] != before).any()}
    parts = [f"{which}_{part}" for which in ("down", "up") for part in ("kernel", "bias")]
    adapters = {f"bottleneck_0.{place}/{part}" for place in ("output", "down") for part in parts}
    assert learned == set(weights(run))
    assert learned > adapters | {"logits/kernel", "logits/bias"}
    assert {name.split("/")[-1] for name in learned - adapters - {"logits/kernel", "logits/bias"}} == {"gamma", "beta"}


def test_of_frozen_embeddings_and_first_layers_nothing_learns(trained: dict[int, Future]) -> None:
    run = trained[1].result()["first layers"]
    learned = {name for name, before in weights(run, "before").items() if (weights(run)[name] != before).any()}
    assert {name.split("/")[0] for name in learned} == {"transformer_layer_2", "logits"}
    assert learned == set(weights(run))


def test_only_the_matrices_and_the_head_learn(trained: dict[int, Future]) -> None:
    run = trained[1].result()["undropped"]
    learned = {name for name, before in weights(run, "before").items() if (weights(run)[name] != before).any()}
    assert learned <= set(weights(run))  # those that are said to learn
    places = {
        f"lora_0.{part}/lora_{which}" for part in ("query", "key", "value", "output", "up", "down") for which in "ab"
    }
    assert set(weights(run)) == places | {"logits/kernel", "logits/bias"}
    assert learned >= {name for name in weights(run) if not name.endswith("lora_a")}
