"""The guide to Python does what it says: its code runs, block after block; the Chinese page has the same code."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tiny_bert import reviews, write_csv

import sftkeras

DOCS = Path(__file__).parents[2] / "docs"
QUICK = {"verbose": False, "report": {"bootstrap": 20}, "backbone.max_length": 32}


def blocks(page: Path) -> list[str]:
    """The Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.processes
def test_the_code_runs_in_order(tmp_path: Path, tiny_bert_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = repr(str(tiny_bert_folder))
    stand_ins = {
        '"hf://sentence-transformers/all-MiniLM-L6-v2"': handle,
        '"hf://…"': handle,
        "fine_tune(..., ": f'fine_tune(name="stopped", train=reviews, backbone={handle}, ',
        '[("a lovely film", "positive"), ("a dull plot", "negative"), ...]': "reviews",
        '["a lovely film", "a dull plot", ...]': "[text for text, _ in reviews]",
        "[1, 0, ...]": '[label == "positive" for _, label in reviews], "int32"',
        '"grpc://localhost:8500/reviews"': '"saved_models/reviews"',
    }
    write_csv(tmp_path / "reviews.csv", reviews())
    texts, labels = map(list, zip(*reviews(), strict=True))
    names = {"reviews": reviews(), "frame": pa.table({"review": texts, "stars": labels})}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sftkeras, "fine_tune", partial(sftkeras.fine_tune, **QUICK))
    code = blocks(DOCS / "python.md")
    assert all(any(there in block for block in code) for there in stand_ins)
    for block in code:
        for there, here in stand_ins.items():
            block = block.replace(there, here)
        exec(compile(block, "docs/python.md", "exec"), names)
    assert (tmp_path / "comparison" / "comparison.html").exists()
    assert np.isfinite(names["run"].history[-1]["loss"])


def test_the_chinese_page_has_the_same_code() -> None:
    def without_comments(page: Path) -> list[str]:
        return [re.sub(r" *#.*", "", block) for block in blocks(page)]

    assert without_comments(DOCS / "zh" / "python.md") == without_comments(DOCS / "python.md")
