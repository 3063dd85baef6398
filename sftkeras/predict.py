"""`python -m sftkeras.predict`: predictions for texts or a file, by an exported model or a server. Needs no Keras."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from sftkeras.bars import spinner
from sftkeras.command_line import commands
from sftkeras.command_line.remedies import in_flags_of
from sftkeras.config import DataConfig, GenerateConfig, PredictConfig
from sftkeras.console import progress_bar
from sftkeras.data.checks.findings import row_findings
from sftkeras.data.formats.unlabelled import TextBlock, TextFiles
from sftkeras.data.labels.conversations.rows import asked_blocks
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError
from sftkeras.prediction.backends import LocalModel, Model, RemoteModel, read_token
from sftkeras.prediction.files import check_ending, write_records
from sftkeras.prediction.kept_batches import kept_beside
from sftkeras.prediction.parity import ComparedModel
from sftkeras.prediction.records import RowRecords
from sftkeras.prediction.terminal import print_records

_FOR_SERVERS = (
    "name",
    "version",
    "version_label",
    "token_file",
    "tls",
    "tls_ca",
    "tls_certificate",
    "tls_key",
    "parity",
)


def main(config: PredictConfig) -> None:
    """Predicts for every text, in order."""
    if bool(config.texts) == bool(config.file):
        raise SFTError("SFT650", problem="both texts and a file are given" if config.file else "there is no text")
    if config.output:
        _check_output(Path(config.output).expanduser())
    with opened(config) as model:
        predict_rows(config, model)


def predict_rows(config: PredictConfig, model: Model) -> None:
    """Predicts for the texts or the file that the settings name, and prints the records or writes them."""
    output = Path(config.output).expanduser() if config.output else None
    data = _reading(config, model)
    asked = partial(asked_blocks, named=config.text is not None) if model.chats else None
    files = TextFiles(config.file, data, asked) if config.file else None
    _check_pairs(config, model, files, data)
    _check_options(config, model)
    _check_conversations(config, model)
    blocks = files.read() if files else iter([_typed(config.texts, model)])
    first = next(blocks, TextBlock([]))  # a mistake in the file is found before the model is loaded
    with spinner("Loading the model", Console(stderr=True)):
        model.load()
    options = (config.batch_size, config.generate, _progress(output))
    row_records = partial(RowRecords, model, *options, conversations=config.conversations)
    if output is None:
        print_records(row_records()(chain([first], blocks)), model.predictions)
    elif files and files.can_be_read_again:
        with kept_beside(output, _command(config, model)) as kept:
            predicted = row_records(kept)(chain([first], blocks))
            write_records(predicted, output, model.predictions, kept.folder)
    else:
        write_records(row_records()(chain([first], blocks)), output, model.predictions)
    for name, tally in files.tallies.items() if files else ():
        for found in row_findings([(name, tally)], data.bad_rows):
            print(in_flags_of(PredictConfig, str(found)), file=sys.stderr)


@contextmanager
def opened(config: PredictConfig) -> Iterator[Model]:
    """Opens the model that the settings name; with --parity it is compared, and ends with the largest difference.

    Raises:
        SFTError: SFT102 or SFT104 if they name none, or several, and what the backends raise.
    """
    _check_one_model(config)
    if config.model:
        with LocalModel(config.model, batch_size=config.batch_size) as local:
            yield local
        return
    with ExitStack() as stack:
        model: Model = stack.enter_context(_served(config))
        if config.parity:
            local = stack.enter_context(LocalModel(config.parity, flag="--parity", batch_size=config.batch_size))
            model = compared = ComparedModel(model, local)
        yield model
        if config.parity:
            compared.report()


def _check_one_model(config: PredictConfig) -> None:
    named = [f"--{name}" for name in ("model", "grpc", "rest") if getattr(config, name)]
    if not named:
        raise SFTError("SFT104", flag="--model", remedy="Give a folder such as saved_models/NAME, or a server.")
    if len(named) > 1:
        raise SFTError("SFT102", flag=named[1], problem=f"{named[0]} names a model already. Leave one of them out.")
    if config.model and (flag := next((name for name in _FOR_SERVERS if _is_set(config, name)), None)):
        raise SFTError("SFT102", flag=f"--{flag}", problem="is for a server, named with --grpc or --rest.")
    if config.version is not None and config.version_label:
        raise SFTError("SFT102", flag="--version_label", problem="--version names a version already. Leave one out.")
    if not config.model and not config.name:
        raise SFTError("SFT104", flag="--name", remedy="Give the name under which the server has the model.")


def _is_set(config: PredictConfig | GenerateConfig, name: str) -> bool:
    return getattr(config, name) != getattr(type(config)(), name)


def _served(config: PredictConfig) -> RemoteModel:
    from sftkeras.serving.client import TLS

    tls = TLS(config.tls_ca, config.tls_certificate, config.tls_key)
    return RemoteModel(
        str(config.grpc or config.rest),
        str(config.name),
        grpc=bool(config.grpc),
        flag="--grpc" if config.grpc else "--rest",
        version=config.version,
        version_label=config.version_label,
        token=read_token(Path(config.token_file).expanduser()) if config.token_file else None,
        tls=tls if config.tls or tls != TLS() else None,
        timeout=config.timeout,
        batch_size=config.batch_size,
    )


def _check_output(path: Path) -> None:
    """Finds out, before any text is answered, whether the file can be written."""
    with write_errors(path, "--output"):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    check_ending(path)


def _reading(config: PredictConfig, model: Model) -> DataConfig:
    """The file is read as the training data was, as far as that is known, but for what is set."""
    kept = ("text", "pair", "mark", "columns", "delimiter", "quoted", "encoding")
    known = {name: model.data[name] for name in kept if name in model.data}
    named = {name: value for name in ("text", "pair") if (value := getattr(config, name))}
    data = config.data.over(DataConfig(**known | named))
    return data if model.pairs else replace(data, pair=None)


def _check_pairs(config: PredictConfig, model: Model, files: TextFiles | None, data: DataConfig) -> None:
    remedy = ""
    if model.pairs and config.texts and len(config.texts) % 2:
        remedy = "Give each text and its second text, one after the other, or a file with a column for each by --file."
    elif model.pairs and files and not files.has_columns:
        remedy = "Give a file with a column for each, such as a .csv, with --file."
    elif model.pairs and files and not data.pair:
        remedy = "Name the column of the second text with --pair."
    elif config.pair and not model.pairs:
        remedy = "Leave --pair out."
    if remedy:
        wanted = "pairs of texts" if model.pairs else "single texts"
        raise SFTError("SFT651", flag=model.flag, model=model.name, wanted=wanted, remedy=remedy)


def _check_options(config: PredictConfig, model: Model) -> None:
    """Raises SFT658 for an option of generating that is set for a model that does not generate."""
    given = (name for name in vars(config.generate) if _is_set(config.generate, name))
    if not model.generates and (name := next(given, None)):
        raise SFTError("SFT658", flag=model.flag, model=model.name, name=name)


def _check_conversations(config: PredictConfig, model: Model) -> None:
    """Raises SFT102 or SFT104 if conversations are wanted of a model that does not chat, or for no file."""
    if config.conversations and not model.chats:
        problem = f"{model.flag} {model.name} is no chat model that answers them. Leave it out."
        raise SFTError("SFT102", flag="--conversations", problem=problem)
    if config.conversations and not config.output:
        raise SFTError("SFT104", flag="--output", remedy="Name the file of the conversations, such as taught.jsonl.")


def _command(config: PredictConfig, model: Model) -> dict[str, Any]:
    """Return what decides the predictions for given texts, by name."""
    options = {f"generate.{name}": value for name, value in vars(config.generate).items()}
    return {**model.identity, "batch_size": config.batch_size, **options}


def _progress(output: Path | None) -> Progress:
    """A bar on standard error, unless the records themselves are shown on the terminal."""
    progress = progress_bar(Console(stderr=True))
    progress.disable |= sys.stdout.isatty() and not output
    return progress


def _typed(texts: list[str], model: Model) -> TextBlock:
    """The texts of the command line; a model of pairs takes them in twos."""
    return TextBlock(texts[::2], texts[1::2]) if model.pairs else TextBlock(texts)


if __name__ == "__main__":
    commands.run(main, PredictConfig)
