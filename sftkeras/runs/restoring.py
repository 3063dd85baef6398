"""The model of a finished run, built again from its folder; and its backbone, written as a handle for other runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.disk.cache import building, cache_folder, locked, read_manifest, write_manifest
from sftkeras.disk.files import sha256_of, write_errors
from sftkeras.errors import SFTError
from sftkeras.runs.folder import RunFolder

if TYPE_CHECKING:
    import keras

    from sftkeras.backbones import Backbone
    from sftkeras.tasks import Pooling, TextModel


def restore_model(run: RunFolder) -> TextModel:
    """Builds the run's model with its best weights, in float32.

    Raises:
        SFTError: SFT112 if a file of the run is damaged, and what `load_backbone` raises.
    """
    return _restore(run)[0]


@dataclass(frozen=True)
class RestoredRun:
    """The parts of a run's model with its best weights, in float32.

    Attributes:
        model: of the whole.
        backbone: in it. A pooler that the run did not train is not in the run, so `has_pooler` is false then.
        pooling: of its token vectors.
        max_length: tokens that a text had at most.
        cleaning: the settings of the cleaning of its texts; empty if nothing was done.
    """

    model: TextModel
    backbone: Backbone
    pooling: Pooling
    max_length: int
    cleaning: Mapping[str, Any]


def restore_run(run: RunFolder) -> RestoredRun:
    """Builds the parts of the run's model; raises as `restore_model`."""
    text_model, backbone, pooling = _restore(run)
    settings = run.read_model()
    backbone = _with_trained_pooler(backbone, text_model, pooling)
    return RestoredRun(text_model, backbone, pooling, settings["max_length"], settings.get("cleaning", {}))


def restore_backbone(run: RunFolder) -> tuple[Backbone, Pooling]:
    """Builds the run's backbone alone, and gives the pooling of its token vectors; raises as `restore_model`."""
    restored = restore_run(run)
    return restored.backbone, restored.pooling


def write_best_backbone(run: RunFolder) -> None:
    """Writes the backbone with its best weights, and the head if it is a masked-LM head, as a Hugging Face folder.

    The folder is a handle for other runs, and lands whole or not at all. It is not written with bottleneck adapters
    or virtual tokens: other libraries would read it without them. Raises as `write_backbone`.
    """
    if run.has_bottlenecks or run.has_virtual_tokens:
        return
    with write_errors(run.best_backbone, "--runs"), building(run.best_backbone) as unfinished:
        write_backbone(run, unfinished)


def write_backbone(run: RunFolder, folder: Path) -> None:
    """Writes the encoder with its best weights into a folder that is a handle for other runs.

    A rebuilt encoder becomes a Hugging Face folder, with its masked-LM head if it has one, and so does a decoder; a
    TF-Hub module that was trained as it is becomes that module. Bottleneck adapters are in a file beside the weights.

    Raises:
        SFTError: SFT378 if a preprocessor tokenised the texts of a rebuilt encoder, SFT379 if a module cannot be
            written, SFT493 if it has virtual tokens, and as `restore_model`.
    """
    from sftkeras.backbones.bottlenecks import write_bottlenecks
    from sftkeras.backbones.hugging_face import write_decoder, write_folder
    from sftkeras.backbones.publishing.republish import write_again
    from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead
    from sftkeras.text import Tokenizer

    if run.has_virtual_tokens:
        raise SFTError("SFT493", given=run.folder, remedy=f"Begin with the whole run, by --start_from {run.folder}.")
    restored = restore_run(run)
    backbone = restored.backbone
    if backbone.is_module:
        write_again(backbone.model, folder)
        return
    if backbone.kind == "decoder":
        write_decoder(folder, backbone)
    elif isinstance(backbone.tokenizer, Tokenizer):
        head = VocabularyHead.of(restored.model.network)
        write_folder(folder, backbone.model, backbone.tokenizer, has_pooler=backbone.has_pooler, head=head)
    else:
        raise SFTError("SFT378")
    write_bottlenecks(folder, backbone)


def kept_backbone(run: RunFolder) -> Path:
    """Return the folder in the cache that `write_backbone` wrote, or write it; raises as that."""
    parts = [sha256_of(run.best_weights), run.model_file.read_text(encoding="utf-8")]
    folder = cache_folder("runs") / hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    with locked(folder):
        if read_manifest(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)
            with building(folder) as unfinished:
                write_backbone(run, unfinished)
                write_manifest(unfinished, run=run.folder.name)
    return folder


def load_best_weights(run: RunFolder, network: keras.Model, backbone: Backbone) -> None:
    """Gives a network that is built as the run's the weights of the run's best epoch, in float32.

    Adapters are merged into them, but for bottleneck adapters, which stay.

    Args:
        run: has the weights.
        network: to be given them.
        backbone: the part of it that adapters were attached to.

    Raises:
        SFTError: SFT112 if they are damaged, SFT487 if merged ones compute something else.
    """
    from sftkeras.backbones.bottlenecks import put_described
    from sftkeras.tuning.adapters import attach_described, hold_kernels, make_plain_layers

    with _reading(run.model_file):
        settings = run.read_model()
        adapters, base = settings.get("adapters", {}), settings.get("base")
        if base:
            hold_kernels(backbone, base)
        attach_described(backbone, adapters)
        put_described(backbone, settings.get("bottlenecks", {}))
    with _reading(run.best_weights):
        network.load_weights(run.best_weights)
    if adapters or base:
        make_plain_layers(backbone)


def _restore(run: RunFolder) -> tuple[TextModel, Backbone, Pooling]:
    from sftkeras.backbones import load_backbone
    from sftkeras.tasks import TextModel, attach_head, restore_task
    from sftkeras.text import make_cleaning
    from sftkeras.tuning.virtual_tokens import add_described

    with _reading(run.model_file):
        settings = run.read_model()
    backbone = load_backbone(
        run.backbone,
        max_length=settings["max_length"],
        without_weights=settings["backbone"],
        extra_tokens=settings.get("extra_tokens", ()),
    )
    backbone = add_described(backbone, settings)
    backbone = replace(backbone, has_pooler=settings["has_pooler"])  # its weights, which would show it, are not here
    task = restore_task(settings["task"])
    network = attach_head(backbone, task, settings["pooling"])
    load_best_weights(run, network, backbone)
    features = task.features(
        backbone.tokenizer,
        max_length=settings["max_length"],
        pairs=settings["pairs"],
        cleaning=make_cleaning(**settings.get("cleaning", {})),
    )
    return TextModel(features, network, task, backbone), backbone, settings["pooling"]


def _with_trained_pooler(backbone: Backbone, text_model: TextModel, pooling: Pooling) -> Backbone:
    """The backbone, without its pooler if the run did not train that."""
    trained = {id(variable) for variable in text_model.network.variables}
    pooler = backbone.pooler  # what a TF-Hub module does, it does itself
    is_kept = pooling == "cls" and (pooler is None or id(pooler.kernel) in trained)
    return replace(backbone, has_pooler=backbone.has_pooler and is_kept)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Names a damaged file of a run."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        raise SFTError("SFT112", path=path, problem=problem) from error
