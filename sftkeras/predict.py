"""`python -m sftkeras.predict`: texts or a file to answers, from an exported model. Needs no Keras."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from sftkeras import commands
from sftkeras.cache import write_aside, write_errors
from sftkeras.config import DataConfig, PredictConfig
from sftkeras.console import progress_bar
from sftkeras.data.unlabelled import Texts, has_columns, read_texts
from sftkeras.errors import SFTError
from sftkeras.exporting.answers import records
from sftkeras.exporting.contract import check_weights, read_contract
from sftkeras.exporting.fresh_process import FreshProcess
from sftkeras.exporting.versions import find_version

Record = dict[str, Any]

_BAR = 20  # characters


def main(config: PredictConfig) -> None:
    """Answers every text, in order."""
    if bool(config.texts) == bool(config.file):
        raise SFTError("SFT650", problem="both texts and a file are given" if config.file else "there is no text")
    version = find_version(config.model)
    contract = read_contract(version)
    columns = _columns(config, contract)
    _check_pairs(config, takes_pairs=contract["pairs"], pair_column=columns.pair)
    blocks = iter([Texts(config.texts)]) if config.texts else read_texts(str(config.file), columns)
    with FreshProcess(gpu=True) as process:
        first = next(blocks, Texts([]))  # a mistake in the file is told before the model is loaded
        check_weights(version, contract)
        process.load(version)
        answers = _answers(process, chain([first], blocks), config)
        if config.output:
            _write(answers, Path(config.output).expanduser())
        elif sys.stdout.isatty():
            _show(answers, Console(highlight=False))
        else:
            _print_lines(answers, sys.stdout)


def _columns(config: PredictConfig, contract: dict[str, Any]) -> DataConfig:
    """The file is read as the training data was, but for the columns that are named."""
    trained = contract["origin"].get("data", {})
    known = {name: trained[name] for name in ("text", "pair", "delimiter", "quoted", "encoding") if name in trained}
    named = {name: value for name in ("text", "pair") if (value := getattr(config, name))}
    data = DataConfig(**known | named)
    return data if contract["pairs"] else replace(data, pair=None)


def _check_pairs(config: PredictConfig, *, takes_pairs: bool, pair_column: str | None) -> None:
    remedy = ""
    if takes_pairs and (config.texts or not has_columns(str(config.file))):
        remedy = "Give a file with a column for each, such as a .csv, with --file."
    elif takes_pairs and not pair_column:
        remedy = "Name the column of the second text with --pair."
    elif config.pair and not takes_pairs:
        remedy = "Leave --pair out."
    if remedy:
        wanted = "pairs of texts" if takes_pairs else "single texts"
        raise SFTError("SFT651", model=config.model, wanted=wanted, remedy=remedy)


def _answers(process: FreshProcess, blocks: Iterator[Texts], config: PredictConfig) -> Iterator[Record]:
    """Yields each text with its answer. Progress is shown where no answers are."""
    progress = progress_bar(Console(stderr=True))
    progress.disable |= sys.stdout.isatty() and not config.output
    with progress:
        task = progress.add_task("Answering", total=None, note="")
        read = 0
        for block in blocks:
            read += len(block.texts)
            progress.update(task, total=read / block.done if block.done else None, note=f"{read:,} read")
            answered = partial(progress.advance, task)
            found = process.answer(block.texts, block.pairs, batch_size=config.batch_size, progress=answered)
            for row, record in enumerate(records(found)):
                pair = {} if block.pairs is None else {"pair": block.pairs[row]}
                yield {"text": block.texts[row], **pair, **record}


def _write(answers: Iterator[Record], path: Path) -> None:
    def write(aside: Path) -> None:
        with aside.open("w", encoding="utf-8") as file:
            _print_lines(answers, file)

    with write_errors(path, "--output"):
        write_aside(path, write)


def _print_lines(answers: Iterator[Record], file: TextIO) -> None:
    for answer in answers:
        file.write(json.dumps(answer, ensure_ascii=False) + "\n")


def _show(answers: Iterator[Record], console: Console) -> None:
    for answer in answers:
        line = _verdict(answer)
        line.append("  " + " | ".join(_printable(answer[name]) for name in ("text", "pair") if name in answer))
        console.print(line, overflow="ellipsis", no_wrap=True)


def _verdict(answer: Record) -> Text:
    if "value" in answer:
        return Text(f"{answer['value']:>12,.6g}", style="bold")
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
