"""Kernels that are held in fewer bytes: what is read of them, computed with them, and left once they are plain."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_adapter_files import backbone, outputs

from sftkeras.backbones.dense.adapters import hold_kernel, make_plain
from sftkeras.backbones.dense.held_kernels import GROUP, HeldAs
from sftkeras.backbones.dense.low_rank import LowRankSettings
from sftkeras.backbones.dense.operations import dense
from sftkeras.backbones.linear_parts import linear_parts
from sftkeras.tuning.adapters import attach_described, hold_kernels, make_plain_layers

FORMS: tuple[HeldAs, ...] = ("bfloat16", "int8", "int4")
# Bytes a weight, of 40 inputs: two groups of int4 are padded, and have a scale each.
BYTES = {"bfloat16": 2, "int8": 1 + 4 / 40, "int4": (GROUP + 2 * 4) / 40}
# Largest difference, as a share of the largest weight: half a step.
STEPS = {"bfloat16": 2**-8, "int8": 0.5 / 127, "int4": 1 / 8}


def layer_of(inputs: int = 40, outputs: int = 6) -> keras.layers.Dense:
    layer = keras.layers.Dense(outputs)
    layer.build((None, inputs))
    layer.kernel.assign(np.random.default_rng(2).normal(0, 0.3, (inputs, outputs)))
    layer.bias.assign(np.arange(outputs))
    return layer


@pytest.mark.parametrize("form", FORMS)
def test_a_kernel_is_rounded_and_takes_fewer_bytes(form: HeldAs) -> None:
    layer = layer_of()
    before = layer.kernel.numpy()
    hold_kernel(layer, form)
    assert np.abs(layer.kernel.value.numpy() - before).max() <= STEPS[form] * np.abs(before).max()
    held = [np.prod(it.shape) * tf.as_dtype(it.dtype).size for it in layer.kernel.parameters]
    assert sum(held) / before.size == pytest.approx(BYTES[form])
    assert layer.kernel.unseen_parameters + sum(np.prod(it.shape) for it in layer.kernel.parameters) == before.size
    assert [variable.name for variable in layer.trainable_variables] == ["bias"]


@pytest.mark.parametrize("form", FORMS)
def test_outputs_and_gradients_are_those_of_the_kernel_that_is_read(form: HeldAs) -> None:
    held, plain, x = layer_of(), layer_of(), tf.random.stateless_normal([5, 40], [1, 2])
    hold_kernel(held, form)
    plain.kernel.assign(held.kernel.value)

    def both(layer: keras.layers.Dense) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            computed = dense(layer, x)
        return computed, tape.gradient(computed, x, tf.ones([5, 6]))

    for ours, theirs in zip(both(held), both(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    read = held.kernel.value.numpy()
    make_plain(held)
    assert type(held) is keras.layers.Dense
    assert [variable.name for variable in held.variables] == ["kernel", "bias"]
    np.testing.assert_array_equal(held.kernel.numpy(), read)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_a_backbone_computes_the_same_when_its_layers_are_plain_again(name: str, tmp_path: Path) -> None:
    model = backbone(name, tmp_path)
    hold_kernels(model, "int8")
    attach_described(
        model,
        {"1.down": {"kind": "dora", **vars(LowRankSettings(2, 4.0))}, "0.key": {"kind": "ia3", "of_inputs": False}},
    )
    random = np.random.default_rng(1)
    for layer in (linear_parts(model)[1, "down"], linear_parts(model)[0, "key"]):
        for parameter in layer.adapter.parameters:
            parameter.assign(random.uniform(0.5, 1, parameter.shape))
    tokens = np.arange(3, 11, dtype=np.int32)
    before = outputs(model, tokens)
    make_plain_layers(model)
    np.testing.assert_allclose(outputs(model, tokens), before, rtol=0, atol=1e-5 * np.abs(before).max())
    assert not [variable.path for variable in model.model.variables if "held" in variable.path]
