"""How a test says that a handle must be refused."""

from __future__ import annotations

import pytest

from sftkeras.errors import SFTError
from sftkeras.handles import resolve


def refused(code: str, handle: object, **options) -> str:
    """Returns the one line with which `resolve` refuses the handle, under this code."""
    with pytest.raises(SFTError) as error:
        resolve(str(handle), **options)
    assert error.value.code == code
    assert "\n" not in str(error.value)
    return str(error.value)
