"""Any run is a backbone for another: what its encoder has learned, and the tokens it was given, are there again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from backbones.hub_modules import BERT, write_preprocessor, write_text_module
from backbones.tiny_folders import DROPOUT, Checkpoint, write_keras_hub

from sftkeras.backbones import Backbone, choose_mode, load_backbone, load_chosen
from sftkeras.backbones.bottlenecks import bottlenecks_of
from sftkeras.backbones.fetching import BackboneFolders, fetch_backbone
from sftkeras.backbones.trimming import trim
from sftkeras.config import BackboneConfig, CleaningConfig, TrainConfig, TuningConfig
from sftkeras.errors import SFTError
from sftkeras.handles import check_weights
from sftkeras.publishing.source import fine_tuned
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_backbone, write_best_backbone
from sftkeras.tasks import Pooling, TextModel, attach_head
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.classification.task import Classification
from sftkeras.text import make_cleaning, make_features
from sftkeras.training.earlier_run import find_beginning
from sftkeras.tuning.bottlenecks import add_bottlenecks

LENGTH = 10
TEXTS = ["good films", "a bad [E1]film[/E1].", "é"]
TOKENIZERS = {"roberta": "roberta", "xlm-roberta": "xlm_roberta", "deberta-v2": "deberta"}

BACKBONES: dict[str, Callable[[Path], Path]] = {
    **{
        kind: Checkpoint(kind, sentence_piece=kind == "albert", tokenizer_of=TOKENIZERS.get(kind)).write
        for kind in DROPOUT
    },
    "KerasHub": write_keras_hub,
    "TF-Hub, rebuilt": BERT.write,
    "TF-Hub, texts": write_text_module,
}


def trained_run(
    folder: Path,
    backbone: Backbone,
    *,
    pooling: Pooling = "mean",
    tokens: tuple[str, ...] = (),
    cleaning: CleaningConfig | None = None,
) -> RunFolder:
    """A finished run whose weights are all others than those it began with."""
    network = attach_head(backbone, task := Classification(("bad", "good"), dropout=0.0), pooling)
    for number, weight in enumerate(network.trainable_weights):
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.1, seed=number))
    settings = vars(cleaning) if cleaning else {}
    features = make_features(backbone.tokenizer, max_length=LENGTH, pairs=False, cleaning=make_cleaning(**settings))
    run = RunFolder(folder)
    run.states.mkdir(parents=True)
    run.keep_settings(TrainConfig(task=ClassificationSettings(), name=folder.name))
    run.keep_model(TextModel(features, network, task), backbone, pooling, tokens)
    network.save_weights(run.best_weights)
    return run


def begin(run: RunFolder, config: TrainConfig | None = None) -> tuple[Backbone, tuple[str, ...]]:
    """What a run whose handle is `run` begins with, and what its user is told."""
    folders = fetch_backbone(str(run.folder), None, max_length=LENGTH)
    beginning = find_beginning(config or TrainConfig(task=ClassificationSettings()), folders)
    choice = choose_mode(beginning.folders.encoder, "auto")
    return load_chosen(choice, max_length=LENGTH, preprocessor=beginning.folders.preprocessor), beginning.notes


def outputs(backbone: Backbone) -> dict[str, np.ndarray]:
    features = make_features(backbone.tokenizer, max_length=LENGTH, pairs=False)
    found = backbone.model(features(tf.constant(TEXTS)), training=False)
    names = ["sequence_output", *(["pooled_output"] if backbone.has_pooler else [])]
    return {name: np.asarray(found[name]) for name in names if name in found}


@pytest.mark.parametrize(("kind", "pooling"), [("bert", "mean"), *((kind, "cls") for kind in BACKBONES)])
def test_a_run_begins_with_what_another_has_learned(kind: str, pooling: Pooling, tmp_path: Path) -> None:
    folder = BACKBONES[kind](tmp_path / "weights")
    run = trained_run(tmp_path / "runs" / "first", load_backbone(folder, max_length=LENGTH), pooling=pooling)
    shutil.rmtree(folder)
    learned, _ = restore_backbone(run)
    again, notes = begin(run)
    assert again.has_pooler == learned.has_pooler
    for name, expected in outputs(learned).items():
        np.testing.assert_allclose(outputs(again)[name], expected, atol=1e-6, err_msg=name)
    assert f"the encoder is that of {run.folder} at its best epoch" in notes[0]


def test_a_third_run_begins_with_the_second(tmp_path: Path) -> None:
    first = trained_run(tmp_path / "first", load_backbone(Checkpoint().write(tmp_path / "weights"), max_length=LENGTH))
    second = trained_run(tmp_path / "second", begin(first)[0])
    learned, _ = restore_backbone(second)
    np.testing.assert_array_equal(outputs(begin(second)[0])["sequence_output"], outputs(learned)["sequence_output"])


def test_bottleneck_adapters_stay_in_what_follows_from_a_run(tmp_path: Path) -> None:
    """As a handle, trimmed, and for a run after that; other libraries get nothing that lacks them."""
    backbone = load_backbone(Checkpoint().write(tmp_path / "weights"), max_length=LENGTH)
    config = TrainConfig(task=ClassificationSettings(), tuning=TuningConfig(method="adapters", bottleneck=4))
    add_bottlenecks(backbone, config)
    first = trained_run(tmp_path / "first", backbone)
    learned, _ = restore_backbone(first)
    assert len(bottlenecks_of(learned)) == 2 * len(learned.layers)
    again, _ = begin(first)
    assert "bottleneck adapters of an earlier run" in again.notes[-1]
    np.testing.assert_allclose(outputs(again)["sequence_output"], outputs(learned)["sequence_output"], atol=1e-6)
    assert add_bottlenecks(again, config) == (
        f"{len(bottlenecks_of(learned))} bottleneck adapters of the earlier run learn on",
    )
    second = trained_run(tmp_path / "second", again)
    kept, _, _ = trim(find_beginning(config, BackboneFolders(second.folder)).folders.encoder, [1])
    fewer, whole = bottlenecks_of(load_backbone(kept, max_length=LENGTH)), bottlenecks_of(restore_backbone(second)[0])
    assert set(fewer) == {(0, "output"), (0, "down")}
    for (_, name), bottleneck in fewer.items():
        expected = whole[1, name].parameters
        for one, other in zip(bottleneck.parameters, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    write_best_backbone(second)
    assert not second.best_backbone.exists()
    for form in ("tf_hub", "hugging_face"):
        with pytest.raises(SFTError, match=f"SFT334  --format {form}: the run's bottleneck adapters"):
            fine_tuned(str(second.folder), form)  # type: ignore[arg-type]


def test_added_tokens_are_kept_and_cleaning_and_markers_are_named(tmp_path: Path) -> None:
    tokens = ("[E1]", "[/E1]")
    backbone = load_backbone(Checkpoint().write(tmp_path / "weights"), max_length=LENGTH, extra_tokens=tokens)
    cleaning = CleaningConfig(markup=True, mask=["email"])
    run = trained_run(tmp_path / "first", backbone, pooling="markers", tokens=tokens, cleaning=cleaning)
    again, notes = begin(run)
    assert again.tokenizer is not None
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint  # type: ignore[union-attr]
    assert '--cleaning.markup true --cleaning.mask ["email"]' in notes[1]
    assert "--backbone.pooling markers" in notes[2]
    same = TrainConfig(task=ClassificationSettings(), cleaning=cleaning, backbone=BackboneConfig(pooling="markers"))
    assert len(begin(run, same)[1]) == 1


def test_a_module_that_was_given_a_preprocessor_keeps_it(tmp_path: Path) -> None:
    module, preprocessor = BERT.write(tmp_path / "module"), write_preprocessor(tmp_path / "preprocessor")
    given = load_backbone(module, max_length=LENGTH, mode="opaque", preprocessor=preprocessor)
    run = trained_run(tmp_path / "first", given)
    again, _ = begin(run)
    assert type(again.tokenizer) is type(given.tokenizer)
    rebuilt = load_backbone(module, max_length=LENGTH, preprocessor=preprocessor)
    with pytest.raises(SFTError, match="SFT378"):
        begin(trained_run(tmp_path / "second", rebuilt))


def test_the_encoder_of_masked_words_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = Checkpoint().write(tmp_path / "weights")
    run = trained_run(tmp_path / "first", load_backbone(folder, max_length=LENGTH))
    shutil.copytree(folder, run.best_backbone)
    beginning = find_beginning(TrainConfig(task=ClassificationSettings()), BackboneFolders(run.folder))
    assert beginning.folders.encoder == run.best_backbone


def test_what_lies_in_a_run_or_was_exported_from_it_names_the_run(tmp_path: Path) -> None:
    folder = Checkpoint().write(tmp_path / "weights")
    run = trained_run(tmp_path / "runs" / "first", load_backbone(folder, max_length=LENGTH))
    for part in ("backbone", "state"):
        with pytest.raises(SFTError, match=rf"SFT362.*: {run.folder}\."):
            check_weights(run.folder / part)
    shutil.copytree(folder, run.best_backbone)
    check_weights(run.best_backbone)
    version = tmp_path / "saved_models" / "first" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"graph")
    (version / "contract.json").write_text(json.dumps({"name": "first"}))
    for place in (version, version.parent):
        with pytest.raises(SFTError, match=r"SFT361.*: runs/first"):
            check_weights(place)
    run.best_weights.unlink()
    with pytest.raises(SFTError, match=r"SFT306.*state/best.weights.h5"):
        check_weights(run.folder)


def test_an_encoder_too_short_is_found_before_it_is_loaded(tmp_path: Path) -> None:
    folder = Checkpoint().write(tmp_path / "weights")
    run = trained_run(tmp_path / "first", load_backbone(folder, max_length=LENGTH))
    with pytest.raises(SFTError, match="SFT351"):
        fetch_backbone(str(run.folder), None, max_length=500)


def test_a_run_keeps_every_file_that_its_tokenizer_was_read_from(tmp_path: Path) -> None:
    folder = Checkpoint().write(tmp_path / "weights")
    pieces = (folder / "vocab.txt").read_text().split("\n")[:-1]
    (folder / "added_tokens.json").write_text(json.dumps({"[E1]": len(pieces), "Film": len(pieces) + 1}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"additional_special_tokens": ["[E1]"]}))
    backbone = load_backbone(folder, max_length=LENGTH)
    run = trained_run(tmp_path / "first", backbone)
    shutil.rmtree(folder)
    for again in (restore_backbone(run)[0], begin(run)[0]):
        assert again.tokenizer is not None
        assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint  # type: ignore[union-attr]
