"""Private names of other packages stand in `sftkeras.internals` alone, each as long as there is no public one.

When a test of a name fails, the package has a public way: take it, and remove the function and the test.
"""

from __future__ import annotations

import ast
import inspect
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import keras_hub  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from sftkeras.internals.keras import zeros_in_place_of_random  # noqa: E402
from sftkeras.internals.tensorflow import scratch_variable, tracing_to_save  # noqa: E402

PACKAGE = Path(__file__).parents[2] / "sftkeras"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent.name != "internals"]
PRIVATE_MODULES = ("tensorflow.python", "keras.src", "keras_hub.src")
# Of named tuples, of Python's own modules and of jsonargparse, which `internals` is not about.
OTHERS = {"_replace", "_asdict", "_fields", "_exit", "_shutdown", "_run_exitfuncs", "_restrictions", "_type"}


def test_keras_lists_no_inner_layers_of_a_model() -> None:
    assert not hasattr(keras.Model, "flatten_layers")


def test_keras_cannot_change_the_height_of_a_built_table() -> None:
    layer = keras.layers.Embedding(3, 2)
    layer.build((None,))
    with pytest.raises(ValueError, match="cannot add new elements of state"):
        layer.add_weight(shape=(4, 2))


def bert() -> keras.Model:
    return keras_hub.models.BertBackbone(
        vocabulary_size=9, num_layers=1, num_heads=1, hidden_dim=2, intermediate_dim=2, max_sequence_length=4
    )


def test_keras_hub_draws_the_first_weights_of_a_model() -> None:
    drawn = bert()
    with zeros_in_place_of_random():
        zeros = bert()
    for before, variable, after in zip(*(model.trainable_variables for model in (drawn, zeros, bert())), strict=True):
        start = variable.path.endswith("gamma")
        assert np.all(variable.numpy() == start)
        if len(variable.shape) > 1 and not variable.path.endswith("bias"):
            assert before.numpy().any()
            assert after.numpy().any()


def test_keras_does_not_say_what_made_a_tensor() -> None:
    assert not hasattr(keras.KerasTensor, "history")
    assert not hasattr(keras.Operation, "inbound_nodes")


@pytest.mark.parametrize(("traced_to_save", "traces"), [(False, 2), (True, 1)])
def test_a_saved_function_is_traced_once_more_unless_it_was_traced_to_be_saved(
    traced_to_save: bool, traces: int, tmp_path: Path
) -> None:
    seen = []
    module = tf.Module()
    module.double = tf.function(lambda number: seen.append(number) or number * 2, autograph=False)
    with tracing_to_save() if traced_to_save else nullcontext():
        module.double.get_concrete_function(tf.TensorSpec([], tf.int32, "number"))
    tf.saved_model.save(module, str(tmp_path))
    assert len(seen) == traces


def test_metrics_have_no_public_direction() -> None:
    assert not hasattr(keras.metrics.Metric, "direction")
    assert "direction" not in inspect.signature(keras.metrics.MeanMetricWrapper).parameters


def test_a_metric_is_built_at_its_first_update_alone() -> None:
    assert not hasattr(keras.metrics.F1Score, "build")


def test_optimizers_do_not_say_where_a_variable_stands() -> None:
    assert not hasattr(keras.optimizers.Optimizer, "get_variable_index")


def test_keras_hub_has_no_public_parts_of_its_layers() -> None:
    layer = keras_hub.layers.TransformerEncoder(8, 2)
    layer.build((None, None, 4))
    assert not hasattr(layer, "self_attention_layer")
    assert not hasattr(keras.layers.MultiHeadAttention, "dropout_layer")
    assert not hasattr(keras_hub.layers, "DisentangledAttentionEncoder")


def test_tensorflow_does_not_say_whether_it_is_deterministic_nor_whether_workers_are_several() -> None:
    assert not hasattr(tf.config.experimental, "is_op_determinism_enabled")
    assert not hasattr(tf.distribute.StrategyExtended, "in_multi_worker_mode")


def test_sessions_have_no_public_callables_with_feeds_apart_from_run() -> None:
    assert not hasattr(tf.compat.v1.Session, "make_callable_from_options")


def test_tensorflow_only_reads_fingerprints() -> None:
    assert not hasattr(tf.saved_model.experimental, "create_fingerprint")


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


@cache
def own_names() -> set[str]:
    """The private names that this package gives its own classes and modules."""
    names = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def test_no_other_module_touches_a_private_name() -> None:
    assert {path: names for path, tree in trees().items() if (names := private_names(tree))} == {}


def private_names(tree: ast.Module) -> set[str]:
    """The private names of other packages that a module touches."""
    found = set()
    allowed = own_names() | OTHERS
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PRIVATE_MODULES):
            found.add(node.module)
        # A subclass may use what it inherits: `self` and `cls` are not looked at.
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            is_private = node.attr.startswith("_") and not node.attr.startswith("__")
            if is_private and node.attr not in allowed:
                found.add(node.attr)
    return found


def test_only_a_handle_without_a_name_makes_variables_in_a_loop() -> None:
    def total(begun: Any) -> tf.Tensor:
        def body(number: tf.Tensor, so_far: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            handle = begun(tf.fill([2], so_far))
            tf.raw_ops.AssignAddVariableOp(resource=handle, value=[1.0, 1.0])
            return number + 1, tf.reduce_sum(tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32))

        return tf.while_loop(lambda number, _: number < 3, body, (tf.constant(0), tf.constant(0.0)))[1]

    assert float(tf.function(total)(scratch_variable)) == 14
    with pytest.raises(ValueError, match="could not be lifted"):
        tf.function(total)(lambda value: tf.Variable(value, experimental_enable_variable_lifting=False).handle)
