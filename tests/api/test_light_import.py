"""`import sftkeras` loads next to nothing, and its names come on demand."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sftkeras

LOADED = """
import sys
before = set(sys.modules)
import sftkeras
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""


@pytest.mark.processes
def test_the_package_alone_imports_only_the_standard_library() -> None:
    done = subprocess.run([sys.executable, "-S", "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sftkeras"]


def test_every_name_that_is_promised_is_there() -> None:
    assert all(getattr(sftkeras, name) for name in sftkeras.__all__)
    assert set(sftkeras.__all__) <= set(dir(sftkeras))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="fine_tuen"):
        _ = sftkeras.fine_tuen
