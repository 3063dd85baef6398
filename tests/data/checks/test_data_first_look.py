"""Mistakes in files and columns are told at once, before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftkeras.config import DataConfig
from sftkeras.data import quick_check
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]
GOOD = "text,label\na,b\n"


def refusal(**settings: Any) -> str:
    with pytest.raises(SFTError) as raised:
        quick_check(DataConfig(**settings), ONE_LABEL)
    return str(raised.value)


def test_good_settings_pass(put: Put) -> None:
    path = put("a.csv", GOOD)
    quick_check(DataConfig(train=path, validation=path, test=path), ONE_LABEL)


def test_what_is_wrong_with_any_file_is_told(put: Put) -> None:
    good = put("a.csv", GOOD)
    assert refusal().startswith("SFT104")
    assert refusal(train=good, test=put("b.csv", "")).startswith("SFT202")
    assert refusal(train=good, validation=put("c.csv", "text,lable\na,b\n")).startswith("SFT204")
    assert refusal(train=good, where={"language": "en"}).startswith("SFT204")
    assert refusal(train=good, pair="second").startswith("SFT204")
    assert refusal(train=good, split=[0.5, 0.6, 0.1]).startswith("SFT231")
    assert refusal(train=put("d.jsonl", '{"text": 1}\n')).startswith("SFT204")


@pytest.mark.parametrize("handle", ["hf://", "hf://org", "hf://org/name@", "hf://a/b/c/d", "hf://org/name:a:b"])
def test_a_malformed_hub_name_is_refused(handle: str) -> None:
    assert refusal(train=handle).startswith("SFT233")


def test_a_hub_name_and_an_uncached_package_are_left_for_later() -> None:
    quick_check(DataConfig(train="hf://org/name", test="pypi:some-package==1.0/file.csv"), ONE_LABEL)


@pytest.mark.processes
def test_a_missing_column_is_told_without_numpy_arrow_or_tensorflow(put: Put) -> None:
    program = (
        "import sys; from sftkeras.config import DataConfig; from sftkeras.data import quick_check\n"
        "from sftkeras.data.labels.classes.kind import ONE_LABEL\n"
        f"try: quick_check(DataConfig(train={put('a.csv', GOOD)!r}, label='lable'), ONE_LABEL)\n"
        "except Exception as error: print(str(error)[:6])\n"
        "print([name for name in ('numpy', 'pyarrow', 'tensorflow', 'pandas', 'rich') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert answer == "SFT204\n[]\n"


def test_only_the_beginning_of_a_file_is_read(put: Put) -> None:
    """A fault further down is for `load_data`."""
    quick_check(DataConfig(train=put("a.csv", GOOD + "c,d\n" * 100_000 + '"never closed,b\n')), ONE_LABEL)


@pytest.mark.processes
def test_the_data_package_never_imports_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys; from sftkeras.data import *\n"
        "print([name for name in ('tensorflow', 'keras', 'pandas') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert answer == "[]\n"
