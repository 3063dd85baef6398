"""Rows with predictions of made-up models."""

from __future__ import annotations

import pytest
from evaluated_rows import Rows, many_label_rows, number_rows, one_label_rows


@pytest.fixture(params=[one_label_rows, many_label_rows, number_rows], ids=["class", "classes", "number"])
def evaluated(request: pytest.FixtureRequest) -> Rows:
    """Rows of each kind."""
    return request.param()
