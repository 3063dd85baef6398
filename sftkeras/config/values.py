"""The values that settings take: bounded numbers, names, formats of files."""

# Bounded numbers are types that jsonargparse makes at run time, which a type checker cannot follow.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from typing import Literal

from jsonargparse.typing import restricted_number_type, restricted_string_type

FileFormat = Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "conll", "text"]
TagScheme = Literal["auto", "bio", "iob1", "bioes", "io", "words"]
UnitInterval = restricted_number_type("UnitInterval", float, [(">=", 0), ("<", 1)])
Probability = restricted_number_type("Probability", float, [(">", 0), ("<=", 1)])
Fraction = restricted_number_type("OpenUnitInterval", float, [(">", 0), ("<", 1)])
Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])  # what NumPy takes
# Room for [CLS] first [SEP] second [SEP].
TextLength = restricted_number_type("TextLength", int, [(">=", 5)])
Port = restricted_number_type("Port", int, [(">=", 0), ("<", 2**16)])
# A folder's name and part of a server's address.
Name = restricted_string_type(
    "Name", r"^\w[\w.-]*\Z", docstring="a name of letters, digits, dots, dashes and underscores"
)
