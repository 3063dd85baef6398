"""Tensors that stay in a session: they are written where they are, and are what they were cleared to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from half_plus_two import write_half_plus_two

from sftkeras.serving.engine import Call, Engine


def test_a_kept_tensor_is_zero_where_it_was_cleared(tmp_path: Path) -> None:
    write_half_plus_two(tmp_path / "1")
    engine = Engine(tmp_path / "1")
    kept = engine.keep([3, 2, 4])
    whole = Call((kept.feed,), (kept.tensor,))
    first = engine.run(whole, [kept.handle])[0].copy()
    kept.clear(4, np.array([1, 4, 5], np.int32))
    rows = engine.run(whole, [kept.handle])[0].reshape(6, 4)
    assert np.all(rows[[1, 4, 5]] == 0)
    np.testing.assert_array_equal(rows[[0, 2, 3]], first.reshape(6, 4)[[0, 2, 3]])
    engine.close()
