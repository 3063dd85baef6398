"""Contract of a task with training, evaluation, export, serving and the commands. Optional parts have defaults here.

A task is a folder with a `spec.py`, which imports no TensorFlow and gives its `TaskSpec` as `SPEC`, and a `task.py`,
which gives its `Task`. Imports no TensorFlow itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from sftkeras.config import DataConfig, TaskSettings, TrainConfig
from sftkeras.tasks.config_checks import check_config
from sftkeras.tasks.examination import Examination as Examination
from sftkeras.tasks.exported_functions import ExportedFunctions as ExportedFunctions
from sftkeras.tasks.published import PublishedTask
from sftkeras.tasks.row_results import RowResults

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from sftkeras.backbones import Backbone, BackboneKind
    from sftkeras.config import Pooling
    from sftkeras.config.objective import ObjectiveKind
    from sftkeras.data import Examples, Finding, RowInputs

    # By these names for specs: jsonargparse imports what a module of settings has under TYPE_CHECKING, NumPy with it.
    from sftkeras.data import LabelledData as LabelledData
    from sftkeras.data.labels.contract import LabelKind
    from sftkeras.evaluation import Evaluation as Evaluation
    from sftkeras.evaluation.contract import Predict as Predict
    from sftkeras.tasks.generating import Generating
    from sftkeras.tasks.network import TextModel
    from sftkeras.tasks.soft_targets import SoftTargets
    from sftkeras.text import AnyTokenizer, Cleaning, Features


class TaskSpec:
    """Facts of a task that are known before TensorFlow is loaded.

    Attributes:
        kind: its name in the settings, and that of its folder.
        settings: the class of its section of the settings, whose docstring begins with what the task predicts.
        refuses: settings of the data that it cannot use, beside those that its kind of label cannot.
        needs_pair: whether it learns from two texts a row, and from nothing else.
        columns: where its data has what data.text and data.pair name, if these are not set.
        found: columns that are found by what a file has, if they are not set; older runs recorded these names for them.
        pools: whether it makes one vector of those of a text's tokens, by backbone.pooling.
        backbone_kind: what it trains.
        cleans: whether its texts can be cleaned.
        adds_tokens: whether tokens that training adds to the vocabulary are found in its texts.
        gives_backbone: whether what it makes is a backbone for other tasks, which the run then keeps as a folder.
        objectives: kinds of objective that it can be trained by: all but the plain one need each row's logits.
        distils: settings of distillation that it uses; none of a task that cannot learn from a teacher.
        distils_tokens: whether it learns what a teacher gives of each token: a run that sees the same tokens.
        packs: whether rows of a batch may be packed into few, since tokens of one see nothing of another.
        draws: whether labels can be drawn from its predictions, see `Task.draw`.
    """

    kind: ClassVar[str]
    settings: ClassVar[type[TaskSettings]]
    refuses: ClassVar[tuple[str, ...]] = ()
    needs_pair: ClassVar[bool] = False
    columns: ClassVar[Mapping[str, str]] = MappingProxyType({})
    found: ClassVar[Mapping[str, str]] = MappingProxyType({})
    pools: ClassVar[bool] = True
    backbone_kind: ClassVar[BackboneKind] = "encoder"
    cleans: ClassVar[bool] = True
    adds_tokens: ClassVar[bool] = True
    gives_backbone: ClassVar[bool] = False
    objectives: ClassVar[tuple[ObjectiveKind, ...]] = ("plain",)
    distils: ClassVar[tuple[str, ...]] = ()
    distils_tokens: ClassVar[bool] = False
    packs: ClassVar[bool] = False
    draws: ClassVar[bool] = False

    @property
    def summary(self) -> str:
        """The sentence that says what the task predicts."""
        return str(self.settings.__doc__).strip().splitlines()[0].rstrip(".")

    def label_kind(self, settings: Any) -> LabelKind:
        """Gives what a label of the task is, in the data."""
        raise NotImplementedError

    def predicts(self, settings: Any) -> str:
        """Gives what the task predicts, in words, for messages."""
        raise NotImplementedError

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Gives the names of what is measured while training; none where only the loaded task knows them."""
        return ()

    def unused(self, settings: Any) -> tuple[str, ...]:
        """Gives the names of its settings that have no effect beside the others; one that is set is refused."""
        return ()

    def check(self, config: TrainConfig) -> None:
        """Checks the settings of a run before anything is read. A task with checks of its own calls this one too.

        Raises:
            SFTError: SFT412 for a setting without effect, SFT290 without second texts where it needs them, SFT401 if
                the monitor is nothing that the task measures.
        """
        check_config(self, config)

    def examine(self, config: TrainConfig, data: LabelledData, folder: Path) -> Examination | None:
        """Checks the data as far as it depends on the backbone's files; None if there is nothing to check.

        Args:
            config: the settings of the run.
            data: read and divided.
            folder: of the backbone.

        Raises:
            SFTError: the backbone's files do not serve the task.
        """
        return None

    def with_columns(self, config: TrainConfig) -> TrainConfig:
        """Gives the settings of a run with the columns that the task's data usually has, where none are named."""
        usual: dict[str, Any] = {name: col for name, col in self.columns.items() if getattr(config.data, name) is None}
        return replace(config, data=replace(config.data, **usual))

    def as_recorded(self, data: DataConfig) -> DataConfig:
        """Gives the settings of a run's data for other files: a column that only has the usual name was not named."""
        usual: dict[str, Any] = {name: None for name, col in self.found.items() if getattr(data, name) == col}
        return replace(data, **usual)

    def restored(self, kept: Mapping[str, Any]) -> TaskSettings:
        """Gives the settings out of what a run or an export keeps of the task, as far as it keeps them."""
        return self.settings(**{each.name: kept[each.name] for each in fields(self.settings) if each.name in kept})

    def predictor(self, settings: Mapping[str, Any], version: ExportedFunctions, batch_size: int) -> Predict | None:
        """Gives a function by which an exported version predicts what is evaluated; None where its outputs are that.

        Args:
            settings: of the trained task.
            version: runs the functions of the export.
            batch_size: rows at once.
        """
        return None

    def evaluation(self, settings: Mapping[str, Any]) -> Evaluation:
        """Gives what a report needs of the task, with its figures: see `sftkeras.evaluation.contract`.

        Import it inside, so that the spec stays light. `settings` are those of the trained task, `{}` to show a report.
        """
        raise NotImplementedError


class Task:
    """Learns to predict one kind of thing about a text, from labelled examples.

    A task knows nothing of devices, optimizers or files. Its `outputs`, with the features before it, is all that stands
    between raw strings and predictions, in evaluation and in serving alike.

    Attributes:
        kind: its name in the settings.
        whole_batch: whether a row's loss depends on the other rows of its batch. `loss` then always gets whole batches.
    """

    kind: ClassVar[str]
    whole_batch: ClassVar[bool] = False

    def for_tokenizer(self, tokenizer: AnyTokenizer) -> Task:
        """Gives the task for a backbone's tokenizer; one that must know the vocabulary gives another task."""
        return self

    def for_folder(self, folder: Path, extra_tokens: Sequence[str] = ()) -> Task:
        """Gives the task for a backbone's folder; one that reads small files there gives another task.

        Args:
            folder: of the backbone.
            extra_tokens: tokens that training adds to the vocabulary.
        """
        return self

    def features(
        self, tokenizer: AnyTokenizer, *, max_length: int, pairs: bool, cleaning: Cleaning | None = None
    ) -> Features:
        """Gives what makes the encoder's inputs of raw texts, in training and in serving alike.

        By default each text, or each pair of them, is a row.

        Args:
            tokenizer: the backbone's; None if its encoder reads texts itself.
            max_length: tokens a row may have, special tokens included.
            pairs: whether each example has two texts.
            cleaning: what is done to the texts first, if anything.

        Raises:
            SFTError: the tokenizer cannot do what the task needs.
        """
        from sftkeras.text import make_features

        return make_features(tokenizer, max_length=max_length, pairs=pairs, cleaning=cleaning)

    def examine(self, inputs: RowInputs, examples: Examples, max_length: int) -> list[Finding]:
        """Returns findings on the inputs of all rows, of which errors stop the run; by default those of the inputs.

        Args:
            inputs: of all rows.
            examples: the rows.
            max_length: tokens that a row may have.
        """
        return inputs.findings()

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Attaches the head: a functional model from the features' model inputs to float32 logits [batch, …].

        Raises:
            SFTError: the encoder cannot do what the task needs, such as SFT610.
        """
        raise NotImplementedError

    def logit_names(self) -> tuple[str, ...]:
        """Gives the name of each logit in the last axis, where these are of labels; none where they never change.

        By these the logits of two tasks are the same, though one of them may know more labels.
        """
        return ()

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Makes a batch's model inputs and labels, as the loss takes them, when the batch is put together.

        A row of the data may become several, as many of each, one after another.

        Args:
            inputs: what the token cache has of the rows: all that `encode_arrays` of the features gives.
            labels: what the data has of the rows, one item each.
            random: for what is drawn anew in each epoch; it is a function of (seed, epoch, step) alone.

        Returns:
            The model inputs, and labels [batch, …].
        """
        raise NotImplementedError

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Gives each row's loss, [batch] float32."""
        raise NotImplementedError

    def divergence(self, labels: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Gives how far two predictions for the same rows are apart, [batch] float32, for tasks that `r_drop` trains.

        Args:
            labels: those of `targets`; what the loss leaves out is left out here.
            first: logits of the rows.
            second: other logits of the rows.
        """
        raise NotImplementedError

    def draw(self, labels: tf.Tensor, logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws labels from the predictions, whose negative log-likelihood the loss is, but for a constant factor.

        Asked of a task that can: see `TaskSpec.draws`.

        Args:
            labels: those of `targets`, which say where there are any.
            logits: of the same rows.
            seed: [2] int32, decides what is drawn.
        """
        raise NotImplementedError

    def soft_targets(self) -> SoftTargets | None:
        """Gives how it learns from a teacher, asked of a task that can: see `TaskSpec.distils`."""
        return None

    def row_results(
        self, network: Callable[[dict[str, tf.Tensor]], tf.Tensor], inputs: dict[str, tf.Tensor], labels: tf.Tensor
    ) -> RowResults:
        """Run the network on some rows and give their losses, and what the metrics compare with the truth.

        A task whose logits would fill the memory never holds them all, and its network may end before them. Not asked
        where losses are of whole batches.

        Args:
            network: runs the network, as in training or as in validation.
            inputs: model inputs of the rows.
            labels: those of `targets`.
        """
        logits = network(inputs)
        return RowResults(self.loss(labels, logits), self.predictions(logits))

    def constant_logits(self, labels: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
        """Gives the logits [outputs] of the best prediction that does not look at the text; None if none is simple.

        A training whose loss is far above that of these logits is reported as ruined.

        Args:
            labels: those of `targets`, [batch, …].
            weights: of the rows, [batch] float32, which sum to one.
        """
        return None

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """Gives each row's weight in the loss, [batch] float32; `labels` are those of `targets`."""
        raise NotImplementedError

    def units(self, labels: tf.Tensor) -> tf.Tensor:
        """Gives how many things the loss of some rows is the mean of, int32: by these, an epoch's loss is averaged.

        Args:
            labels: those of `targets`.
        """
        import tensorflow as tf

        return tf.shape(labels)[0]

    def metrics(self) -> list[keras.metrics.Metric]:
        """Gives fresh metrics to follow while training; `truths` and `predictions` feed them."""
        raise NotImplementedError

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """Gives labels in the form the metrics take."""
        raise NotImplementedError

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Gives probabilities [batch, …, classes] or values [batch]: what the metrics compare with the truth."""
        raise NotImplementedError

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Gives the named predictions that a server returns, one row a text.

        Args:
            logits: of the rows of the model inputs.
            features: all that the features gave, such as where in a text the words of a row stand.
        """
        raise NotImplementedError

    def predictor(self, model: TextModel, batch_size: int) -> Predict | None:
        """Gives a function by which a model in memory predicts; None where `outputs` are all that it predicts.

        Args:
            model: with the weights that predict.
            batch_size: rows at once.
        """
        return None

    def generating(self, model: TextModel) -> Generating | None:
        """Gives the functions of an export that generates texts; None where `outputs` are what an export gives.

        Args:
            model: with the weights that are exported, in float32.
        """
        return None

    def predicts_untuned(self, network: keras.Model) -> bool:
        """Says whether a network can predict before it learns, with no head or a pretrained one: a baseline."""
        return False

    def continuing(self, earlier: Mapping[str, Any]) -> Task:
        """Gives the task as it continues from the weights of another run.

        What its head means, such as the unit of a number, stays what it was there.

        Args:
            earlier: `settings()` of the task there.
        """
        return self

    def needs_thresholds(self, labels: Any) -> bool:
        """Says whether there is something to choose once the task has learned, such as a threshold.

        Args:
            labels: what the data has of the rows of the validation part.
        """
        return False

    def with_thresholds(self, predictions: dict[str, np.ndarray], labels: Any) -> Task:
        """Gives the task with what it chooses by the validation part.

        Args:
            predictions: the named predictions for the rows of that part, by the best weights.
            labels: what the data has of these rows.
        """
        return self

    def published(self) -> PublishedTask:
        """Says how other libraries compute what it predicts; by default they know the encoder alone."""
        return PublishedTask()

    def settings(self) -> dict[str, Any]:
        """Gives everything but weights that is needed to build the task again, as plain JSON."""
        raise NotImplementedError
