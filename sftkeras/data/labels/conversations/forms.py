"""The forms in which files keep conversations, told apart by their columns; and a row of each as a list of messages.

What the messages hold is read in `messages`; here it is only put in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import shortened
from sftkeras.data.formats.cells import cell_text, is_missing, shown, structured
from sftkeras.data.formats.read import column_names, read_blocks, wanted_columns
from sftkeras.data.formats.sources import Source
from sftkeras.errors import SFTError

Row = Mapping[str, Any]

_MESSAGES = ("messages", "conversations", "conversation")
_PAIRS = (("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("text", "label"))
_BESIDE = ("tools", "system")  # columns that may stand beside the messages


@dataclass(frozen=True)
class Form:
    """Form in which the rows of a file keep a conversation.

    Attributes:
        name: what the data check calls it.
        columns: the columns to read, each with the setting that names it.
        messages: the messages of a row as the file has them, or why there are none.
    """

    name: str
    columns: Mapping[str, str]
    messages: Callable[[Row], list[Any] | Fault]


def find_form(source: Source, config: DataConfig) -> Form:
    """Finds the form of a file by its columns; data.text and data.label name others.

    Raises:
        SFTError: SFT278 if there are no such columns, and as `read_blocks`.
    """
    names = column_names(source, config)
    if names is None:
        raise _no_form(source, ["lines of text"])
    if config.label:
        return _pair_form(config.text_column, config.label_column, source, config, names)
    for name in (config.text,) if config.text else _MESSAGES:
        if name in names or config.text:
            return _list_form(str(name), source, config, names)
    if "instruction" in names and "output" in names:
        return _alpaca_form(source, config, names)
    for prompt, completion in _PAIRS:
        if prompt in names and completion in names:
            return _pair_form(prompt, completion, source, config, names)
    raise _no_form(source, names)


def find_asked_form(source: Source, config: DataConfig, *, named: bool) -> Form | None:
    """Finds the form in which a file keeps what is asked, with answers or without; None for a column of plain texts.

    Args:
        named: whether `config.text` was named for this file, not for that of the training.

    Raises:
        SFTError: as `read_blocks`.
    """
    names = column_names(source, config)
    if names is None:
        return None
    column = config.text_column
    if not named and not (config.text and column in names):
        if found := next((name for name in _MESSAGES if name in names), None):
            return _list_form(found, source, config, names)
        if "instruction" in names:
            return _alpaca_form(source, config, names)
        prompts = (prompt for prompt, _ in _PAIRS if prompt in names)
        column = column if column in names else next(prompts, column)
    if column in names and _holds_messages(source, column, config):
        return _list_form(column, source, config, names)
    return None if column == config.text_column else _question_form(column, source, config, names)


def _holds_messages(source: Source, column: str, config: DataConfig) -> bool:
    """Whether the first cell of a column that is not empty has messages."""
    for block in read_blocks(source, {column: "--text"}, config):
        for cell in block.columns[column]:
            if not is_missing(cell):
                value = structured(cell)
                return isinstance(value, list) and _are_messages(value)
    return False


def _question_form(column: str, source: Source, config: DataConfig, names: list[str]) -> Form:
    """A column of questions."""

    def messages(row: Row) -> list[Any] | Fault:
        return [*_system(row), _said("user", row[column])]

    own = {column: "--text", **_beside(names, "--text")}
    return Form(f"questions (column {column})", _columns(source, config, own), messages)


def _no_form(source: Source, names: list[str]) -> SFTError:
    columns = ", ".join(shortened(name) for name in names[:30]) + (", …" if len(names) > 30 else "")
    return SFTError("SFT278", file=source.name, columns=columns)


def _columns(source: Source, config: DataConfig, own: Mapping[str, str]) -> dict[str, str]:
    """The columns of a form, with those that data.weight and data.where name."""
    others = wanted_columns(config, source.part, labelled=False)
    return dict(own) | {name: flag for name, flag in others.items() if flag != "--data.text"}


def _beside(names: list[str], flag: str) -> dict[str, str]:
    return {name: f"which goes with {flag}" for name in _BESIDE if name in names}


def _list_form(column: str, source: Source, config: DataConfig, names: list[str]) -> Form:
    """A column of lists of messages: those of OpenAI, with role and content, or of ShareGPT, with from and value."""
    columns = _columns(source, config, {column: "--data.text", **_beside(names, "--data.text")})

    def messages(row: Row) -> list[Any] | Fault:
        found = _list_of(row[column], column)
        return found if isinstance(found, Fault) else [*_system(row), *found]

    return Form(f"lists of messages (column {column})", columns, messages)


def _alpaca_form(source: Source, config: DataConfig, names: list[str]) -> Form:
    """Alpaca: an instruction, perhaps with an input, an output, and what was said before as pairs in `history`."""
    own = [name for name in ("instruction", "input", "output", "history", *_BESIDE) if name in names]

    def messages(row: Row) -> list[Any] | Fault:
        history = [] if is_missing(row.get("history")) else _list_of(row["history"], "history")
        if isinstance(history, Fault):
            return history
        found = _system(row)
        for pair in history:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
                return Fault("SFT262", {"problem": f"{shown(pair)} in column history is no question with its answer"})
            found += [_said("user", pair[0]), _said("assistant", pair[1])]
        question = [text for name in ("instruction", "input") if (text := _text(row.get(name)))]
        return [*found, _said("user", "\n".join(question)), _said("assistant", row.get("output"))]

    columns = _columns(source, config, dict.fromkeys(own, "of Alpaca's format"))
    return Form(f"instructions (columns {', '.join(own)})", columns, messages)


def _pair_form(prompt: str, completion: str, source: Source, config: DataConfig, names: list[str]) -> Form:
    """Two columns: texts of the user and the assistant, or lists of messages of which only the second's are learned."""

    def messages(row: Row) -> list[Any] | Fault:
        before, after = structured(row[prompt]), structured(row[completion])
        if isinstance(before, list) and _are_messages(before):
            before = [{"weight": 0, **message} if isinstance(message, dict) else message for message in before]
        else:
            before = [_said("user", row[prompt])]
        after = after if isinstance(after, list) and _are_messages(after) else [_said("assistant", row[completion])]
        return [*_system(row), *before, *after]

    own = {prompt: "--data.text", completion: "--data.label", **_beside(names, "--data.text")}
    return Form(f"questions and answers (columns {prompt}, {completion})", _columns(source, config, own), messages)


def _are_messages(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, dict) and ({"role", "from"} & value.keys()) for value in values)


def _list_of(cell: Any, column: str) -> list[Any] | Fault:
    """The list that a cell holds, also as JSON or Python writes it."""
    value = structured(cell)
    if isinstance(value, list):
        return value
    problem = f"no conversation in column {column}"
    if not is_missing(value):
        broken = isinstance(value, str) and value.lstrip().startswith("[")
        problem = f"{shown(value)} in column {column} is {'not valid JSON' if broken else 'no list of messages'}"
    return Fault("SFT262", {"problem": problem})


def _system(row: Row) -> list[Any]:
    return [_said("system", text)] if (text := _text(row.get("system"))) else []


def _said(role: str, cell: Any) -> dict[str, Any]:
    return {"role": role, "content": _text(cell)}


def _text(cell: Any) -> Any:
    """A text as it is, also its outer spaces; of other cells, what they are as text; nothing for an empty one."""
    return cell if isinstance(cell, str) and cell.strip() else cell_text(cell) or ""
