"""A teacher's outputs for the rows of a run: computed in batches of like lengths, and kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
from rich.progress import Progress

from sftkeras import runtime
from sftkeras.backbones import Backbone
from sftkeras.backbones.inner_outputs import attention_heads, has_inner_outputs, has_plain_attention
from sftkeras.config import TrainConfig
from sftkeras.console import progress_bar
from sftkeras.data import BatchPlan, Texts
from sftkeras.data.storage.progress import RowCount
from sftkeras.data.storage.teacher_outputs import GivenRows, TeacherOutputs, find_teacher_outputs
from sftkeras.distillation.teacher import Teacher, inside_refused, not_together
from sftkeras.errors import SFTError
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.objectives.inner_distillation import InnerDistillation, Inside
from sftkeras.runs.restoring import restore_model, restore_run
from sftkeras.tasks import Task, TextModel, restore_task
from sftkeras.tasks.head import places_of
from sftkeras.tasks.soft_targets import SoftTargets
from sftkeras.text import Features
from sftkeras.training.batches import read_inputs
from sftkeras.training.teaching import Lesson

_ROWS_AT_ONCE = 1000  # texts that an exported teacher is sent together


@dataclass(frozen=True)
class Asking:
    """A teacher as training asks it; see `sftkeras.training.teaching.Teach`.

    Attributes:
        teacher: that is asked.
        config: settings of the run that learns.
    """

    teacher: Teacher
    config: TrainConfig

    def __call__(self, lesson: Lesson) -> Sequence[TeacherOutputs]:
        """Return what it gives; raises SFT498 if it would have to see the student's tokens and does not."""
        targets = lesson.task.soft_targets()
        assert targets is not None  # `check_distillation` has refused other tasks
        ask = _FromRun if self.teacher.run else _FromExport
        asked = ask(self.teacher, lesson, targets, self.config.distillation.top_k)
        with progress_bar() as progress:
            return [_outputs(asked, texts, progress) for texts in lesson.texts]

    def known_logits(self, task: Task) -> np.ndarray | None:
        """Return the places of its logits among those of a task, which may have labels that are new to it."""
        known, names = restore_task(self.teacher.task).logit_names(), task.logit_names()
        return None if known == names else places_of(known, names)

    def inside(self, network: keras.Model, backbone: Backbone, features: Features) -> InnerDistillation:
        """Return the distance of a network from its inside.

        Raises:
            SFTError: SFT499 if the inside of one of the two cannot be reached, or they do not fit each other.
        """
        assert self.teacher.run is not None
        with runtime.in_precision("float32"):
            restored = restore_run(self.teacher.run)
        settings, theirs = self.config.distillation, restored.backbone
        if not (has_inner_outputs(backbone) and has_inner_outputs(theirs)):
            raise inside_refused(
                self.config, "both must be encoders that are rebuilt, with several layers of their own"
            )
        if restored.model.features.fingerprint != features.fingerprint:
            problem = "the teacher must see the same tokens: the same tokenizer, --backbone.max_length and cleaning"
            raise inside_refused(self.config, problem)
        if settings.hidden and (ours := backbone.model.hidden_dim) != (wide := theirs.model.hidden_dim):
            raise inside_refused(self.config, f"its vectors have {wide} numbers, and these {ours}")
        if settings.attention:
            self._check_attention(backbone, theirs)
        if settings.layers and (
            len(settings.layers) != len(backbone.layers) or max(settings.layers) >= len(theirs.layers)
        ):
            problem = (
                f"name one of its layers, 0 to {len(theirs.layers) - 1}, for each of {len(backbone.layers)} layers"
            )
            raise not_together(self.config, "--distillation.layers", settings.layers, problem)
        return InnerDistillation(
            Inside.of(network, backbone),
            Inside.of(restored.model.network, theirs),
            hidden=settings.hidden,
            attention=settings.attention,
            relations=settings.relations,
            layers=settings.layers,
        )

    def _check_attention(self, ours: Backbone, theirs: Backbone) -> None:
        """Raises SFT499 if the attention of two encoders cannot be compared."""
        value = self.config.distillation.attention
        if not (has_plain_attention(ours) and has_plain_attention(theirs)):
            problem = "attention that also looks at distances of tokens, such as DeBERTa's, is not compared"
            raise not_together(self.config, "--distillation.attention", value, problem)
        if (heads := attention_heads(theirs)) != (own := attention_heads(ours)):
            problem = f"its attention has {heads} heads, and this {own}"
            raise not_together(self.config, "--distillation.attention", value, problem)


@dataclass(frozen=True)
class _Asked:
    """One way to ask a teacher.

    Attributes:
        teacher: that is asked.
        lesson: what about.
        targets: what is kept of what it gives.
        top_k: tokens that are kept of each place, where tokens are learned.
    """

    teacher: Teacher
    lesson: Lesson
    targets: SoftTargets
    top_k: int

    def give(self, texts: Texts, progress: Progress) -> GivenRows:
        """Yield what it gives of the lesson's rows."""
        raise NotImplementedError

    def _count(self, progress: Progress) -> RowCount:
        return RowCount(progress, "Asking the teacher", len(self.lesson.rows))


def _outputs(asked: _Asked, texts: Texts, progress: Progress) -> TeacherOutputs:
    lesson, targets = asked.lesson, asked.targets
    key = {
        "teacher": asked.teacher.identity,
        "texts": texts.fingerprint,
        "rows": hashlib.sha256(np.asarray(lesson.rows, np.int32).tobytes()).hexdigest(),
        "tokens": lesson.features.fingerprint if targets.by_token else None,
    }
    return find_teacher_outputs(key, lambda: asked.give(texts, progress), targets.dtype(asked.top_k))


class _FromRun(_Asked):
    """Asks a run: its model is built again with its best weights, in float32."""

    @cached_property
    def model(self) -> TextModel:
        """The restored model."""
        assert self.teacher.run is not None
        with runtime.in_precision("float32"):
            model = restore_model(self.teacher.run)
        if self.targets.by_token and model.features.fingerprint != self.lesson.features.fingerprint:
            raise SFTError("SFT498", teacher=self.teacher.folder, task=self.lesson.task.kind)
        return model

    def give(self, texts: Texts, progress: Progress) -> GivenRows:
        """Yield what it gives of the rows, those of like lengths together."""
        lesson, model = self.lesson, self.model
        inputs = read_inputs(texts, model.features, progress)
        targets = model.task.soft_targets()
        assert targets is not None
        ask = targets.asking(model, self.top_k)
        count, multiple = self._count(progress), runtime.length_multiple()
        plan = BatchPlan(inputs.lengths, lesson.rows, lesson.batch_size, 0, shuffle=False, multiple=multiple)
        random, done = np.random.default_rng(0), 0
        for step in range(plan.steps):
            rows, length = plan.batch(0, step)
            found = inputs.batch(rows, min(length, model.features.max_length or length))
            found, labels = model.task.targets(found, lesson.labels[rows], random)
            given = ask(found, labels)
            done += len(rows)
            count.update(done)
            yield rows, _by_rows(given, len(rows)), targets.places(found, labels)


class _FromExport(_Asked):
    """Asks an exported version, in a process of its own."""

    def give(self, texts: Texts, progress: Progress) -> GivenRows:
        """Yield what it gives of the rows, in their order."""
        name, version = self.targets.exported, self.teacher.version
        assert name is not None  # or `check_distillation` has refused it
        count, done = self._count(progress), 0
        with PredictionProcess(version) as process:

            def predicted(texts: list[str], pairs: list[str] | None) -> np.ndarray:
                outputs = process.predict(texts, pairs, batch_size=self.lesson.batch_size, outputs=[name])
                return self.targets.of_exported(outputs[name])

            for rows, those, pairs in _wanted(texts, self.lesson.rows):
                if pairs is None or self.teacher.pairs:
                    given = predicted(those, pairs)
                else:  # which it compares by the vector of each
                    given = np.stack([predicted(those, None), predicted(pairs, None)], axis=1)
                done += len(rows)
                count.update(done)
                yield rows, given, None


def _wanted(texts: Texts, rows: np.ndarray) -> Iterator[tuple[np.ndarray, list[str], list[str] | None]]:
    """Yields the numbers, texts and second texts of some rows, in blocks."""
    begin = 0
    for block, pairs in texts.text_batches(_ROWS_AT_ONCE):
        here = rows[(rows >= begin) & (rows < begin + len(block))]
        if len(here):
            places = (here - begin).tolist()
            yield here, [block[place] for place in places], pairs and [pairs[place] for place in places]
        begin += len(block)


def _by_rows(given: np.ndarray, rows: int) -> np.ndarray:
    """Outputs of model inputs, [rows * several, …], by rows of the data, [rows, several, …]; or as they are."""
    return given if len(given) == rows else given.reshape(rows, len(given) // rows, *given.shape[1:])
