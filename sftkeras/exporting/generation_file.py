"""generation.json of an exported version: what a server must know to generate with it. Imports no TensorFlow.

It has `end_ids`, `begin` (the mark of the token that a plain text begins with, or ""), `begin_id` (its number, or
null), `vocabulary` (how many tokens), `positions` (most tokens of prompt and text), `cache` (its shape, null for rows
and places), `strips_first_space`, `defaults` of a request's options, and `chat`: null, or `template`, `template_name`,
`special`, `variables` and `system` of the chat template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftkeras.disk.files import write_text

FILE = Path("assets.extra", "generation.json")


def write_generation(version: Path, facts: Mapping[str, Any]) -> None:
    """Writes the file into a version folder."""
    path = version / FILE
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def read_generation(version: Path) -> dict[str, Any] | None:
    """Reads the file of a version folder; None if the version does not generate."""
    path = version / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
