"""A module that was rebuilt trains as any encoder: on one device and on two alike, and every variable moves."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from backbones.hub_modules import ENCODERS
from fresh_runs import train, weights

CASES = ("BERT", "ALBERT")
HEAD = {"logits/kernel", "logits/bias"}
# No output depends on the bias of keys: its gradient is rounding, of which Adam makes steps as large as any.
ROUNDING = "key/bias"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Future]:
    modules = tmp_path_factory.mktemp("modules")
    # "cls" pooling, as tiny_run has it for modules: the pooler's weights are trained too.
    runs = {
        case: {
            "module": str(ENCODERS[case].write(modules / case)),
            "mode": "native",
            "class_weights": True,
            "validated": False,
        }
        for case in CASES
    }
    with ThreadPoolExecutor(2) as pool:
        return {count: pool.submit(train, tmp_path_factory.mktemp("runs"), count, runs) for count in (1, 2)}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("devices", [1, 2])
def test_one_step_reaches_every_variable(trained: dict[int, Future], devices: int, case: str) -> None:
    run = trained[devices].result()[case]
    before, after = weights(run, "before"), weights(run, "one step")
    assert len(before) == len(ENCODERS[case].draw()) + len(HEAD)
    unmoved = {name for name, array in before.items() if np.array_equal(array, after[name])}
    assert unmoved == set()


@pytest.mark.parametrize("case", CASES)
def test_devices_change_nothing(trained: dict[int, Future], case: str) -> None:
    one, two = (trained[devices].result()[case] for devices in (1, 2))
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-6)
    for name, array in weights(one).items():
        if not name.endswith(ROUNDING):
            np.testing.assert_allclose(weights(two)[name], array, atol=1e-5, err_msg=name)
