"""Configuration files of TensorFlow Serving, beside the models of an export folder: which models, batching, metrics.

They are a start for those who run the server. What stands in them already is never changed, so edit them: only a model
that models.config does not have yet is added to it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from google.protobuf import text_format

from sftkeras.disk.files import write_errors, write_text
from sftkeras.errors import SFTError
from sftkeras.exporting.versions import has_versions

MODELS = "models.config"
BATCHING = "batching.config"
MONITORING = "monitoring.config"

# Where a server in a container sees the export folder; the stock image looks there, too.
MOUNT = "/models"

_MODELS_HEAD = f"""\
# The models to serve, for tensorflow_model_server --model_config_file. The export folder is mounted at {MOUNT}.
# Without a policy the newest version is served. For a canary beside a stable version, write into its config:
#   model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
#   version_labels {{ key: "stable" value: 1 }}
#   version_labels {{ key: "canary" value: 2 }}
model_config_list {{
}}
"""

_MODEL = """\
  config {{
    name: "{name}"
    base_path: "{mount}/{name}"
    model_platform: "tensorflow"
  }}
"""

_BATCHING = """\
# How requests share a run, for --enable_batching --batching_parameters_file.
# Rows of one request, and of one run, at most; a request with more is refused. On few CPU cores a smaller run pads
# less, but the clients of sftkeras send 32 rows at once.
max_batch_size {{ value: 128 }}
# A request is never split. Answers that are lists, such as entities, are as wide as the longest of their run, and this
# server ends, or mixes rows, when it puts together parts of different widths.
enable_large_batch_splitting {{ value: false }}
# How long a request is delayed to fill a batch. Under load requests meet in the queue anyway.
batch_timeout_micros {{ value: 0 }}
# Full runs that may wait; what comes on top is refused, so that a busy server stays quick.
max_enqueued_batches {{ value: 256 }}
# Runs at the same time: one for each core of the machine that exported the model.
num_batch_threads {{ value: {cores} }}
"""

_SPLITTING = re.compile(
    r"^[^#\n]*enable_large_batch_splitting\s*:?\s*{\s*value\s*:\s*(true|t|1)\b", re.MULTILINE | re.I
)

MONITORING_TEXT = """\
# Metrics for Prometheus, for --monitoring_config_file.
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def write_server_config(folder: Path, flag: str = "--export.folder") -> None:
    """Writes what is missing of the three files into an export folder.

    Raises:
        SFTError: SFT106 or SFT108 if they cannot be written, SFT515 if models.config is there but cannot be added to.
    """
    with write_errors(folder, flag):
        _write_if_missing(folder / BATCHING, _BATCHING.format(cores=os.cpu_count() or 1))
        _write_if_missing(folder / MONITORING, MONITORING_TEXT)
        _add_models(folder / MODELS)


def splitting_warning(folder: Path) -> SFTError | None:
    """The warning for a model whose predictions are lists, if the folder's file lets a server split requests."""
    path = folder / BATCHING
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return SFTError("SFT516", path=path) if _SPLITTING.search(text) else None


def _write_if_missing(path: Path, text: str) -> None:
    if not path.exists():
        write_text(path, text)


def _add_models(path: Path) -> None:
    text = path.read_text(encoding="utf-8") if path.exists() else _MODELS_HEAD
    served = sorted(entry.name for entry in path.parent.iterdir() if entry.is_dir() and has_versions(entry))
    try:
        known = _names(text)
    except text_format.ParseError as error:
        raise SFTError("SFT515", path=path, problem=f"it is no model server configuration ({error})") from error
    missing = [name for name in served if name not in known]
    if path.exists() and not missing:
        return
    entries = "".join(_MODEL.format(name=name, mount=MOUNT) for name in missing)
    added = f"{text.rstrip().removesuffix('}')}{entries}}}\n"
    if not _holds(added, {*known, *missing}):  # something else than the list's bracket closes the file
        raise SFTError("SFT515", path=path, problem=f"add {', '.join(missing)} to it yourself")
    write_text(path, added)


def _holds(text: str, names: set[str]) -> bool:
    try:
        return _names(text) == names
    except text_format.ParseError:
        return False


def _names(text: str) -> set[str]:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    config = text_format.Parse(text, ModelServerConfig())
    return {model.name for model in config.model_config_list.config}
