"""Numbers that cannot be evaluated are a coded error."""

from __future__ import annotations

import numpy as np
import pytest
from evaluated_rows import numbers

from sftkeras.errors import SFTError


@pytest.mark.parametrize(
    ("code", "truth", "answers"),
    [
        ("SFT601", [0.0, 1.0], [0.5]),
        ("SFT602", [], []),
        ("SFT603", [0.0, 1.0], [0.5, np.inf]),
        ("SFT604", [0.0, np.nan], [0.5, 0.5]),
    ],
)
def test_numbers_that_cannot_be_evaluated_are_a_coded_error(code, truth, answers):
    with pytest.raises(SFTError) as caught:
        numbers(truth, answers)
    assert caught.value.code == code
