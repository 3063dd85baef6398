"""Thousands of broken and hostile requests: the server refuses them, stays alive, stays right and stays small.

FUZZ_REQUESTS sets how many; the default is for every day, 20000 for a release.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from half_plus_two import write_half_plus_two
from hostile_http import MOST_BYTES, statuses
from rest_client import Running, serving

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "600"))
MOST_GROWTH = 64 * 2**20  # bytes, whatever the number of requests

MODEL = "/v1/models/half_plus_two"
BODIES = {
    f"{MODEL}:predict": [
        {"instances": [1.0, 2.0]},
        {"inputs": {"x": [[1, 2], [3, 4]]}},
        {"signature_name": "several", "instances": [{"image": {"b64": "AAEC"}, "n": [1, 2]}]},
    ],
    f"{MODEL}:regress": [{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}],
    f"{MODEL}:classify": [
        {"signature_name": "classify_x_to_y", "context": {"x": 1.5}, "examples": [{}, {"y": ["a", "b"]}]}
    ],
    "/v2/models/half_plus_two/infer": [
        {"id": "1", "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 1], "data": [[1], [2.5]]}]},
        {
            "parameters": {"signature_name": "several", "binary_data_output": True},
            "inputs": [
                {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["abc"]},
                {"name": "n", "datatype": "INT64", "shape": [1, 2], "parameters": {"binary_data_size": 0}},
            ],
            "outputs": [{"name": "sum", "parameters": {"binary_data": False}}],
        },
    ],
}
# 408 and 5xx would be the server's fault.
EXPECTED = {b"200", b"400", b"404", b"405", b"413", b"417", b"501", b""}


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    write_half_plus_two(models / "half_plus_two" / "1")
    with serving(models, timeout=300, max_body_bytes=MOST_BYTES) as it:
        yield it


def test_hostile_requests_do_no_harm(rest: Running, caplog: pytest.LogCaptureFixture) -> None:
    counts = statuses(rest, BODIES, REQUESTS, first=200, expected=EXPECTED, most_growth=MOST_GROWTH)
    assert counts[b"400"] > REQUESTS / 2
    assert counts[b"200"] > 0
    assert not caplog.records
    assert rest.ask("POST", MODEL + ":predict", {"instances": [1.0]}).json == {"predictions": [2.5]}
    assert len(rest.metrics.page()) < 100_000
