"""Chooses the precision of a run whose settings leave it open: by its devices, and by a trial where these allow more.

`training.precision: auto` is float32 at once where nothing is made for products in bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import tensorflow as tf

from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import TrainConfig
from sftkeras.data import LabelledData
from sftkeras.training.precision_trial import try_bfloat16
from sftkeras.training.setup import Setup, set_up
from sftkeras.training.teaching import Teach

Concrete = Literal["float32", "mixed_bfloat16"]
_CPU_FLAG = "amx_bf16"  # avx512_bf16 alone was not measured
_CAPABILITY = (8, 0)  # of GPUs with fast bfloat16: NVIDIA's from Ampere on
_CPUINFO = Path("/proc/cpuinfo")
_OPERATIONS_A_TOKEN = 6  # and parameter: a multiplication and an addition forwards, and twice that backwards
_LEAST_OPERATIONS = 1e13  # of a whole training: a minute or two on a few cores


def set_up_in_precision(
    config: TrainConfig, data: LabelledData, folders: BackboneFolders, teach: Teach | None = None
) -> Setup:
    """Sets a run up as `set_up`, in the precision that its settings name, or in the one that is chosen here.

    A run whose precision is open is set up in float32, and once more if bfloat16 pays: its texts are in the token cache
    by then. The run's config names what was chosen.
    """
    if config.training.precision != "auto":
        return set_up(config, data, folders, teach)
    exact = _with_precision(config, "float32")
    setup = set_up(exact, data, folders, teach)
    reason = no_trial(setup)
    if reason is None:
        trial = try_bfloat16(setup)
        reason = trial.describe()
        if trial.pays:
            del setup  # or the weights would be held twice
            rounded = set_up(_with_precision(config, "mixed_bfloat16"), data, folders, teach)
            return replace(rounded, precision=_line("mixed_bfloat16", reason))
    return replace(setup, precision=_line("float32", reason))


def no_trial(setup: Setup) -> str | None:
    """Return why a run with an open precision is in float32 without a trial; None if a trial is worth its time.

    Args:
        setup: of the run in float32.
    """
    training = setup.config.training
    if training.strategy == "multi_worker":
        return "as always with several workers, unless --training.precision names another"
    if setup.backbone.is_module:
        return "since a TF-Hub module that is trained as it is computes in float32"
    if gpus := tf.config.list_physical_devices("GPU"):
        slow = slow_gpu([tf.config.experimental.get_device_details(gpu) for gpu in gpus])
    else:
        slow = slow_processor(_CPUINFO.read_text(encoding="utf-8") if _CPUINFO.exists() else "")
    if slow:
        return slow
    tokens = float(setup.train.plan.lengths(0).mean()) * setup.train.examples * training.epochs
    if _OPERATIONS_A_TOKEN * setup.backbone.parameters * tokens < _LEAST_OPERATIONS:
        return "since so short a training would gain less than a trial of bfloat16 takes"
    return None


def slow_processor(cpuinfo: str) -> str | None:
    """Return why a processor gains nothing by bfloat16; None if it may.

    Args:
        cpuinfo: the text of Linux's /proc/cpuinfo; empty where there is none.
    """
    flags = {word for line in cpuinfo.splitlines() if line.startswith("flags") for word in line.split()}
    return None if _CPU_FLAG in flags else f"since this processor multiplies no matrices in bfloat16 ({_CPU_FLAG})"


def slow_gpu(details: Sequence[dict[str, object]]) -> str | None:
    """Return why one of some GPUs gains nothing by bfloat16; None if all may.

    Args:
        details: of each, as `tf.config.experimental.get_device_details` gives them.
    """
    for gpu in details:
        capability = gpu.get("compute_capability")
        if not (isinstance(capability, tuple) and capability >= _CAPABILITY):
            known = ".".join(map(str, capability)) if isinstance(capability, tuple) else "unknown"
            return f"since the GPU's compute capability is {known}, and bfloat16 is quick from {_CAPABILITY[0]}.0 on"
    return None


def _with_precision(config: TrainConfig, precision: Concrete) -> TrainConfig:
    return replace(config, training=replace(config.training, precision=precision))


def _line(precision: Concrete, reason: str) -> str:
    return f"Precision: {precision}, {reason}."
