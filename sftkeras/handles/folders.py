"""Recognises folders of weights by their file names, and checks whether their files are whole. Loads no weights."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from sftkeras.errors import SFTError

Kind = Literal["hugging_face", "keras_hub", "tfhub", "run"]

CONFIG = "config.json"
SENTENCE_MODULES = "modules.json"  # of sentence-transformers: which folders there are beside the encoder's files
SENTENCE_TRANSFORMER = "0_Transformer"  # where older folders have these
SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"
KERAS_WEIGHTS = ("model.weights.h5", "model.weights.json")  # one file, or the index of several
SAVED_MODEL = "saved_model.pb"
GGUF_MAGIC = b"GGUF"
_RUN = ("config.yaml", "model.json")  # of a run of `sftkeras.train`
_RUN_WEIGHTS = "state/best.weights.h5"
_CONTRACT = "contract.json"  # of a version that `sftkeras.export` published
_TF1_MARK = "tfhub_module.pb"  # stands in a module that TensorFlow 1 wrote
_SHARD = re.compile(r"variables\.data-[0-9]{5}-of-([0-9]{5})")
# Pickles, whose loading can run code, and the formats of frameworks that are not read here.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", "tf_model.h5")


def kind_of(folder: Path) -> Kind:
    """Returns the kind of a folder of weights.

    Raises:
        SFTError: SFT304 if nothing known is in it, SFT305 if the weights are pickled, SFT306 if a file is missing,
            SFT361 for an exported version, SFT362 for a folder inside of a run.
    """
    if folder.is_file():
        raise SFTError("SFT304", place=folder, found="it is a file")
    if not folder.is_dir():
        raise SFTError("SFT304", place=folder, found="there is no such folder")
    names = {path.name for path in folder.iterdir()}
    if names.issuperset(_RUN):
        return "run"
    _check_place(folder, names)
    kind = kind_of_names(names, folder)
    if kind == "hugging_face" and SAFETENSORS not in names:
        _require_shards(folder, names)
    return kind


def _check_place(folder: Path, names: set[str]) -> None:
    """Refuses what training leaves behind, but for what another run can begin with: it looks like a model."""
    versions = [folder, *(folder / name for name in names if name.isdecimal())]
    for version in versions:
        if (version / _CONTRACT).is_file() and (version / SAVED_MODEL).is_file():
            raise SFTError("SFT361", place=folder, name=_name_of(version))
    run = folder.absolute().parent
    is_whole = names & {SAFETENSORS, SAFETENSORS_INDEX}
    if not is_whole and all((run / name).is_file() for name in _RUN):
        raise SFTError("SFT362", place=folder, run=folder.parent if folder.parent != Path() else run)


def _name_of(version: Path) -> str:
    """The name of an exported model, which is that of its run."""
    try:
        return str(json.loads((version / _CONTRACT).read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return version.absolute().parent.name


def kind_of_names(names: Iterable[str], place: object) -> Kind:
    """Returns the kind of the weights from the file names alone; `place` is for the error. Raises as `kind_of`."""
    names = set(names)
    if names & {SAFETENSORS, SAFETENSORS_INDEX}:
        kind, needed = "hugging_face", CONFIG
    elif names & set(KERAS_WEIGHTS):
        kind, needed = "keras_hub", CONFIG
    elif SAVED_MODEL in names:
        kind, needed = "tfhub", SAVED_MODEL
    elif pickled := sorted(name for name in names if name.endswith(_OTHER_WEIGHTS)):
        raise SFTError("SFT305", place=place, file=pickled[0])
    elif CONFIG in names:
        raise SFTError("SFT306", place=place, file=f"{SAFETENSORS} (or {KERAS_WEIGHTS[0]})")
    else:
        found = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
        raise SFTError("SFT304", place=place, found=f"found: {found}" if found else "it is empty")
    if needed not in names:
        raise SFTError("SFT306", place=place, file=needed)
    return kind  # type: ignore[return-value]


def is_gguf(path: Path) -> bool:
    """Return whether a path is a GGUF file, by its name or its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return path.suffix == ".gguf" or file.read(len(GGUF_MAGIC)) == GGUF_MAGIC


def weights_folder(folder: Path) -> Path:
    """Return the folder inside of which the weights lie: the transformer's, in older folders of sentence-transformers.

    They have `modules.json`, and `config.json` not beside it but in a folder such as `0_Transformer`.
    """
    if (folder / CONFIG).exists() or not (folder / SENTENCE_MODULES).is_file():
        return folder
    for path in sentence_modules(folder).values():
        if (inner := folder / path).parent == folder and (inner / CONFIG).is_file():
            return inner
    return folder


def sentence_modules(folder: Path) -> dict[str, str]:
    """Return the modules of a folder of sentence-transformers, by the name of their kind: the path of each in it.

    Raises:
        SFTError: SFT304 if modules.json is not as sentence-transformers writes it.
    """
    try:
        listed = json.loads((folder / SENTENCE_MODULES).read_text(encoding="utf-8"))
        return {str(module["type"]).rpartition(".")[2]: str(module["path"]) for module in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SFTError("SFT304", place=folder, found=f"{SENTENCE_MODULES} cannot be read") from error


def check_safetensors(path: Path) -> None:
    """Checks that a safetensors file is whole: its header reads and describes exactly the bytes that follow.

    Reads the header alone, whatever the file's size.

    Raises:
        SFTError: SFT306 if there is no such file, SFT307 if it is corrupted or truncated.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise SFTError("SFT306", place=path.parent, file=path.name)
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError, ValueError) as error:
        raise SFTError("SFT307", path=path, problem=str(error).removeprefix("Error while deserializing ")) from error


def check_weights(folder: Path) -> None:
    """Checks what can be said of a folder of weights at once: that its files are there, known and whole.

    Raises:
        SFTError: SFT304 to SFT307; SFT361 to SFT364 for what an encoder cannot be taken from.
    """
    match kind_of(folder):
        case "run":
            if not (folder / _RUN_WEIGHTS).is_file():
                raise SFTError("SFT306", place=folder, file=_RUN_WEIGHTS)
        case "hugging_face":
            whole = folder / SAFETENSORS
            for path in [whole] if whole.exists() else sorted(folder / name for name in _shards(folder)):
                check_safetensors(path)
        case "tfhub":
            check_saved_model(folder)


def check_saved_model(folder: Path, place: object | None = None) -> None:
    """Checks that a folder is a TF2 SavedModel with all its files, as far as their names and the graph's bytes say.

    Args:
        folder: holds saved_model.pb.
        place: what errors call the folder; None calls it by its path.

    Raises:
        SFTError: SFT306 if a file is missing, SFT363 for a module in TF1 format, SFT364 if the graph is empty.
    """
    place = place or folder
    graph = folder / SAVED_MODEL
    if not graph.is_file():
        raise SFTError("SFT306", place=place, file=SAVED_MODEL)
    if (folder / _TF1_MARK).exists():
        raise SFTError("SFT363", folder=place)
    if graph.stat().st_size == 0:
        raise SFTError("SFT364", folder=place, problem=f"{SAVED_MODEL} is empty")
    if _makes_variables(graph):
        for name in _variable_files(folder):
            if not (folder / name).is_file():
                raise SFTError("SFT306", place=place, file=name)


def _makes_variables(graph: Path) -> bool:
    """Whether the graph has variables: the name of the operation that makes them stands in the file as it is."""
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"VarHandleOp") >= 0


def _variable_files(folder: Path) -> list[str]:
    """The files that variables are kept in: an index, and as many shards as the names of those that are there say."""
    shards = [_SHARD.fullmatch(path.name) for path in folder.glob("variables/*")]
    count = max((int(shard[1]) for shard in shards if shard), default=1)
    data = [f"variables/variables.data-{number:05}-of-{count:05}" for number in range(count)]
    return ["variables/variables.index", *data]


def _require_shards(folder: Path, names: set[str]) -> None:
    if missing := sorted(_shards(folder) - names):
        raise SFTError("SFT306", place=folder, file=missing[0])


def _shards(folder: Path) -> set[str]:
    """The names of the files that an index divides the weights among."""
    index = folder / SAFETENSORS_INDEX
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SFTError("SFT307", path=index, problem="its weight_map cannot be read") from error
