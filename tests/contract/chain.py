"""`python chain.py FOLDER WAY` trains the model of every entry in one process, and leaves what the tests compare.

The ways:
- whole: on one device. The run is then exported and evaluated by the real commands, which share one fresh process where
  each would start one. Early in its training each run's folder is copied: what a kill would leave.
  Methods of tuning are trained alone.
- continued: trains on from the copies, on two devices, each part of a batch in two micro-batches; nothing but training.

What goes wrong with an entry is left in FOLDER/WAY/NAME.error and does not keep the others from being trained.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

# The process may be forked from one that has imported the package as it is: the one of the first path is to be tested.
for module in [name for name in sys.modules if name.partition(".")[0] == "sftkeras"]:
    del sys.modules[module]

from sftkeras import runtime  # noqa: E402

runtime.start_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from alike import decoded  # noqa: E402
from drawn_once import drawn_once  # noqa: E402
from every_task import ENTRIES, OF_THE_GUIDE, TUNED, Entry  # noqa: E402
from forked import forked_predictions  # noqa: E402

from sftkeras import evaluate, predict, train  # noqa: E402
from sftkeras.command_line import commands, next_commands  # noqa: E402
from sftkeras.config import (  # noqa: E402
    DistillationConfig,
    EvaluateConfig,
    LabelledFileConfig,
    PredictConfig,
    ReportConfig,
    TrainConfig,
)
from sftkeras.data import load_data  # noqa: E402
from sftkeras.exporting import prediction_process  # noqa: E402
from sftkeras.generation import GenerationLimits, Generator  # noqa: E402
from sftkeras.pipeline import fine_tuning  # noqa: E402
from sftkeras.pipeline.stages import Trained  # noqa: E402
from sftkeras.prediction import backends  # noqa: E402
from sftkeras.runs import RunFolder  # noqa: E402
from sftkeras.tasks import TextModel, restore_task, spec_of  # noqa: E402
from sftkeras.tasks.predictions import records  # noqa: E402
from sftkeras.training.callbacks import Recorder  # noqa: E402
from sftkeras.training.resume.state_files import THREAD  # noqa: E402

TEACHING = ("multi-label", "regression")  # entries whose runs and exports are asked as teachers
KILLED_AFTER = 3  # steps: within the first of two epochs, of four steps
# Training alone: what else comes before it, the untuned model's predictions, is compared with nothing.
ALONE = {"report.baselines": "false"}
CONTINUED = {"training.devices": 2, "training.accumulation": 2, **ALONE}


class EndError(Exception):
    """Ends a command where an export would begin."""


def words(**settings: object) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]


def training(name: str, entry: Entry, folder: Path, way: str) -> TrainConfig:
    """Settings of a run of two epochs with a state after each step."""
    settings = {
        "name": name,
        "backbone.handle": folder / "weights" / entry.weights,
        "backbone.max_length": 16,
        "backbone.dropout": 0.0,
        "data.train": folder / f"{name}.jsonl",
        "data.split": "[0.5, 0.25, 0.25]",
        "optimizer.name": "sgd",  # Adam would make large steps of what is left by rounding
        "optimizer.learning_rate": 0.1,
        "training.batch_size": 7,  # 24 rows: no part of the last batch is as large as another
        "training.epochs": 2,
        "training.devices": 1,
        "training.deterministic": "true",
        "checkpoint.every_steps": 1,
        "report.bootstrap": 0,
        "runs": folder / way / "runs",
        "export.folder": folder / way / "saved_models",
        **entry.task_settings(),
        **(CONTINUED if way == "continued" else ALONE if name in TUNED else {}),
    }
    if entry.teacher:
        settings["distillation.teacher"] = folder / "whole" / "runs" / entry.teacher
    if entry.earlier:
        settings["start_from"] = folder / "whole" / "runs" / entry.earlier
    return commands.parse(TrainConfig, words(**settings))


# --- what each way does with an entry ---


def whole(name: str, entry: Entry, folder: Path) -> None:
    config = training(name, entry, folder, "whole")
    here, run = folder / "whole", folder / "whole" / "runs" / name
    if name in TUNED:
        with copied(run, folder / "continued" / "runs" / name):
            train_alone(config)
        return
    report = ReportConfig(baselines=False, bootstrap=0)
    with copied(run, folder / "continued" / "runs" / name), answering(entry) as answers:
        train.main(config)
    (here / f"{name}.json").write_text(json.dumps(answers), encoding="utf-8")
    evaluate.main(EvaluateConfig(str(run), report=report, output=str(here / "evaluations" / name)))
    if entry.kind == "chat":
        file = write_test_part(config, here / f"{name}.test.jsonl")
        model, output = str(here / "saved_models" / name), str(here / "evaluations" / f"{name}-file")
        evaluate.main(EvaluateConfig(model, LabelledFileConfig(test=str(file)), report, output))
    asked = folder / f"{name}.jsonl"
    model, answered = str(here / "saved_models" / name), str(here / f"{name}.answers.jsonl")
    predict.main(PredictConfig(model, file=str(asked), output=answered))
    printed = next_commands.with_model(RunFolder(run).last_export())["predict"].split("-m sftkeras.predict ")[1]
    typed = shlex.split(printed.replace("FILE", shlex.quote(str(asked))))
    predict.main(commands.parse(PredictConfig, [*typed, f"--output={here / name}.next.jsonl"]))


def write_test_part(config: TrainConfig, file: Path) -> Path:
    """Writes the conversations that a run was tested on, each of which is kept as JSON; returns the file."""
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed)
    file.write_text("".join(f"{text}\n" for text in data.examples.texts(data.splits["test"])), encoding="utf-8")
    return file


def continued(name: str, entry: Entry, folder: Path) -> None:
    train_alone(training(name, entry, folder, "continued"))


WAYS = {way.__name__: way for way in (whole, continued)}


def train_alone(config: TrainConfig) -> None:
    def end(trained: Trained) -> dict[str, Any]:
        raise EndError

    stock, fine_tuning.export_and_evaluate = fine_tuning.export_and_evaluate, end
    try:
        train.main(config)
    except EndError:
        pass
    finally:
        fine_tuning.export_and_evaluate = stock


@contextmanager
def copied(run: Path, copy: Path) -> Iterator[None]:
    """Copies a run's folder once, in the middle of its training, between two writes."""
    stock, steps = Recorder.on_train_batch_end, []

    def on_train_batch_end(self: Recorder, batch: int, logs: Any = None) -> None:
        stock(self, batch, logs)
        steps.append(batch)
        if len(steps) == KILLED_AFTER:
            for thread in threading.enumerate():
                if thread.name == THREAD:
                    thread.join()
            shutil.copytree(run, copy)

    Recorder.on_train_batch_end = on_train_batch_end
    try:
        yield
    finally:
        Recorder.on_train_batch_end = stock


@contextmanager
def answering(entry: Entry) -> Iterator[dict[str, Any]]:
    """Gives what the entry's texts are answered by the trained model, and by its export in the fresh process."""
    stock, answers = fine_tuning.export_and_evaluate, {}

    def export_and_evaluate(trained: Trained) -> dict[str, Any]:
        report = stock(trained)
        kept = json.loads(trained.run.model_file.read_text("utf-8"))
        model = replace(trained.setup.text_model, task=restore_task(kept["task"]))  # which may have been tuned
        answers["trained"] = answered_in_memory(model, entry)
        answers["exported"] = as_lists(answered_fresh(entry, slice(None)))
        answers["together"] = list(records(answered_fresh(entry, slice(None))))
        answers["one by one"] = [
            next(records(answered_fresh(entry, slice(row, row + 1)))) for row in range(len(entry.texts))
        ]
        answers["many"] = list(records(prediction_process.PredictionProcess().predict(*entry.many())))
        answers["none"] = as_lists(answered_fresh(entry, slice(0)))
        if trained.config.name in TEACHING:
            folders = {"run": trained.run.folder, "export": trained.run.last_export()}
            answers["taught"] = {whose: taught_by(folder, trained).tolist() for whose, folder in folders.items()}
        return report

    fine_tuning.export_and_evaluate = export_and_evaluate
    try:
        yield answers
    finally:
        fine_tuning.export_and_evaluate = stock


def answered_in_memory(model: TextModel, entry: Entry) -> dict[str, Any]:
    if generating := model.task.generating(model):
        return written_in_memory(model, [generating.asked(text) for text in entry.texts], generating.facts)
    texts = [tf.constant(texts) for texts in (entry.texts, entry.pairs) if texts is not None]
    return as_lists({name: decoded(tensor.numpy()) for name, tensor in model(*texts).items()})


def taught_by(folder: Path, trained: Trained) -> np.ndarray:
    """The outputs of a teacher for a run's own training rows."""
    from sftkeras.data.storage.teacher_outputs import joined_rows
    from sftkeras.distillation.asking import Asking  # which takes the one process that there is
    from sftkeras.distillation.teacher import find_teacher
    from sftkeras.training.teaching import Lesson

    config = replace(trained.config, distillation=DistillationConfig(str(folder)))
    teacher, setup, data = find_teacher(config), trained.setup, trained.data
    assert teacher
    rows, model = data.splits["train"], setup.text_model
    lesson = Lesson(model.task, model.features, [data.examples], rows, data.examples.labels, 7)
    (outputs,) = Asking(teacher, config)(lesson)
    return joined_rows(outputs.of_rows(rows), None)


def written_in_memory(model: TextModel, prompts: list[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a model in memory writes after marked prompts, by the loop that evaluation uses."""
    predict: Any = model.task.predictor(model, 8)
    tokens = [row if len(row) else np.array(facts["end_ids"][:1], np.int32) for row in predict.model.tokens(prompts)]
    limits = GenerationLimits(tuple(facts["end_ids"]), facts["defaults"]["max_new_tokens"], facts["positions"])
    generated = Generator(model.backbone.model, limits, vocabulary=facts["vocabulary"])(tokens)
    return {
        "text": predict.model.decoded(generated.token_ids),
        "ended": generated.ended.tolist(),
        "prompt_tokens": list(map(len, tokens)),
        "new_tokens": list(map(len, generated.token_ids)),
    }


def answered_fresh(entry: Entry, rows: slice) -> dict[str, np.ndarray]:
    """What the version that the fresh process has loaded answers to some of the entry's texts, in one batch."""
    pairs = None if entry.pairs is None else entry.pairs[rows]
    return prediction_process.PredictionProcess().predict(entry.texts[rows], pairs, batch_size=len(entry.texts))


def as_lists(answers: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in answers.items()}


# --- what all entries share ---


def share_strategy() -> None:
    """Lets the first run choose the devices for all: a process has one strategy."""
    stock, made = runtime.make_strategy, []

    def make_strategy(config: Any, seed: int) -> tf.distribute.Strategy:
        if not made:
            made.append(stock(config, seed))
        keras.utils.set_random_seed(seed)
        return made[0]

    runtime.make_strategy = make_strategy


@contextmanager
def one_fresh_process() -> Iterator[None]:
    """Gives one process to all that start one, and does not load a version again that it has: either takes seconds."""
    with forked_predictions(), prediction_process.PredictionProcess() as process:

        def start(version: Path | None = None, *, gpu: bool = False) -> prediction_process.PredictionProcess:
            if version not in (None, process.version):
                process.load(version)
            return process

        prediction_process.PredictionProcess.close = lambda _: None
        prediction_process.PredictionProcess = backends.PredictionProcess = start
        yield


def main(folder: Path, way: str) -> None:
    (folder / way).mkdir(exist_ok=True)
    share_strategy()
    for name, entry in (ENTRIES | OF_THE_GUIDE | TUNED).items():
        print(f"== {name}", flush=True)
        try:
            WAYS[way](name, entry, folder)
        except Exception:
            (folder / way / f"{name}.error").write_text(traceback.format_exc(), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[2] == "whole":
        with one_fresh_process(), drawn_once():
            main(Path(sys.argv[1]), "whole")
    else:
        main(Path(sys.argv[1]), sys.argv[2])
