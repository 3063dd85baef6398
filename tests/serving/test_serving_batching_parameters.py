"""The batching_parameters_file: what stock files mean, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftkeras.errors import SFTError
from sftkeras.serving.batching_parameters import BatchingParameters, read_batching_parameters


def read(folder: Path, text: str) -> BatchingParameters:
    file = folder / "batching.config"
    file.write_text(text)
    return read_batching_parameters(file)


def test_a_stock_file_is_read(tmp_path: Path) -> None:
    text = """
        max_batch_size { value: 32 }
        batch_timeout_micros { value: 1000 }
        max_enqueued_batches { value: 100 }
        num_batch_threads { value: 4 }
        thread_pool_name { value: "batches" }
        allowed_batch_sizes: 8
        allowed_batch_sizes: 32
        pad_variable_length_inputs: true
    """
    assert read(tmp_path, text) == BatchingParameters(
        max_batch_size=32,
        max_execution_batch_size=32,
        enable_large_batch_splitting=False,
        batch_timeout_micros=1000,
        max_enqueued_batches=100,
        num_batch_threads=4,
        allowed_batch_sizes=(8, 32),
        pad_variable_length_inputs=True,
    )


def test_large_requests_are_split_where_the_file_says_so(tmp_path: Path) -> None:
    text = """
        max_batch_size { value: 512 }
        enable_large_batch_splitting { value: true }
        max_execution_batch_size { value: 16 }
    """
    parameters = read(tmp_path, text)
    assert (parameters.max_batch_size, parameters.max_execution_batch_size) == (512, 16)


def test_an_empty_file_leaves_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == BatchingParameters()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch_size { value: 32 }\nmax_batchsize { value: 8 }", "line 2 column 1"),
        ("max_batch_size: 32", "line 1"),
        ("max_batch_size { value: 0 }", "max_batch_size is 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros is -1"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [4, 2, 8]", "must rise"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]", "must be the largest batch, 8"),
        (
            "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 9 }",
            "larger than max_batch_size",
        ),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SFTError, match=words) as refused:
        read(tmp_path, text)
    assert refused.value.code == "SFT702"
    assert "batching.config" in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match=r"SFT702 .*none: No such file"):
        read_batching_parameters(tmp_path / "none")
