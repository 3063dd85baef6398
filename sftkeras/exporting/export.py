"""A trained model to a published version: written aside, proved in a fresh process, then renamed."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from sftkeras.disk.files import sha256_of, write_errors
from sftkeras.errors import SFTError
from sftkeras.exporting import contract as contracts
from sftkeras.exporting.canonical_graph import op_names
from sftkeras.exporting.contract import ModelOrigin
from sftkeras.exporting.exported import ExportedVersion, note_version, noted_version
from sftkeras.exporting.generating_parity import check_generating
from sftkeras.exporting.generation_file import write_generation
from sftkeras.exporting.op_gate import check_server, known_release, server_needs
from sftkeras.exporting.parity import Samples, check_parity, check_signatures, odd_samples
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.rounding import Rounding, rounded_weights
from sftkeras.exporting.saved_model import describe_signatures, write_saved_model
from sftkeras.exporting.server_config import splitting_warning, write_server_config
from sftkeras.exporting.signatures import PAIR, TEXT
from sftkeras.exporting.versions import draft, publish
from sftkeras.exporting.warm_up import write_generating_warm_up, write_warm_up
from sftkeras.runtime import versions
from sftkeras.tasks import TextModel
from sftkeras.tasks.generating import Generating


def export(
    text_model: TextModel,
    folder: Path,
    *,
    origin: ModelOrigin,
    sample_texts: Sequence[str] = (),
    sample_pairs: Sequence[str] | None = None,
    process: PredictionProcess | None = None,
    server: str | None = None,
    flag: str = "--export.folder",
    note: Path | None = None,
    prove: Callable[[Generating, PredictionProcess], None] | None = None,
    rounding: Rounding | None = None,
) -> ExportedVersion:
    """Publishes a model as the next version in `folder`, whose name is the served model's.

    A process that is killed right after cannot report that it has published; if it leaves a note before, the next one
    takes the version that it finds by it, and publishes no second one.

    Args:
        text_model: the model, in float32.
        folder: FOLDER/NAME.
        origin: where the model comes from, for the contract.
        sample_texts: texts, besides odd ones of our own, on which the export must agree with the model.
        sample_pairs: the second texts of `sample_texts`; only a model of pairs looks at them.
        process: proves the export and has it loaded afterwards, ready to predict; None starts one for the proof.
        server: a release of TensorFlow Serving that must be able to load it, see `op_gate.known_release`.
        flag: the setting that decides `folder`, named in errors.
        note: the file for that note; None leaves none.
        prove: another proof of a model that generates, which raises if it fails; nothing is published then.
        rounding: the precision that weights are rounded to, and the rows on which the export must predict as the model
            does, in place of numbers that are equal; None rounds nothing.

    Raises:
        SFTError: SFT106 or SFT108 if it cannot be written, SFT512 if `server` cannot load it, SFT505, SFT510 or SFT511
            if the export's predictions differ from the model's, SFT520 if those of a rounded one differ too often, and
            SFT521 if the model cannot be rounded. Nothing is published then, and nothing left behind.
    """
    with contextlib.ExitStack() as stack:
        # Started first: it imports TensorFlow while the graph is traced and written here.
        process = process or stack.enter_context(PredictionProcess())
        if note and (published := noted_version(note, folder, server)):
            process.load(published.path)
            kept = contracts.read_contract(published.path)
            return replace(published, warnings=_server_warnings(folder.parent, flag, kept))
        path = stack.enter_context(draft(folder, flag))
        rounded = stack.enter_context(rounded_weights(text_model, rounding)) if rounding else None
        generating = text_model.task.generating(text_model)
        with saving_errors(folder, flag):
            graph, parameter_bytes = write_saved_model(
                text_model, path, generating, rounded.weights if rounded else None
            )
            needs = server_needs(graph)
            if server:
                check_server(graph, known_release(server))
            if generating:
                write_generation(path, generating.facts)
                write_generating_warm_up(path, folder.name, generating)
            else:
                write_warm_up(path, folder.name, graph.signature_def, pairs=text_model.features.pairs)
        process.load(path)
        agreement = None
        if generating:
            parity = check_generating(text_model, generating, process, sample_texts)
            if prove:
                prove(generating, process)
        elif rounded:
            check_signatures(text_model, process, odd_samples(pairs=text_model.features.pairs))
            agreement = rounded.check(process)
            parity = agreement.largest_difference
        else:
            second = tuple(sample_pairs) if text_model.features.pairs and sample_pairs is not None else None
            parity = _prove(text_model, process, Samples(tuple(sample_texts), second))
        with saving_errors(folder, flag):
            contract = _contract(text_model, folder.name, graph, origin, path)
            contract |= {"minimum_server": needs.minimum, "parity": parity}
            if rounded and agreement:
                contract |= {"precision": rounded.weights.precision, "agreement": asdict(agreement)}
            if generating and (chat := generating.facts["chat"]):
                contract |= {"chat": {"compiled": chat["compiled"]}}
            contract |= {"sample": _sample(process, contract)}
            contracts.write_contract(path, contract)
            stored = sum(file.stat().st_size for file in (path / "variables").iterdir())

            def version_at(place: Path) -> ExportedVersion:
                return ExportedVersion(place, int(place.name), parity, stored / parameter_bytes, needs.minimum)

            def leave_note(place: Path) -> None:
                if note:
                    with write_errors(note.parent, "--runs"):
                        note_version(note, version_at(place), contract, server)

            process.version = publish(path, leave_note)
    warnings = _server_warnings(folder.parent, flag, contract)
    if warning := needs.warning():
        warnings = (warning, *warnings)
    return replace(version_at(process.version), warnings=warnings, agreement=agreement)


def _server_warnings(folder: Path, flag: str, contract: dict[str, Any]) -> tuple[SFTError, ...]:
    """Renews the server's configuration beside the models, and returns what is wrong with it. The version is published
    already, so a fault stops nothing."""
    try:
        write_server_config(folder, flag)
    except SFTError as error:
        return (error,)
    warning = splitting_warning(folder) if contracts.predictions_in(contract).lists else None
    return (warning,) if warning else ()


@contextlib.contextmanager
def saving_errors(folder: Path, flag: str) -> Iterator[None]:
    """Turns what TensorFlow raises when it cannot write into what Python would, and that into SFT106 or SFT108."""
    with write_errors(folder, flag):
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            raise OSError(errno.ENOSPC, error.message) from error
        except (tf.errors.PermissionDeniedError, tf.errors.NotFoundError, tf.errors.UnknownError) as error:
            raise OSError(errno.EIO, error.message.split(";")[-1].strip()) from error


def _contract(
    text_model: TextModel, name: str, graph: MetaGraphDef, origin: ModelOrigin, version: Path
) -> dict[str, Any]:
    return {
        "schema": contracts.SCHEMA,
        "name": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": text_model.task.settings(),
        "pairs": text_model.features.pairs,
        "max_length": text_model.features.max_length,
        "signatures": describe_signatures(graph),
        "operations": op_names(graph),
        "origin": asdict(origin),
        "metrics": None,
        "weights_sha256": sha256_of(version / contracts.WEIGHTS),
        "graph_sha256": sha256_of(version / "saved_model.pb"),
        "features_fingerprint": text_model.features.fingerprint,
        "versions": versions(),
    }


def _prove(text_model: TextModel, process: PredictionProcess, given: Samples) -> float:
    """Compares the export with the model: every signature on odd texts, raw strings also on those given."""
    odd = odd_samples(pairs=text_model.features.pairs)
    parity = check_parity(text_model, process, odd, process.signatures)
    return max(parity, check_parity(text_model, process, given, ["serving_default"])) if given.texts else parity


def _sample(process: PredictionProcess, contract: dict[str, Any]) -> dict[str, Any]:
    """One request and its response, as the REST interface has them. The text is the task's, not from anybody's data."""
    example = contracts.predictions_in(contract).example(contract["task"])
    inputs = {name: [example[name]] for name in (TEXT, PAIR) if name in process.signatures["serving_default"]["inputs"]}
    outputs = {name: array.tolist() for name, array in process.run("serving_default", inputs).items()}
    request = {"signature_name": "serving_default", "inputs": inputs}
    return {"request": request, "response": {"outputs": outputs}}
