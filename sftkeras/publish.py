"""`python -m sftkeras.publish`: a pretrained encoder, or a run's fine-tuned one, to a TF-Hub module."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras import runtime
from sftkeras.command_line import commands, next_commands
from sftkeras.config import PublishConfig, TrainConfig
from sftkeras.console import say, waiting
from sftkeras.disk.cache import building, cache_folder, locked
from sftkeras.disk.files import write_errors, write_text
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import ModelOrigin, without_folders
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_backbone

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone
    from sftkeras.tasks import Pooling

MODULE_FILE = "saved_model.pb"
PREPROCESSOR = "preprocessor"  # the preprocessor's folder inside the module's: they move together


@dataclass(frozen=True)
class EncoderSource:
    """The encoder to publish, and where it comes from.

    Attributes:
        backbone: the encoder and its tokenizer.
        pooling: how token vectors become "pooled_output".
        origin: where it comes from, for the model card.
        preprocessor: folder of the preprocessor that a run was given; None if it had none.
    """

    backbone: Backbone
    pooling: Pooling
    origin: ModelOrigin
    preprocessor: Path | None = None


def main(config: PublishConfig) -> None:
    """Writes the module and its preprocessor aside, proves them, puts them in their place, and says what follows."""
    check_settings(config)
    output = Path(config.output).expanduser()
    source = fine_tuned(config.run) if config.run else pretrained(config.handle)
    # The lock is in the cache: the user's folders are no place for it.
    with locked(cache_folder("publishing") / hashlib.sha256(str(output.resolve()).encode()).hexdigest()):
        check_output(output, overwrite=config.overwrite)
        with waiting("Publishing the module"):
            difference = publish(source, output)
    describe(output, difference)


def check_settings(config: PublishConfig) -> None:
    """Finds what is wrong before TensorFlow is started."""
    if not config.handle and not config.run:
        raise SFTError("SFT104", flag="--handle", remedy="Say which encoder to publish, or name a run with --run.")
    if config.handle and config.run:
        raise SFTError("SFT102", flag="--run", problem="--handle is given too. Publish one or the other.")
    if not config.output:
        raise SFTError("SFT104", flag="--output", remedy="Name the folder of the module.")
    check_output(Path(config.output).expanduser(), overwrite=config.overwrite)


def check_output(output: Path, *, overwrite: bool) -> None:
    """Makes sure that a module can land in `output`, and that nothing else is lost.

    Raises:
        SFTError: SFT377 if something is there, SFT106 or SFT108 if the folder cannot be written.
    """
    if (output / MODULE_FILE).exists() and not overwrite:
        problem = "a module is there already. Choose another folder, or replace it with --overwrite true."
        raise SFTError("SFT377", folder=output, problem=problem)
    with write_errors(output, "--output"):
        if output.is_file() or (output.is_dir() and any(output.iterdir()) and not (output / MODULE_FILE).exists()):
            problem = "there is something else than a module, and it is left as it is. Choose another folder."
            raise SFTError("SFT377", folder=output, problem=problem)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent):
            pass


def pretrained(handle: str) -> EncoderSource:
    """Fetches and loads the encoder that `handle` names."""
    from sftkeras.handles import check_weights, kind_of, resolve, weights_folder

    folder = weights_folder(resolve(handle, flag="--handle"))
    check_weights(folder)
    if kind_of(folder) == "run":
        raise SFTError(
            "SFT102", flag="--handle", problem=f"{handle} is a run. Name it with --run, in place of --handle."
        )
    runtime.start_tensorflow()
    from sftkeras.backbones import load_backbone

    try:
        backbone = load_backbone(folder, max_length=1, mode="native")
    except SFTError as error:
        if error.code != "SFT366":
            raise
        problem = f"it is a module already, and cannot be rebuilt as a KerasHub encoder: {error.details['reason']}"
        raise SFTError("SFT375", flag="--handle", folder=folder, problem=problem) from error
    return EncoderSource(backbone, "cls" if backbone.has_pooler else "mean", ModelOrigin(str(without_folders(handle))))


def fine_tuned(folder: str) -> EncoderSource:
    """Builds the encoder of a run's best epoch."""
    run = RunFolder.open(folder)
    settings = commands.parse(TrainConfig, ["--config", str(run.config_file)])
    runtime.start_tensorflow()
    backbone, pooling = restore_backbone(run)
    origin = ModelOrigin.read(run.origin_file) if run.origin_file.exists() else ModelOrigin.of(settings)
    given = run.backbone / PREPROCESSOR
    # The vectors of markers, side by side, are no text vector that a module could give under this name.
    pooling = "mean" if pooling == "markers" else pooling
    return EncoderSource(backbone, pooling, origin, given if given.is_dir() else None)


def publish(source: EncoderSource, output: Path) -> float:
    """Writes the module into `output`, whole and proved or not at all; returns the largest difference of an output."""
    from sftkeras.backbones.publishing.card import render_card
    from sftkeras.exporting.export import saving_errors

    with building(output) as draft, saving_errors(output, "--output"):
        write = write_opaque if source.backbone.is_module else write_native
        difference = write(source, draft)
        origin = source.origin
        card = render_card(
            output.name,
            source.backbone,
            source.pooling,
            difference,
            source=origin.backbone,
            learned_from=origin.data.get("train"),
        )
        write_text(draft / "README.md", card)
    return difference


def write_native(source: EncoderSource, draft: Path) -> float:
    """Writes a KerasHub encoder and its tokenizer as modules, and compares them with what they were made of."""
    from sftkeras.backbones.publishing.encoder import write_encoder
    from sftkeras.backbones.publishing.preprocessor import write_preprocessor
    from sftkeras.backbones.publishing.proof import prove
    from sftkeras.backbones.publishing.publication import Publication
    from sftkeras.exporting.parity import ODD_TEXTS
    from sftkeras.tasks import pool

    made_of = Publication.of(source.backbone, pool(source.backbone, source.pooling))
    write_encoder(made_of, draft)
    write_preprocessor(made_of.tokenizer, draft / PREPROCESSOR, max_positions=made_of.max_positions)
    return prove(made_of, draft, draft / PREPROCESSOR, ODD_TEXTS)


def write_opaque(source: EncoderSource, draft: Path) -> float:
    """Writes a module that a run trained as it is, and the preprocessor it was given, if any."""
    from sftkeras.backbones.publishing.republish import write_again

    difference = write_again(source.backbone.model, draft)
    if source.preprocessor:
        shutil.copytree(source.preprocessor, draft / PREPROCESSOR)
    return difference


def describe(output: Path, difference: float) -> None:
    """Prints where the module is, how it was proved, and what to type next."""
    preprocessor = output / PREPROCESSOR
    say(
        f"Module        {output}",
        *([f"Preprocessor  {preprocessor}"] if preprocessor.exists() else []),
        f"Loaded again, its outputs differ from the encoder's by {difference:.1e} at most, its weights not at all.",
        "",
        "What to type next:",
        f"  {next_commands.with_backbone(output)}",
        f"{output / 'README.md'} says how to load it elsewhere.",
    )


if __name__ == "__main__":
    commands.run(main, PublishConfig)
