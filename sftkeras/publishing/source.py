"""The backbone that is published: of a handle, or of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras import runtime
from sftkeras.command_line import commands
from sftkeras.config import PublishFormat, TrainConfig
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import ModelOrigin, without_folders
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import RestoredRun, restore_run
from sftkeras.tasks import spec_of
from sftkeras.tasks.published import PublishedTask

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone, BackboneKind
    from sftkeras.backbones.hugging_face.sentence_model import SentenceModel
    from sftkeras.tasks import Pooling
    from sftkeras.text import Tokenizer

PREPROCESSOR = "preprocessor"  # the folder of a run's TF-Hub preprocessor inside its backbone's, and of a module's own
_KINDS: dict[PublishFormat, tuple[BackboneKind, ...]] = {
    "tf_hub": ("encoder",),
    "hugging_face": ("encoder", "decoder"),
    "gguf": ("decoder",),
}


@dataclass(frozen=True)
class Source:
    """The backbone to publish, and where it comes from.

    Attributes:
        backbone: the encoder or decoder and its tokenizer.
        pooling: how an encoder's token vectors become a text's.
        origin: where it comes from, for the model card.
        run: the run that fine-tuned it; None of a pretrained one.
        sentence_model: how sentence-transformers trained a pretrained encoder; None if it did not.
        preprocessor: folder of the preprocessor that a run was given; None if it had none.
    """

    backbone: Backbone
    pooling: Pooling
    origin: ModelOrigin
    run: RestoredRun | None = None
    sentence_model: SentenceModel | None = None
    preprocessor: Path | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        """The backbone's own tokenizer.

        Raises:
            SFTError: SFT378 if a preprocessor stands in its place.
        """
        from sftkeras.text import Tokenizer

        if not isinstance(self.backbone.tokenizer, Tokenizer):
            raise SFTError("SFT378")
        return self.backbone.tokenizer

    @property
    def kind(self) -> str | None:
        """The kind of task that trains it on: the run's, or chat of a pretrained decoder."""
        if self.run:
            return self.run.model.task.kind
        return "chat" if self.backbone.kind == "decoder" else None

    @property
    def task(self) -> PublishedTask:
        """The forms of the run's task in other libraries; none of a pretrained backbone."""
        return self.run.model.task.published() if self.run else PublishedTask()


def pretrained(handle: str, form: PublishFormat) -> Source:
    """Fetches and loads what `handle` names.

    Raises:
        SFTError: SFT102 if it is a run, SFT334 if it cannot have this format, SFT375 if it is a module that cannot be
            rebuilt, and what fetching and loading raise.
    """
    from sftkeras.backbones import kind_of_backbone, load_backbone
    from sftkeras.backbones.fetching import fetch_weights
    from sftkeras.backbones.hugging_face.sentence_model import read_sentence_model
    from sftkeras.handles import kind_of

    folder = fetch_weights(handle, flag="--handle")
    if (kind := kind_of(folder)) == "run":
        raise SFTError(
            "SFT102", flag="--handle", problem=f"{handle} is a run. Name it with --run, in place of --handle."
        )
    _check_kind(kind_of_backbone(folder), form)
    _check_heads(folder, form)
    runtime.start_tensorflow()
    try:
        backbone = load_backbone(folder, max_length=1, mode="native")
    except SFTError as error:
        if error.code != "SFT366":
            raise
        problem = f"it is a module already, and cannot be rebuilt as a KerasHub encoder: {error.details['reason']}"
        raise SFTError("SFT375", flag="--handle", folder=folder, problem=problem) from error
    origin = ModelOrigin(str(without_folders(handle)))
    sentence_model = read_sentence_model(folder) if kind == "hugging_face" else None
    return Source(backbone, "cls" if backbone.has_pooler else "mean", origin, sentence_model=sentence_model)


def fine_tuned(folder: str, form: PublishFormat) -> Source:
    """Builds the backbone of a run's best epoch.

    Raises:
        SFTError: SFT109 or SFT113 if there is no run with weights, SFT334 or SFT493 if they cannot have this format.
    """
    run = RunFolder.open(folder)
    settings = commands.parse(TrainConfig, ["--config", str(run.config_file)])
    _check_kind(spec_of(settings.task.kind).backbone_kind, form)
    if run.has_bottlenecks:
        problem = "the run's bottleneck adapters are layers of their own, for which it has no place"
        remedy = "Export the run for serving, or train from it with --backbone.handle of sftkeras.train"
        raise SFTError("SFT334", format=form, problem=problem, remedy=remedy)
    _check_heads(run.backbone, form)
    if run.has_virtual_tokens:
        remedy = f"Serve its export, or load {run.adapter} with PEFT onto the model that the run began with."
        raise SFTError("SFT493", given=f"--run {folder}", remedy=remedy)
    runtime.start_tensorflow()
    restored = restore_run(run)
    if restored.backbone.is_module and form != "tf_hub":
        problem = "the run trained a TF-Hub module as it is, which has no other form"
        raise SFTError("SFT334", format=form, problem=problem, remedy="Choose --format tf_hub")
    origin = ModelOrigin.read(run.origin_file) if run.origin_file.exists() else ModelOrigin.of(settings)
    # The vectors of markers, side by side, are no text vector that a module could give under this name.
    pooling: Pooling = "mean" if restored.pooling == "markers" else restored.pooling
    return Source(restored.backbone, pooling, origin, restored, preprocessor=run.preprocessor)


def _check_kind(kind: BackboneKind, form: PublishFormat) -> None:
    """Refuses a backbone that a format is not for.

    Raises:
        SFTError: SFT334.
    """
    if kind not in _KINDS[form]:
        others = [name for name, kinds in _KINDS.items() if kind in kinds]
        problem = f"{'an encoder' if kind == 'encoder' else 'a decoder'} has no form as this"
        raise SFTError("SFT334", format=form, problem=problem, remedy=f"Choose --format {' or '.join(others)}")


def _check_heads(folder: Path, form: PublishFormat) -> None:
    """Refuses an encoder some of whose layers have lost heads.

    Raises:
        SFTError: SFT334.
    """
    from sftkeras.backbones.hugging_face.config import read_json

    config = folder / "config.json"
    if config.exists() and read_json(config).get("pruned_heads"):
        problem = "layers of this encoder have fewer heads than its config says, for which others have no place"
        remedy = "Publish the run before, or one that sftkeras.shrink made without --heads"
        raise SFTError("SFT334", format=form, problem=problem, remedy=remedy)
