"""Settings of each command: one dataclass a command."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sftkeras.config.continual import ContinualConfig
from sftkeras.config.data import DataConfig, LabelledFileConfig, ReadingConfig
from sftkeras.config.distillation import DistillationConfig
from sftkeras.config.model import BackboneConfig, CleaningConfig, TaskSettings
from sftkeras.config.objective import ObjectiveConfig
from sftkeras.config.training import CheckpointConfig, OptimizerConfig, ResumeConfig, TrainingConfig
from sftkeras.config.tuning import LEARNING_RATES, TuningConfig
from sftkeras.config.values import Name, Port, Probability, Seed, UnitInterval


@dataclass(frozen=True)
class ReportConfig:
    """Evaluation of the exported model"""

    baselines: bool = True
    """Also evaluate the majority class and TF-IDF with logistic (or ridge) regression, on the same split."""
    bootstrap: NonNegativeInt = 1000
    """Resamplings for the 95% confidence intervals; 0 gives none."""
    mistakes: NonNegativeInt = 20
    """How many of the most confident mistakes to show."""


ExportPrecision = Literal["float32", "bfloat16", "int8"]


@dataclass(frozen=True)
class ExportConfig:
    """Place of the SavedModel"""

    folder: str = "saved_models"
    """The model lands in FOLDER/NAME/VERSION, the layout TensorFlow Serving reads."""
    server: str | None = None
    """Release of TensorFlow Serving that must be able to load the model, such as 2.19; null only reports which can."""
    transformers: str | None = None
    """A Python that has transformers and torch, such as .venv-torch/bin/python: what transformers reads and writes with
    the trained weights must equal the export. For chat and causal_lm; null compares with the trained model alone."""
    precision: ExportPrecision = "float32"
    """bfloat16 or int8: beside the exact model, also export NAME-bfloat16 or NAME-int8, whose weights are rounded. Of
    encoders; docs/export.md says which is smaller and which is faster."""
    least_equal: Probability = 0.99
    """Share of the test rows for which the rounded export must predict as the exact one, or it is not published."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Fine-tune a pretrained encoder, evaluate it, and export it for TensorFlow Serving"""

    EXAMPLE: ClassVar[str] = (
        "python -m sftkeras.train --name reviews --data.train reviews.csv --backbone.handle hf://sentence-transformers/all-MiniLM-L6-v2"
    )
    REQUIRED: ClassVar[str] = "--data.train, a file with columns such as text and label, and --backbone.handle."

    name: Name = "model"
    """Name of the run and of the served model."""
    start_from: str | None = None
    """A finished run of the same task, such as runs/reviews: its encoder and its head are the first weights, for more
    epochs or more rows. Its labels keep their places in the head, and new ones get places after them. Settings of
    backbone and cleaning that are not given are those of that run."""
    task: TaskSettings
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    data: DataConfig = field(default_factory=DataConfig)
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    continual: ContinualConfig = field(default_factory=ContinualConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    resume: ResumeConfig = field(default_factory=ResumeConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    seed: Seed = 17
    """Seed of the split, the order of the batches, the head's initial weights and the dropout."""
    runs: str = "runs"
    """The run's folder is RUNS/NAME."""
    overwrite: bool = False
    """Replace a run of the same name, unless it can be resumed."""
    dry_run: bool = False
    """Check the data, run a few steps and report the time and memory the run needs; train nothing."""

    def __post_init__(self) -> None:
        """Takes the learning rate that suits what learns, where none is set."""
        if self.optimizer.learning_rate is None:
            optimizer = replace(self.optimizer, learning_rate=LEARNING_RATES[self.tuning.method])
            object.__setattr__(self, "optimizer", optimizer)


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate an exported model on a labelled file"""

    EXAMPLE: ClassVar[str] = "python -m sftkeras.evaluate --model saved_models/reviews --data test.csv"
    REQUIRED: ClassVar[str] = "--model; and --data, unless --model is the folder of a run."

    model: str = ""
    """A version folder under saved_models, a model folder (its newest version is taken), or a run folder."""
    data: LabelledFileConfig = field(default_factory=LabelledFileConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    output: str = "evaluation"
    """Folder for report.json, report.md and report.html."""
    text: str | None = field(default=None, metadata={"of_train": "data.text"})
    """Column that holds the text; null takes the name used in training."""
    pair: str | None = field(default=None, metadata={"of_train": "data.pair"})
    """Column that holds the second text; null takes the name used in training."""
    label: str | list[str] | None = field(default=None, metadata={"of_train": "data.label"})
    """Column that holds the label, or columns with commas between; null takes the names used in training."""
    overwrite: bool = False
    """Replace an existing report."""


@dataclass(frozen=True)
class ExportCommandConfig:
    """Export a finished run as a new SavedModel version"""

    EXAMPLE: ClassVar[str] = "python -m sftkeras.export --run runs/reviews"
    REQUIRED: ClassVar[str] = "--run."

    run: str = ""
    """The run's folder, such as runs/movie-sentiment."""
    folder: str | None = field(default=None, metadata={"of_train": "export.folder"})
    """Where to put NAME/VERSION; null takes the folder of the run's config."""
    server: str | None = field(default=None, metadata={"of_train": "export.server"})
    """Release of TensorFlow Serving that must be able to load the model; null takes that of the run's config."""
    transformers: str | None = field(default=None, metadata={"of_train": "export.transformers"})
    """A Python that has transformers and torch, such as .venv-torch/bin/python: what transformers reads and writes with
    the trained weights must equal the export. For chat and causal_lm; null takes that of the run's config."""
    precision: ExportPrecision = field(default="float32", metadata={"of_train": "export.precision"})
    """bfloat16 or int8: export the model with rounded weights as NAME-bfloat16 or NAME-int8, which reads the run's data
    again to compare it with the exact one."""
    least_equal: Probability | None = field(default=None, metadata={"of_train": "export.least_equal"})
    """Share of the test rows for which it must predict as the exact one does; null takes that of the run's config."""


@dataclass(frozen=True)
class GenerateConfig:
    """Options of a model that generates; what is null is as the model's export has it"""

    max_new_tokens: PositiveInt | None = None
    """Most tokens of each text."""
    temperature: NonNegativeFloat | None = None
    """Logits are divided by it before a token is drawn; 0 takes the most probable token."""
    top_k: NonNegativeInt | None = None
    """Draw only from so many most probable tokens; 0 is all."""
    top_p: Probability | None = None
    """Draw only from the most probable tokens that have this probability together; 1 is all."""
    min_p: UnitInterval | None = None
    """Draw only from tokens that have at least this part of the largest probability; 0 is all."""
    repetition_penalty: PositiveFloat | None = None
    """Above 1, tokens that the prompt or the text has become less probable."""
    stop: list[str] = field(default_factory=list)
    """Strings before which a text ends, such as '["\\n\\n"]'."""
    seed: Seed | None = None
    """Seed of what is drawn: that of the n-th text is seed + n, counted from 0, whatever the batches."""


@dataclass(frozen=True)
class PredictConfig:
    """Get the predictions of an exported model, or of a server that has one"""

    EXAMPLE: ClassVar[str] = 'python -m sftkeras.predict --model saved_models/reviews "a lovely film" "a dull one"'
    REQUIRED: ClassVar[str] = "--model, or --grpc or --rest with --name; and texts, or a file with --file."

    model: str = ""
    """A version folder under saved_models, or a model folder (its newest version is taken)."""
    texts: list[str] = field(default_factory=list, metadata={"bare_words": True})
    """Texts to predict: bare words, each text in quotes, or a list such as '["first", "second"]'. A model of pairs
    takes two at a time, a text and its second text: a question and its context."""
    file: str | list[str] | None = None
    """A data file to predict row by row, a .txt file of one text a line, or - for the same from standard input. Several
    as in data.train of sftkeras.train. For a chat model also conversations, in the forms that training reads."""
    data: ReadingConfig = field(default_factory=ReadingConfig)
    text: str | None = field(default=None, metadata={"of_train": "data.text"})
    """Column of the file that holds the text; null takes the name used in training."""
    pair: str | None = field(default=None, metadata={"of_train": "data.pair"})
    """Column of the file that holds the second text; null takes the name used in training."""
    output: str | None = None
    """File for the predictions beside the other columns of each row, in the format of its ending: .jsonl, .json, .csv,
    .tsv or .parquet; null prints them. A command that is stopped continues where it was when it is repeated."""
    conversations: bool = False
    """Write to output conversations that sftkeras.train reads: what was asked, and a chat model's answer as the last
    message, so that another model learns what this one writes. Answers that a limit cut are left out and counted."""
    batch_size: PositiveInt = 32
    """Texts in one batch."""
    generate: GenerateConfig = field(default_factory=GenerateConfig)
    grpc: str | None = None
    """HOST:PORT of a server to call over gRPC, in place of model."""
    rest: str | None = None
    """Address of a server to call over HTTP, such as http://localhost:8501, in place of model."""
    name: Name | None = None
    """Name of the model on the server."""
    version: NonNegativeInt | None = None
    """Version on the server; null takes the newest it serves."""
    version_label: str | None = None
    """Label of the version on the server, such as canary, in place of its number."""
    token_file: str | None = None
    """File that holds the server's access token."""
    tls: bool = False
    """Use TLS over gRPC. Over HTTP, an https:// address does."""
    tls_ca: str | None = None
    """PEM file of certificates to trust; null takes the system's."""
    tls_certificate: str | None = None
    """PEM file of the client's own certificate, for a server that requires one."""
    tls_key: str | None = None
    """PEM file of the key of tls_certificate."""
    timeout: PositiveFloat = 60.0
    """Seconds for a call to the server, its retries included."""
    parity: str | None = None
    """A version folder or model folder to compare the server's predictions with."""


PublishFormat = Literal["tf_hub", "hugging_face", "gguf"]
PublishedType = Literal["float32", "bfloat16", "float16", "q8_0"]


@dataclass(frozen=True)
class PublishConfig:
    """Write a model for other libraries: a TF-Hub module, a folder for transformers, or a GGUF file for llama.cpp"""

    EXAMPLE: ClassVar[str] = "python -m sftkeras.publish --run runs/chat --format gguf --output published/chat"
    REQUIRED: ClassVar[str] = "--run or --handle, and --output."

    handle: str = field(default="", metadata={"of_train": "backbone.handle"})
    """A pretrained encoder or decoder, named as in backbone.handle of sftkeras.train."""
    run: str = ""
    """Or the folder of a finished run, such as runs/movie-sentiment, whose fine-tuned weights are taken."""
    output: str = ""
    """The folder that is written."""
    format: PublishFormat = "tf_hub"
    """tf_hub: a TF-Hub module and its preprocessor, of an encoder. hugging_face: a folder that transformers,
    sentence-transformers and vLLM load. gguf: a file for llama.cpp and Ollama, of a decoder."""
    dtype: PublishedType = "float32"
    """Type of the published weights. hugging_face: float32, bfloat16 or float16; gguf: q8_0 too."""
    overwrite: bool = False
    """Replace what was published there before."""


@dataclass(frozen=True)
class ServeConfig:
    """Serve exported models over gRPC and REST, as TensorFlow Serving does"""

    EXAMPLE: ClassVar[str] = "python -m sftkeras.serve --models saved_models"
    REQUIRED: ClassVar[str] = "--models or --model_config_file."

    models: str = ""
    """A folder whose subfolders are models, such as saved_models, or one model's folder. The newest version of each."""
    model_config_file: str | None = None
    """In place of models: TensorFlow Serving's file of models, their version policies and version labels."""
    model_config_file_poll_wait_seconds: NonNegativeFloat = 0
    """Seconds between two checks of model_config_file; 0 reads it once."""
    file_system_poll_wait_seconds: NonNegativeFloat = 1
    """Seconds between two checks for new and removed versions; 0 checks once."""
    allow_version_labels_for_unavailable_models: bool = False
    """Allow a new label for a version that is not available yet."""
    host: str = "127.0.0.1"
    """Address to listen on. The default accepts only this machine; 0.0.0.0 accepts every machine."""
    port: Port | None = 8500
    """Port for gRPC; 0 takes a free one, null turns gRPC off."""
    rest_api_port: Port | None = 8501
    """Port for REST, metrics and the page; 0 takes a free one, null turns them off."""
    batching_parameters_file: str | None = None
    """TensorFlow Serving's file of batch sizes and queue lengths; null takes values that suit texts on a CPU."""
    tensorflow_intra_op_parallelism: PositiveInt | None = None
    """Threads one operation may use; null takes half of the cores, which leaves the rest to requests beside it."""
    enable_serialization_as_tensor_content: bool = False
    """Send numbers over gRPC as raw bytes: quicker, where all clients read them."""
    request_seconds: PositiveFloat = 30
    """Longest time for one request, in seconds."""
    max_request_bytes: PositiveInt = 64 * 2**20
    """Largest request, in bytes; up to max_requests of them are held at once."""
    max_requests: PositiveInt = 256
    """Requests handled at once, over gRPC and over REST; more are refused."""
    generation_slots: PositiveInt = 16
    """Texts that a model generates at once."""
    generation_cache_bytes: PositiveInt = 2**30
    """Memory for what texts that are being generated have read and written, in bytes, for each version loaded."""
    generation_queue: NonNegativeInt = 64
    """Texts that wait for a slot, for each version; more are refused."""
    generation_seconds: PositiveFloat = 600
    """Longest time for one generated text, in seconds."""
    drain_seconds: NonNegativeFloat = 10
    """Seconds that open requests get when the server is stopped."""
    tls_certificate: str | None = None
    """PEM file of the server's certificate chain, for TLS on both ports."""
    tls_key: str | None = None
    """PEM file of the key of tls_certificate."""
    tls_client_ca: str | None = None
    """PEM file of authorities: only clients with a certificate of theirs may connect."""
    token_file: str | None = None
    """File of a token that callers must show as `authorization: Bearer TOKEN`; one a line while one is replaced."""
    admin_token_file: str | None = None
    """File of another token, for HandleReloadConfigRequest alone, which may name any folder; null refuses that call."""


@dataclass(frozen=True)
class CompareConfig:
    """Compare runs: settings that differ, figures side by side on the same test rows, learning curves"""

    EXAMPLE: ClassVar[str] = "python -m sftkeras.compare runs/reviews runs/reviews-2 --output comparison"
    REQUIRED: ClassVar[str] = "two or more folders of finished runs, or folders that sftkeras.evaluate wrote."

    runs: list[str] = field(default_factory=list, metadata={"bare_words": True})
    """Folders of runs, bare words; the others are compared with the first."""
    output: str | None = None
    """Folder for comparison.html, .md and .json and a picture of the learning curves; null only prints the tables."""
    overwrite: bool = False
    """Replace an existing comparison."""


@dataclass(frozen=True)
class LaunchConfig:
    """Train with several workers on this machine"""

    EXAMPLE: ClassVar[str] = "python -m sftkeras.launch --workers 2 -- --config reviews.yaml"
    REQUIRED: ClassVar[str] = "the settings of sftkeras.train, after --."

    workers: PositiveInt = 2
    """Processes that train together. They divide the cores, or the GPUs, of this machine."""
    max_restarts: NonNegativeInt = 3
    """How often all workers are started again, from the last state, when one of them dies."""
    stop_seconds: PositiveFloat = 60.0
    """Seconds the workers get to save and end when launch is stopped; then they are killed."""
    arguments: list[str] = field(default_factory=list, metadata={"bare_words": True})
    """The settings of sftkeras.train; write them after --"""


def plain(config: Any) -> dict[str, Any]:
    """A config as dictionaries, lists, numbers and words, for YAML and JSON; bounded numbers become plain ones."""
    return json.loads(json.dumps(asdict(config)))
