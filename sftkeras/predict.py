"""`python -m sftkeras.predict`: texts or a file to answers, from an exported model or a server. Needs no Keras."""

from __future__ import annotations

import errno
import io
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
from rich.text import Text

from sftkeras.command_line import commands
from sftkeras.command_line.remedies import in_flags_of
from sftkeras.config import DataConfig, PredictConfig
from sftkeras.console import progress_bar
from sftkeras.data.checks.findings import SHOWN, place, row_findings
from sftkeras.data.formats.unlabelled import TextFiles, Texts
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError
from sftkeras.plurals import counted
from sftkeras.prediction.backends import LocalModel, Model, RemoteModel, read_token
from sftkeras.prediction.files import check_ending, json_line, write_records
from sftkeras.prediction.parity import ComparedModel
from sftkeras.tasks.predictions import KEYS, records

Record = dict[str, Any]

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

_BAR = 20  # characters
_NUMBERS = 4  # of a vector that are shown


def main(config: PredictConfig) -> None:
    """Answers every text, in order."""
    if bool(config.texts) == bool(config.file):
        raise SFTError("SFT650", problem="both texts and a file are given" if config.file else "there is no text")
    output = Path(config.output).expanduser() if config.output else None
    if output:
        _check_output(output)
    with opened(config) as model:
        data = _reading(config, model)
        files = TextFiles(config.file, data) if config.file else None
        _check_pairs(config, model, files, data)
        blocks = files.read() if files else iter([_typed(config.texts, model)])
        first = next(blocks, Texts([]))  # a mistake in the file is found before the model is loaded
        model.load()
        answers = _answers(model, chain([first], blocks), config)
        if output:
            write_records(answers, output)
        elif sys.stdout.isatty():
            _show(answers, Console(highlight=False))
        else:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(encoding="utf-8")  # JSON Lines are, whatever the terminal is set to
            _print_lines(answers)
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


def _is_set(config: PredictConfig, name: str) -> bool:
    return getattr(config, name) != getattr(PredictConfig(), name)


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


def _typed(texts: list[str], model: Model) -> Texts:
    """The texts of the command line; a model of pairs takes them in twos."""
    return Texts(texts[::2], texts[1::2]) if model.pairs else Texts(texts)


def _answers(model: Model, blocks: Iterator[Texts], config: PredictConfig) -> Iterator[Record]:
    """Yields each text with the other columns of its row and its answer. Progress is shown where no answers are."""
    progress = progress_bar(Console(stderr=True))
    progress.disable |= sys.stdout.isatty() and not config.output
    names, empty = _ColumnNames(), _EmptyTexts()
    read = 0
    with progress:
        task = progress.add_task("Answering", total=None, note="")
        for block in blocks:
            empty.look_for(block)
            read += len(block.texts)
            progress.update(task, total=read / block.done if block.done else None, note=f"{read:,} read")
            if not block.texts:
                continue
            found = list(records(model.predict(block.texts, block.pairs, partial(progress.advance, task))))
            others = names.free_of(found, block)
            for row, record in enumerate(found):
                pair = {} if block.pairs is None else {"pair": block.pairs[row]}
                kept = {name: cells[row] for name, cells in others.items()}
                yield {"text": block.texts[row], **pair, **kept, **record}
    if empty.count:
        print(empty.in_words(read), file=sys.stderr)


class _EmptyTexts:
    """Rows with an empty text: how many there are, and where the first ones stand."""

    def __init__(self) -> None:
        self.count = 0
        self._places: list[str] = []

    def look_for(self, block: Texts) -> None:
        """Counts those of a block."""
        for row, texts in enumerate(zip(block.texts, block.pairs or block.texts, strict=True)):
            if all(map(str.strip, texts)):
                continue
            self.count += 1
            if block.places and len(self._places) < SHOWN:
                self._places.append(place(*block.places[row]))

    def in_words(self, rows: int) -> str:
        """Says how many of some rows they are."""
        more = ", …" if self.count > len(self._places) else ""
        places = f" ({', '.join(self._places)}{more})" if self._places else ""
        means = "its answer means" if self.count == 1 else "their answers mean"
        return f"{counted(self.count, 'empty text')} among {counted(rows, 'row')}{places}: {means} nothing."


class _ColumnNames:
    """Names of the further columns of a file beside the answers: a name that answers have too gets `input_` before."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken = {"text", "pair", *KEYS}

    def free_of(self, answers: list[Record], block: Texts) -> dict[str, list[Any]]:
        """Returns the other columns of a block by names that neither its answers have nor those before."""
        self._taken |= {name for answer in answers for name in answer}
        for column in block.others:
            if column not in self._names:
                name = column
                while name in self._taken:
                    name = f"input_{name}"
                self._names[column] = name
                self._taken.add(name)
        return {self._names[column]: cells for column, cells in block.others.items()}


def _print_lines(answers: Iterator[Record]) -> None:
    for answer in answers:
        sys.stdout.write(json_line(answer))
        sys.stdout.flush()  # whoever reads the pipe may be waiting


def _show(answers: Iterator[Record], console: Console) -> None:
    for answer in answers:
        if "entities" in answer:
            console.print(_marked(answer), soft_wrap=True)
            continue
        if "no_answer" in answer:
            console.print(_answered(answer), soft_wrap=True)
            continue
        if "masks" in answer:
            console.print(_filled(answer), soft_wrap=True)
            continue
        line = _verdict(answer)
        line.append("  " + " | ".join(_printable(answer[name]) for name in ("text", "pair") if name in answer))
        console.print(line, overflow="ellipsis", no_wrap=True)


def _marked(answer: Record) -> Text:
    """The text with its entities marked, and the label after each."""
    line, end = Text(), 0
    for entity in answer["entities"]:
        line.append(_printable(answer["text"][end : entity["start"]]))
        line.append(_printable(entity["text"]), "bold underline")
        line.append(f" {entity['label']} {entity['score']:.2f}", "green")
        end = entity["end"]
    return line.append(_printable(answer["text"][end:]))


def _answered(answer: Record) -> Text:
    """The question, its answer, and the context with the answer marked."""
    context, start, end = answer["pair"], max(answer["start"], 0), max(answer["end"], 0)
    shown = _printable(answer["answer"]) or "no answer"
    return Text.assemble(
        (f"{_printable(answer['text'])}  ", "dim"),
        (shown, "bold"),
        (f" {answer['score']:.2f}  ", "green"),
        _printable(context[:start]),
        (_printable(context[start:end]), "bold underline"),
        _printable(context[end:]),
    )


def _filled(answer: Record) -> Text:
    """What may stand at each mask of the text; for a text without any, how well the model knows it."""
    if "perplexity" in answer:
        line = Text(f"perplexity {answer['perplexity']:,.1f}", style="bold")
    else:
        guesses = ([f"{_printable(it['token'])} {it['probability']:.2f}" for it in mask] for mask in answer["masks"])
        line = Text(" | ").join(Text.assemble((mask[0], "bold"), "  " + "  ".join(mask[1:])) for mask in guesses)
    return line.append("  " + _printable(answer["text"]))


def _verdict(answer: Record) -> Text:
    if "value" in answer:
        return Text(f"{answer['value']:>12,.6g}", style="bold")
    if "vector" in answer:
        first = " ".join(f"{number:.4f}" for number in answer["vector"][:_NUMBERS])
        return Text(f"{first} … ({len(answer['vector']):,} numbers)", style="bold")
    probabilities: dict[str, float] = answer["probabilities"]
    width = max(map(len, probabilities))
    if "label" in answer:
        return _bar(answer["label"], answer["probability"], width)
    return Text("  ").join(
        _bar(name, probability, width) if name in answer["labels"] else Text(f"{name} {probability:.2f}", style="dim")
        for name, probability in probabilities.items()
    )


def _bar(label: str, probability: float, width: int) -> Text:
    full = round(probability * _BAR)
    return Text.assemble(
        (f"{label:<{width}}", "bold"), " ", ("━" * full, "green"), ("━" * (_BAR - full), "dim"), f" {probability:.2f}"
    )


def _printable(text: str) -> str:
    """Without what could steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


if __name__ == "__main__":
    commands.run(main, PredictConfig)
