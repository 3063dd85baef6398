"""Everything that training changes, taken as arrays and numbers and put back. Which file it goes to is another matter.

Dropout and the order of the batches are functions of seed and step: there is nothing of theirs to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, reduce
from typing import Any, Protocol, runtime_checkable
from zlib import crc32

import keras
import numpy as np
import tensorflow as tf

from sftkeras.errors import SFTError
from sftkeras.training.position import Position
from sftkeras.training.resume.state_files import State
from sftkeras.training.step.model import SupervisedModel

_METRICS = "metrics"


@runtime_checkable
class Part(Protocol):
    """A callback that knows something which a resumed run needs."""

    def state(self) -> dict[str, Any]:
        """Its own state, as numbers and words."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Restores its state."""
        ...


class RunState:
    """The state of a run at one moment.

    Args:
        model: what is trained.
        position: where the run is; `restore` moves it.
        parts: the callbacks that know something, by name.
    """

    def __init__(self, model: SupervisedModel, position: Position, parts: Mapping[str, Part]) -> None:
        self._model = model
        self._position = position
        self._parts = parts
        self._metrics: dict[str, np.ndarray] = {}

    def capture(self, epoch: int, step: int, *, done: bool = False) -> State:
        """Takes the state, from which a run resumes at this step of this epoch, or with all training done.

        Nothing is copied: the arrays are the variables' own memory. While someone has them, TensorFlow leaves that as
        it is, and an update goes into a copy. So a state that is written before the next update needs no memory, and
        who is done with one should let go of it. Under several workers, all must call it together.
        """
        arrays = {name: _read(variable) for name, variable in self._variables().items()}
        values = {
            "epoch": epoch,
            "step": step,
            "steps": self._position.steps,
            "done": done,
            "frozen": self._frozen,
            "parts": {name: part.state() for name, part in self._parts.items()},
        }
        return State(arrays, values)

    def restore(self, state: State) -> None:
        """Puts back all but the metrics, which `fit` resets when it begins: see `restore_metrics`.

        Raises:
            SFTError: SFT422 if the state is not of this model or not of these batches.
        """
        variables, values = self._variables(), state.values
        if values["steps"] != self._position.steps:
            raise SFTError("SFT422", problem=f"{values['steps']} steps an epoch are now {self._position.steps}")
        if strangers := variables.keys() ^ state.arrays.keys():
            raise SFTError("SFT422", problem=f"only one of the two has {min(strangers)}")
        if values.get("frozen", self._frozen) != self._frozen:
            raise SFTError("SFT422", problem="the weights that it began with are others")
        for name, variable in variables.items():
            if state.arrays[name].shape != tuple(variable.shape):
                was, now = state.arrays[name].shape, tuple(variable.shape)
                raise SFTError("SFT422", problem=f"{name} had shape {list(was)} and now has {list(now)}")
            if not name.startswith(_METRICS):
                variable.assign(state.arrays[name])
        self._position.epoch, self._position.step = values["epoch"], values["step"]
        if values["step"]:
            self._metrics = {name: array for name, array in state.arrays.items() if name.startswith(_METRICS)}
        for name, part in self._parts.items():
            if name in values["parts"]:
                part.restore(values["parts"][name])

    def restore_metrics(self) -> None:
        """Puts back the metrics of the epoch in whose middle the state was captured; only once."""
        variables = self._variables()
        for name, array in self._metrics.items():
            variables[name].assign(array)
        self._metrics = {}

    @cached_property
    def _frozen(self) -> int:
        """A checksum of the frozen weights: a run that resumes loads them again, and they must be the same."""
        return reduce(lambda found, variable: crc32(_read(variable).tobytes(), found), self._model.tuning.frozen, 0)

    def _variables(self) -> dict[str, keras.Variable | tf.Variable]:
        """Every variable that training changes by a name that is the same in each process."""
        model = self._model
        groups: dict[str, Iterable[keras.Variable | tf.Variable]] = {
            "network": model.network.variables,
            "optimizer": model.optimizer.variables,
            "averages": model.averages,
            "tuning": model.tuning.variables,
            _METRICS: [variable for metric in model.metrics for variable in metric.variables],
        }
        frozen = {id(variable) for variable in model.tuning.frozen}
        return {name: variable for name, variable in _named(groups) if id(variable) not in frozen}


def _named(groups: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, Any]]:
    for group, variables in groups.items():
        for number, variable in enumerate(variables):
            yield f"{group}/{number:04d}", variable


def _read(variable: keras.Variable | tf.Variable) -> np.ndarray:
    """The value, summed over the devices and workers where each has a part of it; not a copy where there is one."""
    value = variable.value if isinstance(variable, keras.Variable) else variable
    return np.asarray(tf.convert_to_tensor(value))
