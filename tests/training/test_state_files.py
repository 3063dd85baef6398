"""A state is read as it was written or not at all, and the newest whole one is found."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from safetensors.numpy import load_file

from sftkeras.errors import SFTError
from sftkeras.training.resume import state_files
from sftkeras.training.resume.state_files import DamagedStateError, State, StateFiles, read_state, write_state

ARRAYS = {
    "network/0000": np.arange(12, dtype=np.float32).reshape(3, 4),
    "optimizer/0000": np.asarray(7, np.int64),
    "metrics/0000": np.asarray([0.1, -0.0, np.inf], np.float32),
}
VALUES = {"epoch": 1, "step": 2, "parts": {"best": {"best": -0.1, "best_epoch": 1}, "early_stopping": {"best": None}}}
STATE = State(ARRAYS, VALUES)


def same(one: State, other: State) -> bool:
    return one.values == other.values and all(
        array.dtype == other.arrays[name].dtype and array.tobytes() == other.arrays[name].tobytes()
        for name, array in one.arrays.items()
    )


@pytest.fixture(scope="module")
def written() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        write_state(path, STATE)
        return path.read_bytes()


def numbered(step: int) -> State:
    return State(ARRAYS, {**VALUES, "step": step})


def step_of(state: State | None) -> int:
    assert state
    return state.values["step"]


def test_a_state_comes_back_bit_by_bit(tmp_path: Path) -> None:
    write_state(tmp_path / "state", STATE)
    assert same(read_state(tmp_path / "state"), STATE)
    assert load_file(tmp_path / "state").keys() == ARRAYS.keys()  # any reader of the format can look into it


@settings(deadline=None, max_examples=200)
@given(data=some.data())
def test_a_flipped_bit_is_found(written: bytes, data: some.DataObject) -> None:
    place = data.draw(some.integers(0, len(written) - 1))
    bit = data.draw(some.integers(0, 7))
    spoiled = bytearray(written)
    spoiled[place] ^= 1 << bit
    assert is_damaged_or_same(bytes(spoiled))


@settings(deadline=None, max_examples=100)
@given(data=some.data())
def test_a_torn_file_is_found(written: bytes, data: some.DataObject) -> None:
    """Cut off, or with a block that never reached the disk."""
    begin = data.draw(some.integers(0, len(written) - 1))
    end = data.draw(some.integers(begin, len(written)))
    filler = data.draw(some.sampled_from([b"", b"\0" * (end - begin)]))
    assert is_damaged_or_same(written[:begin] + filler + written[end:])


def is_damaged_or_same(content: bytes) -> bool:
    """A state may only be read if it is the one that was written: a space in the header may be another one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        path.write_bytes(content)
        try:
            return same(read_state(path), STATE)
        except DamagedStateError:
            return True


@settings(deadline=None, max_examples=50)
@given(some.binary(max_size=200))
def test_any_other_file_is_no_state(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        path.write_bytes(content)
        with pytest.raises(DamagedStateError):
            read_state(path)


def test_the_last_states_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    files = StateFiles(tmp_path, keep=2)
    assert files.newest() is None
    for step in (5, 20, 100):
        files.write(step, numbered(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-0000000020.safetensors",
        "step-0000000100.safetensors",
    ]
    assert step_of(files.newest()) == 100


def test_a_damaged_state_is_told_and_the_one_before_it_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = StateFiles(tmp_path, keep=3)
    for step in (1, 2, 3):
        files.write(step, numbered(step))
    newest = tmp_path / "step-0000000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    assert step_of(files.newest()) == 2
    said = capsys.readouterr().out.strip()
    assert said.startswith(f"{newest} is damaged (")
    assert said.endswith("): the run resumes from the one before it.")
    assert "\n" not in said

    files.sweep(2)  # or the damaged one would count as the newest of those to keep
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        f"step-000000000{step}.safetensors" for step in (1, 2)
    ]


def test_a_run_whose_states_are_all_damaged_begins_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = StateFiles(tmp_path, keep=2)
    for step in (1, 2):
        files.write(step, numbered(step))
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    assert files.newest() is None
    assert capsys.readouterr().out.strip().endswith("the run resumes from the beginning.")


def test_a_state_that_cannot_be_written_leaves_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = StateFiles(tmp_path, keep=1)
    files.write(1, numbered(1))

    def half(path: Path, state: State) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_files, "write_state", half)
    with pytest.raises(SFTError, match="SFT108"):
        files.write(2, numbered(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000001.safetensors"]


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    files = StateFiles(tmp_path, keep=2)
    files.write(1, numbered(1))
    (tmp_path / ".partial.safetensors").write_bytes(b"half")
    (tmp_path / ".4711.best.weights.h5").write_bytes(b"half")
    files.sweep(1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000001.safetensors"]
