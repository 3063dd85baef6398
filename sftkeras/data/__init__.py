"""Examples on disk: read, checked, divided, tokenised and planned into batches. Free of TensorFlow.

`load_data` does the first three; `tokens` and `batches` follow. Names load on first use, so that `quick_check`
answers without NumPy or Arrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sftkeras.data.augmentation.changes import describe_augmentation, describe_cleaning
    from sftkeras.data.augmentation.rewriting import RewrittenTexts, make_variants
    from sftkeras.data.batches import BatchPlan, length_histogram
    from sftkeras.data.checks.findings import DataError, Finding, stop_on_errors
    from sftkeras.data.checks.first_look import quick_check
    from sftkeras.data.checks.printing import print_findings, show_findings, show_statements
    from sftkeras.data.labels.contract import LabelKind
    from sftkeras.data.load import LabelledData, load_data, load_file
    from sftkeras.data.show import describe, describe_lengths
    from sftkeras.data.storage.examples import Examples, Texts
    from sftkeras.data.storage.row_inputs import RawTexts, RowInputs, Variants
    from sftkeras.data.storage.tokens import TokenCache, tokenise

_HOMES = {
    "BatchPlan": "batches",
    "DataError": "checks.findings",
    "Examples": "storage.examples",
    "Finding": "checks.findings",
    "LabelKind": "labels.contract",
    "LabelledData": "load",
    "RawTexts": "storage.row_inputs",
    "RewrittenTexts": "augmentation.rewriting",
    "RowInputs": "storage.row_inputs",
    "Texts": "storage.examples",
    "TokenCache": "storage.tokens",
    "Variants": "storage.row_inputs",
    "describe": "show",
    "describe_augmentation": "augmentation.changes",
    "describe_cleaning": "augmentation.changes",
    "describe_lengths": "show",
    "length_histogram": "batches",
    "load_data": "load",
    "load_file": "load",
    "make_variants": "augmentation.rewriting",
    "print_findings": "checks.printing",
    "show_findings": "checks.printing",
    "show_statements": "checks.printing",
    "stop_on_errors": "checks.findings",
    "quick_check": "checks.first_look",
    "tokenise": "storage.tokens",
}

__all__ = [
    "BatchPlan",
    "DataError",
    "Examples",
    "Finding",
    "LabelKind",
    "LabelledData",
    "RawTexts",
    "RewrittenTexts",
    "RowInputs",
    "Texts",
    "TokenCache",
    "Variants",
    "describe",
    "describe_augmentation",
    "describe_cleaning",
    "describe_lengths",
    "length_histogram",
    "load_data",
    "load_file",
    "make_variants",
    "print_findings",
    "quick_check",
    "show_findings",
    "show_statements",
    "stop_on_errors",
    "tokenise",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
