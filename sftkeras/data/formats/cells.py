"""Single cells as tables write them (JSON, Python, NumPy): lists, objects, whole numbers, text."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from typing import Any

_LONGEST = 1 << 20  # characters; Python's parser takes some hundred bytes for each
_WHOLE = re.compile(r"([+-]?[0-9]{1,15})(\.0*)?")  # 9, and 9.0 as a column with gaps has it


def structured(cell: Any) -> Any:
    """Return the list or the object that a cell of text holds, and any other cell as it is.

    Read are JSON, Python's form (`['a', 'b']`) and NumPy's (`array([1, 2], dtype=int32)`, `['a' 'b']`), as pandas
    writes them into .csv files. `nan` becomes None. Nothing is evaluated.
    """
    if not isinstance(cell, str) or not cell.lstrip().startswith(("[", "{", "(", "array(")):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return _python_value(cell.strip(), cell)


def _python_value(text: str, otherwise: Any) -> Any:
    if len(text) > _LONGEST or "\0" in text:
        return otherwise
    try:
        with warnings.catch_warnings():  # a backslash in a text may look like a wrong escape
            warnings.simplefilter("ignore")
            tree = ast.parse(_with_commas(text), mode="eval")
        return ast.literal_eval(_Plain().visit(tree))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        return otherwise


def _with_commas(text: str) -> str:
    """Put commas between the items of printed arrays, which Python would read as one string: `['a' 'b']`."""
    literals = (tokenize.STRING, tokenize.NUMBER)
    pieces: list[str] = []
    before = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in literals and before in literals:
            pieces.append(",")
        if token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            pieces.append(token.string)
            before = token.type
    return " ".join(pieces)


class _Plain(ast.NodeTransformer):
    """Turns `array([1, 2], dtype=int32)` and `np.int64(9)` to what they hold, and `nan` to None."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        names = {"array", "int8", "int16", "int32", "int64", "float32", "float64", "str_", "bool_"}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return self.visit(node.args[0]) if name in names and len(node.args) == 1 else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(None) if node.id in ("nan", "NaN", "null") else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, (str, int, float, type(None))):  # bytes, ..., complex numbers
            raise ValueError(f"{node.value!r} is no value of a table")
        return node


def whole_number(cell: Any) -> int | None:
    """Return the whole number that a cell is, also as text and with a point (9.0); None for anything else."""
    if type(cell) is int:
        return cell
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else None
    found = _WHOLE.fullmatch(cell.strip()) if isinstance(cell, str) else None
    return int(found[1]) if found else None


def zero_or_one(cell: Any) -> bool | None:
    """Return whether something applies, by its 0 or 1, or its true or false as text too; None for anything else."""
    if isinstance(cell, str) and cell.strip().lower() in ("true", "false"):
        return cell.strip().lower() == "true"
    number = int(cell) if isinstance(cell, bool) else whole_number(cell)
    return bool(number) if number in (0, 1) else None


def is_missing(cell: Any) -> bool:
    """Return whether a cell is empty: None, NaN, or text of nothing but spaces."""
    return cell is None or (isinstance(cell, float) and cell != cell) or (isinstance(cell, str) and not cell.strip())


def cell_text(cell: Any) -> str | None:
    """Returns a simple cell as text without outer spaces, None if it is empty, a list or an object."""
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape").strip() or None
    if cell is None or isinstance(cell, (list, tuple, dict)) or cell != cell:
        return None
    if isinstance(cell, float) and cell.is_integer():  # whole numbers become floats where a column has gaps
        return str(int(cell))
    return str(cell)


def shown(value: Any) -> str:
    """Return a cell as messages show it."""
    words = json.dumps(value, ensure_ascii=False, default=str)
    return words if len(words) <= 60 else words[:59] + "…"
