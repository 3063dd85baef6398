"""contract.json: what a client, a server's operator and `sftkeras.evaluate` need to know of an exported version.

Its schema is documented in docs/export.md. Imports no TensorFlow.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sftkeras.config import TrainConfig, plain
from sftkeras.disk.files import sha256_of, write_text
from sftkeras.errors import SFTError
from sftkeras.exporting.model_card import render_model_card
from sftkeras.tasks.predictions import Predictions, predictions_of

SCHEMA = 1
FILE = "contract.json"
CARD = "README.md"
WEIGHTS = "variables/variables.data-00000-of-00001"

_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "name": str,
    "task": dict,
    "max_length": (int, type(None)),  # null: the encoder reads texts of any length
    "pairs": bool,
    "signatures": dict,
    "origin": dict,
    "weights_sha256": str,
}


@dataclass(frozen=True)
class ModelOrigin:
    """Origin of a model, for its contract and its card.

    Attributes:
        backbone: handle of the pretrained encoder.
        data: the settings the data was read with; paths are cut to file names.
        data_fingerprint: hash of the data's contents and of what decides rows, labels and parts.
        rows: how many rows each part has.
        seed: of the run.
    """

    backbone: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    data_fingerprint: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    seed: int | None = None

    @classmethod
    def read(cls, path: Path) -> ModelOrigin:
        """Reads what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Keeps it in a file, so that a run can be exported again later."""
        write_text(path, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def of(
        cls, config: TrainConfig, data_fingerprint: str | None = None, rows: dict[str, int] | None = None
    ) -> ModelOrigin:
        """Takes what it needs from a run's settings."""
        data = plain(config.data)
        for part in ("train", "validation", "test"):
            data[part] = _files_without_folders(data[part])
        return cls(str(without_folders(config.backbone.handle)), data, data_fingerprint, rows or {}, int(config.seed))


def write_contract(version: Path, contract: dict[str, Any]) -> None:
    """Writes the contract and the model card that follows from it, each whole or not at all."""
    write_text(version / FILE, json.dumps(contract, indent=2, ensure_ascii=False) + "\n")
    write_text(version / CARD, render_model_card(contract, predictions_in(contract)))


def predictions_in(contract: dict[str, Any]) -> Predictions:
    """Returns what predictions of the model look like, by its task and by the outputs of its `serving_default`."""
    outputs = contract["signatures"].get("serving_default", {}).get("outputs", {})
    ranks = {name: len(tensor["shape"] or ()) for name, tensor in outputs.items()}
    return predictions_of(ranks, contract["task"].get("kind"))


def update_contract(version: Path, **entries: Any) -> None:
    """Sets entries of a published contract, such as `metrics`, and renews the model card."""
    write_contract(version, {**read_contract(version), **entries})


def read_contract(version: Path) -> dict[str, Any]:
    """Reads the contract of a version folder.

    Raises:
        SFTError: SFT503 if it is missing, not a contract, or of a schema this version does not know.
    """
    path = version / FILE
    try:
        contract = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SFTError("SFT503", path=path, problem="it is missing") from None
    except (OSError, ValueError) as error:
        raise SFTError("SFT503", path=path, problem=error) from error
    if not isinstance(contract, dict):
        raise SFTError("SFT503", path=path, problem="it is not a JSON object")
    for key, kind in _REQUIRED.items():
        if key not in contract or type(contract[key]) not in (kind if isinstance(kind, tuple) else (kind,)):
            raise SFTError("SFT503", path=path, problem=f'"{key}" is missing or of the wrong type')
    if contract["schema"] != SCHEMA:
        raise SFTError("SFT503", path=path, problem=f"its schema is {contract['schema']}, known is {SCHEMA}")
    return contract


def check_weights(version: Path, contract: dict[str, Any]) -> None:
    """Compares the weights with the contract.

    Raises:
        SFTError: SFT504 if they are not those the contract was written for.
    """
    path = version / WEIGHTS
    try:
        found = sha256_of(path)
    except OSError as error:
        raise SFTError("SFT504", path=path, problem=error.strerror or error) from error
    if found != contract["weights_sha256"]:
        raise SFTError("SFT504", path=path, problem="they are not those that contract.json describes")


def _files_without_folders(handles: str | list[str] | None) -> str | list[str] | None:
    """The files of a part, which may be a list or text with commas between."""
    if isinstance(handles, list):
        return [str(without_folders(handle)) for handle in handles]
    return handles and ",".join(str(without_folders(handle.strip())) for handle in handles.split(","))


def without_folders(handle: str | None) -> str | None:
    """A local path says much about its owner's machine and nothing to others: only its last part is kept."""
    return handle if handle is None or "://" in handle or handle.startswith("pypi:") else Path(handle).name
