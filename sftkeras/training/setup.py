"""From settings and checked data to everything `fit` needs: the model under its strategy, and the batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import tensorflow as tf

from sftkeras import runtime
from sftkeras.backbones import Backbone, choice_without_weights, choose_mode, load_chosen
from sftkeras.backbones.dense.held_kernels import count_parameters
from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.backbones.hugging_face.sentence_model import read_sentence_model
from sftkeras.backbones.rematerialisation import rematerialise
from sftkeras.backbones.token_vectors import give_token_vectors
from sftkeras.backbones.trimming import trimmed
from sftkeras.config import TrainConfig, added_tokens, plain
from sftkeras.config.tuning import VIRTUAL
from sftkeras.console import progress_bar, waiting
from sftkeras.data import BatchPlan, Finding, LabelledData, RowInputs, Texts, Variants, stop_on_errors
from sftkeras.data.storage.joined import LearnedRows
from sftkeras.plurals import counted
from sftkeras.tasks import Task, TextModel, attach_head, attach_head_again, make_task, spec_of
from sftkeras.text import Features, make_cleaning
from sftkeras.training.batches import Batches, read_inputs, read_variants
from sftkeras.training.earlier_run import Beginning, find_beginning
from sftkeras.training.encoder_needs import check_cleaning, check_opaque, check_pooling
from sftkeras.training.fisher import FisherRows, consolidation
from sftkeras.training.fit import is_higher_better, prepare_model
from sftkeras.training.foreign_texts import foreign_texts
from sftkeras.training.growing import begin_with
from sftkeras.training.replay import with_replay
from sftkeras.training.rewriting import rewrite_texts
from sftkeras.training.step.model import SupervisedModel
from sftkeras.training.teaching import Lesson, Teach
from sftkeras.training.warm_start import WarmStart
from sftkeras.training.workers import cluster as workers
from sftkeras.training.workers.meeting import meet
from sftkeras.tuning.methods import choose_what_learns
from sftkeras.tuning.tuning import plan_tuning
from sftkeras.tuning.virtual_tokens import add_described, begin_virtual_tokens

# Validation, and a teacher, keep no activations for a gradient, so larger batches fit; larger than this is no faster.
_VALIDATION_BATCHES = 2


@dataclass(frozen=True)
class Setup:
    """Everything `fit` needs.

    Attributes:
        config: the settings, without an open one.
        backbone: the pretrained encoder.
        text_model: what is trained, evaluated and exported; it shares the weights of `model`.
        model: what `fit` trains.
        inputs: the model inputs of every row.
        train: the training batches.
        validation: the validation batches.
        strategy: the devices.
        examined: what the task found in the model inputs.
        foreign: a warning if the backbone's vocabulary does not know the language of the texts.
        precision: which precision was chosen and why; empty where the settings say it.
        replay: what is replayed of earlier runs; empty for nothing.
    """

    config: TrainConfig
    backbone: Backbone
    text_model: TextModel
    model: SupervisedModel
    inputs: RowInputs
    train: Batches
    validation: Batches
    strategy: tf.distribute.Strategy
    examined: tuple[Finding, ...] = ()
    foreign: tuple[Finding, ...] = ()
    precision: str = ""
    replay: str = ""

    def findings(self) -> list[Finding]:
        """Return the findings on the texts as the encoder sees them, for the report."""
        return [*self.examined, *self.foreign]

    def describe(self) -> str:
        """Notes on the backbone; and the model, the devices and the steps, in a few words."""
        devices = self.strategy.num_replicas_in_sync
        notes = "".join(f"Note: {note}.\n" for note in (*self.backbone.notes, *runtime.precision_notes()))
        # What the inputs found themselves, their own description says.
        of_task = [found for found in self.examined if found not in self.inputs.findings()]
        notes += "".join(f"Warning: {found}\n" for found in (*of_task, *self.foreign))
        learning = f" {self.model.tuning.note}" if self.model.tuning.note else ""
        return (
            f"{notes}"
            f"{count_parameters(self.model.network) / 1e6:.1f} million parameters on "
            f"{counted(devices, 'device')}, {self.model.network.compute_dtype}; "
            f"{counted(self.train.steps, 'step')} an epoch, {self.inputs.describe(self.train.plan)}."
            f"{learning}" + "".join(f"\n{line}" for line in (self.replay, self.precision) if line)
        )


def set_up(config: TrainConfig, data: LabelledData, folders: BackboneFolders, teach: Teach | None = None) -> Setup:
    """Loads the backbone, attaches the head, tokenises the texts and plans the batches.

    Several workers first wait for each other here.

    Args:
        config: the settings, whose precision is not open; see `precision.set_up_in_precision`.
        data: the rows.
        folders: of the backbone.
        teach: asks the teacher, if there is one.
    """
    digest = workers.digest([plain(config), data.fingerprint])
    meet(workers.current(), digest, config.training.join_minutes * 60)
    strategy = runtime.make_strategy(config.training, config.seed)
    workers.connect(strategy)
    max_length = config.backbone.max_length
    labels = data.examples.labels
    start = WarmStart.of(config)
    beginning = Beginning(folders) if start else find_beginning(config, folders)
    folders = beginning.folders
    if start:
        choice = choice_without_weights(folders.encoder, start.model["backbone"])
    else:
        choice = choose_mode(folders.encoder, config.backbone.mode)  # runs the module, so not under the strategy
    sentences = read_sentence_model(folders.encoder)
    pooling = config.backbone.text_pooling if spec_of(config.task.kind).pools else None
    around = sentences.notes(pooling, max_length) if sentences else ()
    choice = replace(choice, notes=(*beginning.notes, *choice.notes, *around))
    if choice.mode == "opaque":
        check_opaque(config)
    if config.backbone.layers and not start:  # of what another run kept, all are taken
        choice = trimmed(choice, config.backbone.layers)
    with waiting("Loading the encoder"), strategy.scope():
        backbone = load_chosen(
            choice,
            max_length=max_length,
            dropout=config.backbone.dropout,
            preprocessor=folders.preprocessor,
            extra_tokens=added_tokens(config),
            without_weights=start.model["backbone"] if start else None,
        )
        check_pooling(config, backbone)
        task = make_task(config.task, data.label_names, labels[data.splits["train"]], backbone.tokenizer)
        task = task.for_folder(folders.encoder, added_tokens(config))
        if start:
            backbone = add_described(backbone, start.model)
            backbone = replace(backbone, has_pooler=start.model["has_pooler"])
            task = task.continuing(start.model["task"])
        network = attach_head(backbone, task, config.backbone.text_pooling)
        if start:
            begin_with(start, network, backbone, task)
        if config.tuning.method in VIRTUAL and backbone.virtual is None:
            backbone = begin_virtual_tokens(backbone, config)
            network = attach_head_again(network, backbone, task, config.backbone.text_pooling)
        backbone = replace(backbone, notes=(*backbone.notes, *choose_what_learns(network, backbone, config)))
        if config.training.rematerialise:
            rematerialise(backbone.layers)
        if config.objective.changes_token_vectors:
            assert backbone.token_embedding is not None  # a module is refused before: see `check_opaque`
            give_token_vectors(backbone.token_embedding)
        is_higher_better(config.training.early_stopping.monitor, task)  # of a task that names no metrics beforehand
    pairs = config.data.pair is not None
    make = partial(task.features, backbone.tokenizer, max_length=max_length, pairs=pairs)
    cleaning = make_cleaning(**asdict(config.cleaning))
    check_cleaning(cleaning, added_tokens(config))
    features = make(cleaning=cleaning)
    variants = rewrite_texts(config, data, cleaning)
    with progress_bar() as progress:
        inputs = read_inputs(data.examples, features, progress)
        train_inputs = read_variants(variants, make(), progress) if variants else inputs
        replayed = data.earlier if config.continual.changed else {}
        of_earlier = [(rows, read_inputs(rows.examples, features, progress)) for rows in replayed.values()]
    examined = task.examine(inputs, data.examples, max_length)
    stop_on_errors(examined, complete=True)
    training = config.training
    multiple = runtime.length_multiple()
    room = max_length if training.packing else None
    at_once = training.batch_size * _VALIDATION_BATCHES
    own = _learned(teach, task, features, at_once, data, inputs, train_inputs, variants or (data.examples,))
    asked = teach if config.continual.replay else None
    earlier = [
        _learned(asked, task, features, at_once, rows, tokens, tokens, (rows.examples,)) for rows, tokens in of_earlier
    ]
    learned, replay = with_replay(config.continual.replay, own, earlier, tuple(replayed))
    plans = {
        "train": BatchPlan(
            learned.inputs.lengths,
            learned.rows,
            training.batch_size,
            config.seed,
            group_by_length=training.group_by_length,
            multiple=multiple,
            room=room,
            pool=replay.pool,
            drawn=replay.drawn,
        ),
        "validation": BatchPlan(
            inputs.lengths,
            inputs.rows_of(data.splits["validation"]),
            training.batch_size * _VALIDATION_BATCHES,
            config.seed,
            shuffle=False,
            multiple=multiple,
            room=room,
        ),
    }
    train = Batches(plans["train"], learned.inputs, learned.labels, task, max_length, learned.weights, learned.given)
    validation = Batches(plans["validation"], inputs, own.labels, task, max_length, own.weights)
    penalty = None
    if start and config.continual.ewc:
        some = FisherRows(earlier, config.continual.fisher_rows, config.seed)
        fingerprints = [features.fingerprint, *(rows.fingerprint for rows in replayed.values())]
        penalty = consolidation(config, start, network, task, some, strategy, fingerprints)
    total_steps = train.steps * training.epochs
    with strategy.scope():
        tuning = plan_tuning(network, backbone, config, total_steps)
    inner = None
    if teach and config.distillation.looks_inside:
        with strategy.scope():
            inner = teach.inside(network, backbone, features)
    model = prepare_model(
        network,
        task,
        config,
        total_steps=total_steps,
        strategy=strategy,
        tuning=tuning,
        inner=inner,
        known=teach.known_logits(task) if teach else None,
        penalty=penalty,
    )
    text_model = TextModel(features, network, task, backbone)
    foreign = foreign_texts(data.examples, data.splits, inputs, backbone.tokenizer)
    found = (tuple(examined), tuple(foreign))
    return Setup(config, backbone, text_model, model, inputs, train, validation, strategy, *found, replay=replay.note)


def _learned(
    teach: Teach | None,
    task: Task,
    features: Features,
    at_once: int,
    data: LabelledData,
    inputs: RowInputs,
    read: RowInputs | Variants,
    texts: Sequence[Texts],
) -> LearnedRows:
    """The training rows of a data set.

    Args:
        teach: asks the teacher, if there is one.
        task: that learns.
        features: of the texts.
        at_once: rows that a teacher may be asked about at once.
        data: the rows.
        inputs: the model inputs of every row.
        read: those that are learned from, rewritten or not.
        texts: of every row; several if they are rewritten.
    """
    rows, labels = inputs.rows_of(data.splits["train"]), inputs.of_rows(data.examples.labels)
    weights = None if data.examples.weights is None else inputs.of_rows(data.examples.weights)
    given = teach(Lesson(task, features, texts, rows, labels, at_once)) if teach else ()
    return LearnedRows(read, rows, labels, weights, given)
