"""The process before and around TensorFlow: environment, devices, strategy, precision, randomness.

`start_tensorflow` must run before TensorFlow is imported anywhere in the process.
"""

from __future__ import annotations

import gc
import os
import random
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from sftkeras.config import TrainingConfig
from sftkeras.console import is_command
from sftkeras.errors import SFTError
from sftkeras.internals.optional_packages import hidden_optional_packages

if TYPE_CHECKING:
    import tensorflow as tf


# What TensorFlow 2.21 prints at every start, whatever its log level, though nothing is wrong.
_NOISE = re.compile(
    rb"All log messages before absl|oneDNN custom operations are on|Could not find cuda drivers|failed call to cuInit"
)

# In a notebook without ipywidgets, tqdm warns when other packages import it. Its bars are text then.
warnings.filterwarnings("ignore", message="IProgress not found")


def start_tensorflow(*, keras: bool = True) -> None:
    """Sets what TensorFlow reads when it is imported, and imports it; what the user has set stays.

    Args:
        keras: whether TensorFlow imports Keras; a command that only runs exports does without it.
    """
    if "tensorflow" in sys.modules:
        return
    defaults = {
        "KERAS_BACKEND": "tensorflow",
        # Off by default on CPUs without AVX512-VNNI, where it makes training about 1.8 times faster.
        "TF_ENABLE_ONEDNN_OPTS": "1",
        # What matters comes as an exception; the rest is talk.
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Quiet about the tf_keras that tensorflow_hub brings along.
        "TF_USE_LEGACY_KERAS": "0",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # In a process of the user's own, Keras finds all packages that it can use.
    hidden = hidden_optional_packages(keras=keras) if is_command() else nullcontext()
    with _without_noise(), _without_garbage_collection(), hidden:
        import tensorflow as tf

        if not keras:
            import tensorflow_text  # noqa: F401  which later would import Keras
        tf.config.list_physical_devices()
    tf.get_logger().setLevel("WARNING")  # in a notebook it would be INFO
    if is_command():
        collect_garbage_rarely()


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Collects none inside the block: an import leaves 400,000 objects, and looking at them takes a tenth of it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def collect_garbage_rarely() -> None:
    """Leaves all objects there are out of the search for garbage, and searches after 20,000 new ones in place of 700.

    Modules that are imported and graphs that are traced stay: looking at them again and again takes a second of a run.
    """
    gc.freeze()
    gc.set_threshold(20_000)


@contextmanager
def left_as_it_was() -> Iterator[None]:
    """Puts back, at the end of the block, what training changes of a process: environment, precision, randomness."""
    environment = dict(os.environ)
    python, numpy = random.getstate(), sys.modules.get("numpy")
    state = numpy.random.get_state() if numpy else None
    keras = sys.modules.get("keras")
    policy = keras.config.dtype_policy() if keras else "float32"
    try:
        yield
    finally:
        if now := sys.modules.get("keras"):
            now.config.set_dtype_policy(policy)
        random.setstate(python)
        if numpy and state:
            numpy.random.set_state(state)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


def check_backend() -> None:
    """Makes sure that Keras computes with TensorFlow in this process.

    Raises:
        SFTError: SFT123.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        raise SFTError("SFT123", backend=keras.config.backend())


@contextmanager
def _without_noise() -> Iterator[None]:
    """Holds back what is written to standard error inside the block, then writes it without the noise."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _NOISE.search(line):
                    os.write(2, line)


def make_strategy(config: TrainingConfig, seed: int) -> tf.distribute.Strategy:
    """Sets devices, precision and randomness, and gives the strategy that training runs under.

    Args:
        config: how the model is fitted.
        seed: the run's seed.

    Raises:
        SFTError: SFT403 if the machine has fewer GPUs than asked for, SFT465 if TensorFlow runs already with fewer
            devices.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy("float32" if config.precision == "auto" else config.precision)
    devices = _devices(config.devices)
    if config.strategy == "multi_worker":
        return _join_workers(devices)
    return tf.distribute.MirroredStrategy(devices)


def _devices(count: int | None) -> list[str]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        if count and count > len(gpus):
            raise SFTError("SFT403", devices=count, found=len(gpus), kind="GPUs")
        with _unless_there("GPU", count or len(gpus)):
            tf.config.set_visible_devices(gpus[:count], "GPU")
            for gpu in gpus[:count]:
                tf.config.experimental.set_memory_growth(gpu, True)
        return [f"GPU:{number}" for number in range(count or len(gpus))]
    if count and count > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        with _unless_there("CPU", count):
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    return [f"CPU:{number}" for number in range(count or 1)]


@contextmanager
def _unless_there(kind: str, count: int) -> Iterator[None]:
    """Lets the block fail to set the devices of a TensorFlow that has started, if it has as many as are needed.

    Raises:
        SFTError: SFT465 if it has not.
    """
    import tensorflow as tf

    try:
        yield
    except RuntimeError as error:
        found = len(tf.config.list_logical_devices(kind))
        if found < count:
            raise SFTError("SFT465", devices=count, found=found, kind=f"{kind}s") from error


def _join_workers(devices: list[str]) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Connects with the other workers that TF_CONFIG names; call it before any operation of TensorFlow."""
    import tensorflow as tf

    from sftkeras.internals.tensorflow import with_devices_of_workers

    gpu = devices[0].startswith("GPU")

    def own_devices(_: object, resolver: object, worker: str) -> tuple[tuple[str, ...], str]:
        return tuple(f"{worker}/device:{device}" for device in devices), "GPU" if gpu else "CPU"

    ways = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(implementation=ways.NCCL if gpu else ways.RING)
    with with_devices_of_workers(own_devices):
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def length_multiple() -> int:
    """Multiple for padded lengths: 8 for the tensor cores of a GPU; on a CPU padding only costs."""
    import tensorflow as tf

    return 8 if tf.config.list_physical_devices("GPU") else 1


def precision_notes() -> list[str]:
    """Notes on the precision that was set, on this machine."""
    import keras
    import tensorflow as tf

    if keras.config.dtype_policy().name != "mixed_float16" or tf.config.list_physical_devices("GPU"):
        return []
    return ["mixed_float16 is made for GPUs: on a CPU it is slower than float32, and no more exact"]


def full_precision() -> None:
    """Makes layers built from here on compute in float32: exports are float32 whatever the training's precision."""
    import keras

    keras.config.set_dtype_policy("float32")


@contextmanager
def in_precision(policy: str) -> Iterator[None]:
    """In it, layers are built that compute by a policy of Keras, such as float32; after it, as before."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def peak_memory() -> int:
    """Most memory this process ever held, in bytes."""
    import resource

    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024


def versions() -> dict[str, str]:
    """The packages that decide results, by version."""
    from importlib.metadata import version

    import sftkeras

    names = ("tensorflow", "keras", "keras-hub", "tensorflow-text", "numpy", "scikit-learn")
    return {
        "sftkeras": sftkeras.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        **{name: version(name) for name in names},
    }
