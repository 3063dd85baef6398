"""What a message advises can be typed in the command that shows it: the flags it names are flags of that command."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from sftkeras.command_line.remedies import flags_in, flags_of, in_flags_of
from sftkeras.config import (
    CompareConfig,
    EvaluateConfig,
    ExportCommandConfig,
    LaunchConfig,
    PredictConfig,
    PublishConfig,
    ServeConfig,
    ShrinkConfig,
    TrainConfig,
)
from sftkeras.errors import CATALOGUE

ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, type] = {
    "train": TrainConfig,
    "launch": LaunchConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "export": ExportCommandConfig,
    "predict": PredictConfig,
    "publish": PublishConfig,
    "serve": ServeConfig,
    "shrink": ShrinkConfig,
}
# Commands import whole packages for a part of them. These codes are of one command, whoever imports their module:
OF_ONE_COMMAND = {
    "predict": {code for code in CATALOGUE if "SFT650" <= code <= "SFT669"},
    "serve": {code for code in CATALOGUE if code.startswith("SFT7")},
    "publish": {"SFT377", "SFT378", "SFT379", "SFT381"},
    "evaluate": {"SFT110"},
    # The folder of a run that is to be made, and settings that a finished run has passed.
    "train": {
        "SFT105",
        "SFT111",
        "SFT231",
        "SFT240",
        "SFT243",
        "SFT115",
        "SFT259",
        "SFT290",
        "SFT401",
        "SFT403",
        "SFT413",
        "SFT465",
        "SFT421",
        "SFT430",
        "SFT434",
        "SFT440",
        "SFT463",
        "SFT464",
        "SFT468",
        "SFT610",
    }
    | {"SFT351", "SFT366", "SFT396", "SFT397"}
    | {
        f"SFT{number}"
        for number in (*range(369, 375), 376, *range(382, 388), *range(481, 487), *range(488, 493), *range(495, 500))
    },
}
LABELS = {"SFT214", "SFT215", "SFT217", "SFT218", *(f"SFT{number}" for number in (*range(220, 226), *range(228, 234)))}
LABELS |= {"SFT237", "SFT239", "SFT260", "SFT261", *(f"SFT{number}" for number in range(244, 250))}
LABELS |= {f"SFT{number}" for number in (*range(250, 258), 267, 270, 271, *range(280, 287))}
# Of those that evaluate a model; the others know tasks, and these their figures.
EVALUATION = {code for code in CATALOGUE if code.startswith("SFT60")}
NOT_RAISED = {
    # Reads data by the run's own settings alone, and these are what is to be mended.
    "export": {code for code in CATALOGUE if code.startswith("SFT2")} | EVALUATION,
    "publish": {code for code in CATALOGUE if code.startswith("SFT2")} | EVALUATION | {"SFT520", "SFT521"},
    "serve": {code for code in CATALOGUE if code[3] in "23"} | EVALUATION,
    "predict": LABELS | EVALUATION | {"SFT272", "SFT278"},  # reads no labels, nor what is learned
    # Reads the run's rows by its own settings; those for other files, which it has too, name no labels.
    "shrink": {code for code in CATALOGUE if code.startswith("SFT2") or "SFT404" <= code <= "SFT469"}
    | EVALUATION
    | {"SFT520", "SFT521"},
    # What chooses how an export predicts stands beside the stages of training.
    "evaluate": {code for code in CATALOGUE if "SFT404" <= code <= "SFT469"},
    "compare": {code for code in CATALOGUE if code[3] in "2345"} | EVALUATION,  # reads reports
    "launch": set(CATALOGUE) - {"SFT101", "SFT102", "SFT103", "SFT106", "SFT108", "SFT435"},
}
# Settings of the training that decide how another file is read, or what the model is: the message says whose they are.
OF_THE_TRAINING = {
    "evaluate": {
        "SFT220",
        "SFT227",
        "SFT228",
        "SFT229",
        "SFT232",
        "SFT237",
        "SFT249",
        "SFT260",
        "SFT261",
        "SFT270",
        "SFT271",
    },
    "predict": {"SFT227"},
}
# A message may give a whole command.
_WHOLE_COMMAND = re.compile(r"python -m sftkeras\.(\w+)((?: --\S+ \S+)*)")
# Programs of others that messages name with flags of their own.
OTHERS = {
    "upgrade",
    "distribution",
    "logdir",
    "model_name",
    "model_base_path",
    "enable_batching",
    "monitoring_config_file",
    "merge",
}


@cache
def source(module: str) -> ast.Module | None:
    path = ROOT / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text("utf-8")) if file.exists() else None


@cache
def imported(module: str) -> frozenset[str]:
    tree, found = source(module), set[str]()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sftkeras"):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@cache
def reached(command: str) -> frozenset[str]:
    """The modules that a command imports, directly or by others."""
    found, new = set[str](), {f"sftkeras.{command}"}
    while new:
        module = new.pop()
        found.add(module)
        names = {*imported(module), module.rpartition(".")[0]} - {"", "sftkeras"}  # which imports only on demand
        new |= {name for name in names if source(name) is not None} - found
    return frozenset(found - {f"sftkeras.{other}" for other in COMMANDS if other != command})


@cache
def strings_in(module: str) -> dict[str, str]:
    """The strings in the code of a module, and where each is; the catalogue is apart."""
    tree = source(module)
    if module.startswith("sftkeras.errors") or tree is None:
        return {}
    nodes = list(ast.walk(tree))
    documents = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in documents]
    return {node.value: f"{module}:{node.lineno}" for node in constants if isinstance(node.value, str)}


@cache
def strings(command: str) -> dict[str, str]:
    """The strings in the code of a command and of what it imports, and where each is."""
    return {string: place for module in reached(command) for string, place in strings_in(module).items()}


def codes(command: str) -> list[str]:
    others = {code for name, those in OF_ONE_COMMAND.items() if name != command for code in those}
    return sorted((set(strings(command)) & set(CATALOGUE)) - others - NOT_RAISED.get(command, set()))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_every_flag_that_its_errors_name(command: str) -> None:
    wrong = {}
    for code in codes(command):
        worded = in_flags_of(COMMANDS[command], CATALOGUE[code])
        for other, words in _WHOLE_COMMAND.findall(worded):
            assert set(flags_in(words)) <= flags_of(COMMANDS[other]), code
        worded = _WHOLE_COMMAND.sub("", worded)
        known = flags_of(COMMANDS[command]) | OTHERS
        if "rain again" in worded or "of sftkeras.train" in worded or code in OF_THE_TRAINING.get(command, ()):
            known |= flags_of(TrainConfig)
        if unknown := set(flags_in(worded)) - known:
            wrong[code] = unknown
    assert wrong == {}


def test_the_codes_of_a_command_are_found() -> None:
    assert {"SFT204", "SFT412", "SFT511", "SFT603"} <= set(codes("train"))
    assert {"SFT204", "SFT205", "SFT602", "SFT110"} <= set(codes("evaluate"))
    assert {"SFT204", "SFT205", "SFT651"} <= set(codes("predict"))
    assert "SFT204" not in codes("serve")


def test_every_flag_that_the_code_names_is_a_flag_of_some_command() -> None:
    known = set().union(*map(flags_of, COMMANDS.values())) | OTHERS
    groups = {name.rpartition(".")[0] for name in known}
    unknown = {
        where: flag
        for command in COMMANDS
        for string, where in strings(command).items()
        if not string.startswith("--") or "." in string  # a word such as "--dest" is for pip
        for flag in flags_in(string)
        if flag not in known | groups
    }
    assert unknown == {}


@pytest.mark.parametrize(
    ("command", "message", "worded"),
    [
        (EvaluateConfig, "no column x (--data.label).", "no column x (--label)."),
        (EvaluateConfig, "give a file with --data.test", "give a file with --data.test"),
        (PredictConfig, "no column x (--data.text).", "no column x (--text)."),
        (PublishConfig, "--backbone.handle nowhere: no such folder.", "--handle nowhere: no such folder."),
        (TrainConfig, "check --data.label.", "check --data.label."),
        (ExportCommandConfig, "Train again with --seed 1.", "Train again with --seed 1."),
        (
            EvaluateConfig,
            "Set --task.multi_label true.",
            "Set --task.multi_label true. (--task.multi_label: set when a model is trained, with sftkeras.train.)",
        ),
    ],
)  # fmt: skip
def test_a_message_names_the_flags_of_the_command_that_shows_it(command: type, message: str, worded: str) -> None:
    assert in_flags_of(command, message) == worded
