"""Tables that are one JSON object, as pandas' `to_json()` writes them in its orientations, to rows that are objects."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def rows_of_table(table: Any, text_column: str) -> list[Row] | None:
    """Returns the rows of a table; None if it is no table, or one that could be read in two ways.

    Known are the orientations columns, index, split, tight and table, and an object with its rows in `data`.

    Args:
        table: a JSON value.
        text_column: the name that a column of texts would have.
    """
    if not isinstance(table, dict) or not table:
        return None
    if isinstance(table.get("data"), list):
        return _rows_of_data(table, text_column)
    first = next(iter(table.values()))
    if first and all(isinstance(value, dict) and value.keys() == first.keys() for value in table.values()):
        return _rows_of_grid(table, text_column)
    return None


def _rows_of_data(table: Row, text_column: str) -> list[Row] | None:
    """The rows of orientations split and tight (lists beside the names of the columns), or table (objects)."""
    rows, names = table["data"], table.get("columns")
    if isinstance(names, list):
        whole = all(isinstance(row, list) and len(row) == len(names) for row in rows)
        return [dict(zip(map(str, names), row, strict=True)) for row in rows] if whole else None
    objects = all(isinstance(row, dict) for row in rows)
    return rows if objects and ("schema" in table or any(text_column in row for row in rows[:1])) else None


def _rows_of_grid(table: dict[str, Row], text_column: str) -> list[Row] | None:
    """The rows of orientation columns, an object for each column, or index, an object for each row."""
    inner = next(iter(table.values())).keys()
    if (text_column in table) == (text_column in inner):  # recognised by the numbers that pandas gives to rows
        by_row, by_column = (all(map(str.isdecimal, keys)) for keys in (table, inner))
    else:
        by_row, by_column = text_column in inner, text_column in table
    if by_row == by_column:
        return None
    return list(table.values()) if by_row else [{name: column[row] for name, column in table.items()} for row in inner]
