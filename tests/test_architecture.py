"""The shape of the code: imports point one way, what must be quick stays light, and no error is left out.

The order is that of the layout: commands, then what they use, down to settings and errors.
"""

from __future__ import annotations

import ast
import graphlib
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sftkeras import tasks
from sftkeras.errors import CATALOGUE

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sftkeras"
MODULES = sorted(PACKAGE.rglob("*.py"))

COMMANDS = {"train", "launch", "evaluate", "compare", "export", "predict", "publish", "serve", "shrink"}
# What each part may import of the others. A part is a folder, or a module beside the folders.
BASIS = {"errors", "config", "plurals"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "plurals": set(),
    "processor": set(),
    "timeline": set(),
    "config": set(),
    "conversations": set(),
    "disk": {"errors"},
    "bars": set(),
    "console": {"errors", "bars"},
    "runtime": {*BASIS, "internals", "console"},
    "handles": {"errors", "disk", "runtime", "bars"},
    "data": {*BASIS, "conversations", "disk", "console", "handles"},
    "text": {"errors", "conversations"},
    "internals": set(),
    "graphs": set(),
    "backbones": {"internals", "errors", "disk", "handles", "text", "graphs"},
    "generation": {"text"},
    "tasks": {"internals", *BASIS, "conversations", "backbones", "text", "data", "evaluation", "generation"},
    "objectives": {"backbones", "tasks"},
    "tuning": {*BASIS, "disk", "backbones"},
    "layers": {"runtime", "backbones", "tasks"},
    "runs": {*BASIS, "disk", "backbones", "tasks", "text", "tuning"},
    "training": {
        "internals",
        *BASIS,
        "disk",
        "bars",
        "console",
        "runtime",
        "handles",
        "data",
        "text",
        "backbones",
        "tasks",
        "tuning",
        "objectives",
        "runs",
    },
    "exporting": {
        "internals",
        *BASIS,
        "disk",
        "console",
        "runtime",
        "conversations",
        "text",
        "generation",
        "backbones",
        "tasks",
        "runs",
    },
    "distillation": {
        *BASIS,
        "disk",
        "console",
        "runtime",
        "data",
        "text",
        "backbones",
        "tasks",
        "objectives",
        "runs",
        "training",
        "exporting",
    },
    "evaluation": {*BASIS, "disk", "console", "timeline"},
    "serving": {"internals", "errors", "conversations", "text", "generation", "tasks", "exporting", "graphs"},
    "publishing": {
        *BASIS,
        "disk",
        "runtime",
        "handles",
        "text",
        "backbones",
        "tasks",
        "runs",
        "exporting",
        "command_line",
    },
    "command_line": {*BASIS, "console", "tasks", "exporting"},
    "shrinking": {
        *BASIS,
        "console",
        "data",
        "evaluation",
        "text",
        "backbones",
        "tasks",
        "objectives",
        "runs",
        "training",
    },
    "comparison": {*BASIS, "disk", "evaluation", "tasks"},
    "__main__": {"errors", "config"},
    "prediction": {
        *BASIS,
        "conversations",
        "disk",
        "console",
        "data",
        "text",
        "tasks",
        "runs",
        "exporting",
        "serving",
    },
}
MAY_IMPORT["pipeline"] = set(MAY_IMPORT)  # the stages of a run, which commands and Python call
MAY_IMPORT["api"] = set(MAY_IMPORT)
# Commands tell the story, so they may know every part, but not one another.
ALL = set(MAY_IMPORT)

LIGHT = {
    "errors",
    "plurals",
    "processor",
    "timeline",
    "config",
    "conversations",
    "command_line",
    "disk",
    "bars",
    "console",
    "handles",
    "data",
    "evaluation",
}
LIGHT |= {"__main__", "comparison", "runs", "prediction", "pipeline", "api", *COMMANDS}
HEAVY = {"tensorflow", "tensorflow_text", "tensorflow_hub", "keras", "keras_hub", "keras_nlp"}

# The kinds of labels that several tasks have, in data/labels.
LABEL_KINDS = {"answers", "classes", "conversations", "no_labels.py", "numbers", "spans"}

LONGEST_MODULE = 400


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def statements(tree: ast.AST, *, inside_functions: bool) -> Iterator[ast.AST]:
    """All nodes, but for what only a type checker runs, and what is inside functions if that is left out."""
    for node in ast.iter_child_nodes(tree):
        if is_typing_only(node):
            continue
        if not inside_functions and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        yield from statements(node, inside_functions=inside_functions)


@cache
def imports(path: Path, *, inside_functions: bool) -> frozenset[str]:
    """The dotted names that a module imports."""
    found = set()
    for node in statements(tree(path), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def own_parts(path: Path) -> set[str]:
    names = [name.split(".") for name in imports(path, inside_functions=True)]
    return {name[1] for name in names if name[0] == "sftkeras" and len(name) > 1 and not name[1].startswith("_")}


def test_the_data_names_no_kind_of_label() -> None:
    """A kind is given by a task, which may have one of its own; a kind may build on another one."""
    kinds = [path for path in (PACKAGE / "data" / "labels").iterdir() if path.name in LABEL_KINDS]
    assert len(kinds) == len(LABEL_KINDS)
    common = {
        path for path in (PACKAGE / "data").rglob("*.py") if not any(kind in (path, *path.parents) for kind in kinds)
    }
    of_kinds = tuple(f"sftkeras.data.labels.{kind.stem}" for kind in kinds)
    assert {
        path.name for path in common for name in imports(path, inside_functions=True) if name.startswith(of_kinds)
    } == set()


def test_the_parts_have_an_order() -> None:
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()  # raises at a circle


def test_imports_point_down() -> None:
    """All modules in one test, as below: a test for each would take longer to collect and report than to run."""
    may_import = {**MAY_IMPORT, **dict.fromkeys(COMMANDS, ALL), "__init__": set()}
    wrong = {path: own_parts(path) - {part_of(path)} - may_import[part_of(path)] for path in MODULES}
    assert {path: parts for path, parts in wrong.items() if parts} == {}


def is_light(path: Path) -> bool:
    """Whether a module must load without TensorFlow: those parts, and what a task says of itself and of its report."""
    return part_of(path) in LIGHT or (part_of(path) == "tasks" and path.stem in ("contract", "spec", "evaluation"))


def test_what_must_be_quick_imports_no_tensorflow() -> None:
    wrong = {path: heavy_with(path) for path in filter(is_light, MODULES)}
    assert {path: names for path, names in wrong.items() if names} == {}


def heavy_with(path: Path) -> set[str]:
    """What a module imports as it is loaded that brings TensorFlow, or is a part of ours that does."""
    loaded = loaded_with(path)
    heavy = {name for name in loaded if name.split(".")[0] in HEAVY}
    own = {name.split(".")[1] for name in loaded if name.startswith("sftkeras.")}
    of_tasks = loaded & {f"sftkeras.tasks.{name}" for name in tasks._HOMES}
    return heavy | own & {"text", "backbones", "training"} | of_tasks


def test_chat_templates_render_without_tensorflow() -> None:
    of_templates = (PACKAGE / "text" / "__init__.py", PACKAGE / "text" / "marks.py")
    names = {
        name
        for path in (*of_templates, *(PACKAGE / "text" / "templates").glob("*.py"))
        for name in imports(path, inside_functions=False)
    }
    assert not {name for name in names if name.split(".")[0] in HEAVY}
    own = {name for name in names if name.startswith("sftkeras.")}
    assert all(name.startswith(("sftkeras.text.templates.", "sftkeras.text.marks")) for name in own if ".text." in name)


def loaded_with(path: Path) -> set[str]:
    """The dotted names that a module imports as it is loaded, itself and by way of modules of `sftkeras.tasks`."""
    found, waiting = set(), [path]
    while waiting:
        names = imports(waiting.pop(), inside_functions=False)
        slices = {name for name in names - found if name.startswith("sftkeras.tasks.")}
        waiting += [
            module for name in slices for module in (module_of(name), module_of(name.rpartition(".")[0])) if module
        ]
        found |= names
    return found


def module_of(name: str) -> Path | None:
    """The file of a module of ours by its dotted name, if it is one."""
    path = ROOT.joinpath(*name.split("."))
    return next((it for it in (path.with_suffix(".py"), path / "__init__.py") if it.exists()), None)


def test_a_module_says_what_lives_in_it_and_stays_short() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > LONGEST_MODULE} == {}
    assert [path for path in MODULES if not ast.get_docstring(tree(path))] == []


def test_docstrings_open_with_a_verb_or_a_name() -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [(path, node) for path in MODULES for node in ast.walk(tree(path)) if isinstance(node, documented)]
    questions = re.compile(r"(What|Who|Where|Which|That|Those|How)\b")
    assert [(path, found) for path, node in nodes if questions.match(found := ast.get_docstring(node) or "")] == []


def codes_in_source() -> set[str]:
    others = [*(path for path in MODULES if part_of(path) != "errors"), *(ROOT / "examples").rglob("*.py")]
    return {code for path in others for code in re.findall(r'"(SFT\d+)"', path.read_text(encoding="utf-8"))}


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    assert codes_in_source() - set(CATALOGUE) == set()


def test_every_code_of_the_catalogue_is_raised() -> None:
    assert set(CATALOGUE) - codes_in_source() == set()


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Where each error with a literal code and literal details is made: place, code, names of the details."""
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SFTError"):
                continue
            code = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            details = [keyword.arg for keyword in node.keywords]
            if isinstance(code, str) and None not in details:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", code, set(details)  # type: ignore[arg-type]


def test_every_error_gives_what_its_text_names() -> None:
    wrong = {
        place: (code, names ^ details)
        for place, code, details in raised()
        if (names := {name for _, name, _, _ in string.Formatter().parse(CATALOGUE[code]) if name}) != details
    }
    assert wrong == {}


def test_error_texts_are_one_line_in_order() -> None:
    assert all("\n" not in text for text in CATALOGUE.values())
    assert all(re.fullmatch(r"SFT[1-7]\d\d", code) for code in CATALOGUE)
