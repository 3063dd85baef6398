"""Names of TensorFlow 2.21 that are not public. Tests: tests/internals/test_private_names.py."""

from __future__ import annotations

import unittest.mock
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended
from tensorflow.python.eager.context import anonymous_name
from tensorflow.python.framework.config import is_op_determinism_enabled
from tensorflow.python.saved_model.pywrap_saved_model.fingerprinting import CreateFingerprintDef
from tensorflow.python.saved_model.save_context import save_context

__all__ = [
    "has_several_workers",
    "is_op_determinism_enabled",
    "make_callable",
    "scratch_variable",
    "serialised_fingerprint",
    "tracing_to_save",
    "with_devices_of_workers",
]


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy's replicas are in several processes."""
    return bool(strategy.extended._in_multi_worker_mode())


def serialised_fingerprint(saved_model: Path) -> bytes:
    """The fingerprint of a SavedModel's folder, as `tf.saved_model.save` would write it: the public API only reads."""
    return bytes(CreateFingerprintDef(str(saved_model)))


def tracing_to_save() -> AbstractContextManager[Any]:
    """In it, functions are traced as `tf.saved_model.save` needs them, which traces all others once more.

    The result is the same; but tracing is most of the time that writing a small model takes.
    """
    return save_context(tf.saved_model.SaveOptions())


def with_devices_of_workers(own_devices: Callable[..., Any]) -> AbstractContextManager[Any]:
    """In it, a worker that joins others has these devices: TensorFlow takes one CPU device, however many there are."""
    return unittest.mock.patch.object(CollectiveAllReduceExtended, "_initialize_local_devices", own_devices)


def make_callable(session: tf.compat.v1.Session, options: Any) -> Callable[..., list[Any]]:
    """A function that runs a part of a session's graph; `options` are TensorFlow's `CallableOptions`.

    The public `make_callable` goes through `Session.run` if there are feeds. That is slower, and it rewrites the
    messages of failing operations, which a server passes on as they are.
    """
    return session._make_callable_from_options(options)


def scratch_variable(value: tf.Tensor) -> tf.Tensor:
    """The handle of a variable that begins as `value` and ends with its last use, for operations that update in place.

    `tf.Variable` makes none in the body of a loop, whatever `experimental_enable_variable_lifting` says.
    """
    shape = [None, *value.shape[1:]]
    handle = tf.raw_ops.VarHandleOp(dtype=value.dtype, shape=shape, shared_name=anonymous_name())
    tf.raw_ops.AssignVariableOp(resource=handle, value=value)
    return handle
