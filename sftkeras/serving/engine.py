"""One version of a model in a V1 session, the route TensorFlow Serving takes: named tensors in, named tensors out.

What the calls of the protocols mean stands in `predicting` and `examples`; how requests share a run, in `batching`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  registers the operations of the text signatures
from tensorflow.core.protobuf.config_pb2 import CallableOptions
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef

from sftkeras.exporting.generation_file import FILE as GENERATION
from sftkeras.graphs.preparation import session_config
from sftkeras.graphs.trusted import check_served
from sftkeras.internals.tensorflow import make_callable
from sftkeras.serving.errors import ServingError, invalid

# How many different (inputs, outputs) of a version are kept ready. A request may ask for any choice of outputs.
_MOST_CALLABLES = 64

_LONGEST_MESSAGE = 1000  # characters; TensorFlow's can quote whole tensors

_STATUS_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Call:
    """Feeds and fetches of a run, by the names of the tensors in the graph. Equal calls can share a run."""

    feeds: tuple[str, ...]
    fetches: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """A tensor that stays in the session: runs read and write its memory, and none copies it.

    Attributes:
        handle: what the session knows it by.
        feed: where a run is given the handle.
        tensor: what the graph has then in place of an input.
        clear: sets rows to zero: given how many numbers a row has, and the numbers of rows.
    """

    handle: np.ndarray
    feed: str
    tensor: str
    clear: Callable[[int, np.ndarray], None]


@dataclass(frozen=True)
class _Keeping:
    """The names of the tensors, and of an operation, by which a session makes, finds and clears a tensor it keeps."""

    shape: str
    made: str
    handle: str
    tensor: str
    width: str
    rows: str
    clear: str

    @classmethod
    def in_graph(cls, graph: tf.Graph) -> _Keeping:
        """Adds the operations."""
        with graph.as_default(), tf.name_scope("sftkeras_kept"):
            shape = tf.compat.v1.placeholder(tf.int32, [None])
            made = tf.raw_ops.GetSessionHandle(value=tf.raw_ops.Empty(shape=shape, dtype=tf.float32))
            handle = tf.compat.v1.placeholder(tf.string, [])
            tensor = tf.raw_ops.GetSessionTensor(handle=handle, dtype=tf.float32)
            width, rows = tf.compat.v1.placeholder(tf.int32, []), tf.compat.v1.placeholder(tf.int32, [None])
            zeros = tf.zeros(tf.stack([tf.size(rows), width]))
            clear = tf.raw_ops.InplaceUpdate(x=tf.reshape(tensor, tf.stack([-1, width])), i=rows, v=zeros)
        return cls(shape.name, made.name, handle.name, tensor.name, width.name, rows.name, clear.op.name)


class Engine:
    """A SavedModel that is ready to run; safe to use from several threads.

    Args:
        folder: holds saved_model.pb and variables/.

    Attributes:
        signatures: what it offers, by name.

    Raises:
        UntrustedGraphError: its graph could reach outside of the model.
        tf.errors.OpError, OSError: it cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        check_served(folder)
        config = session_config(generates=(folder / GENERATION).is_file())
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        # Before the model, since a graph that is changed when it has run is copied as a whole.
        self._keeping = _Keeping.in_graph(self._session.graph)
        try:
            loaded: MetaGraphDef = tf.compat.v1.saved_model.loader.load(
                self._session, [tf.saved_model.SERVING], str(folder)
            )
        except BaseException:
            self._session.close()
            raise
        self.signatures: dict[str, SignatureDef] = dict(loaded.signature_def)
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()
        self._callable = lru_cache(_MOST_CALLABLES)(self._make_callable)

    def run(self, call: Call, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs the graph once.

        Args:
            call: of tensors that stand in `signatures`.
            arrays: one for each of `call.feeds`.

        Returns:
            One array for each of `call.fetches`; strings are object arrays of bytes.

        Raises:
            ServingError: with the status and the message of the operation that failed.
        """
        return self._guarded(self._callable(call), arrays)

    def keep(self, shape: Sequence[int]) -> Kept:
        """Makes a float32 tensor that stays in the session until it is closed.

        Its numbers are any, maybe not finite, until they are written or cleared. Until then the system need not give
        it memory.

        Args:
            shape: its sizes.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if there is no memory for it.
        """
        names = self._keeping
        (handle,) = self.run(Call((names.shape,), (names.made,)), [np.array(shape, np.int32)])
        kept = np.array(handle, object)
        options = CallableOptions(feed=(names.width, names.rows, names.handle), target=(names.clear,))
        run = make_callable(self._session, options)

        def clear(width: int, rows: np.ndarray) -> None:
            self._guarded(run, [np.array(width, np.int32), rows, kept])

        return Kept(kept, names.handle, names.tensor, clear)

    def prepare(self, call: Call, kept: Kept, connected: str) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        """Makes a function that is `run` for one call, with a kept tensor as one of the inputs.

        Args:
            call: as of `run`, without that input.
            kept: of `keep`. No two runs may have it at a time.
            connected: the tensor that it takes the place of.
        """
        options = CallableOptions(feed=(*call.feeds, kept.feed), fetch=call.fetches)
        options.tensor_connection.add(from_tensor=kept.tensor, to_tensor=connected)
        run = make_callable(self._session, options)
        return lambda arrays: self._guarded(run, [*arrays, kept.handle])

    def _guarded(self, run: Callable[..., list[np.ndarray]], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        with self._changed:
            if self._closed:
                raise ServingError(grpc.StatusCode.UNAVAILABLE, "the version is being unloaded")
            self._running += 1
        try:
            return run(*arrays)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None
        except UnicodeDecodeError as error:
            # The message quotes an input that is not UTF-8; TensorFlow 2.21 then fails to raise its own error.
            raise invalid(_shortened(error.object.decode("utf-8", "replace"))) from None
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Waits for runs under way, such as those of callers that have left, and frees the model's memory."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._running)
        self._callable.cache_clear()
        self._session.close()

    def _make_callable(self, call: Call) -> Callable[..., list[np.ndarray]]:
        return make_callable(self._session, CallableOptions(feed=call.feeds, fetch=call.fetches))


def from_tensorflow(error: tf.errors.OpError) -> ServingError:
    """TensorFlow's own status and message, as the C++ server passes them on."""
    code = _STATUS_BY_NUMBER.get(error.error_code, grpc.StatusCode.UNKNOWN)
    return ServingError(code, _shortened(str(error.message)))


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"
