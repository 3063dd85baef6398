"""What features need besides weights, such as a table and the file it is filled from, goes into the export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import MAX_LENGTH, ORIGIN, TASKS, build_model  # sets TensorFlow's environment first

import tensorflow as tf  # isort: skip

from sftkeras.exporting.export import export
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.saved_model import write_saved_model
from sftkeras.tasks import TextModel
from sftkeras.text import TextFeatures

TEXTS = ["first", "second", "neither", ""]


def write_translator(folder: Path, words: dict[str, str]) -> Path:
    """A SavedModel that looks words up in a table filled from an asset, as modules that read texts do."""
    file = folder.with_suffix(".tsv")
    file.write_text("".join(f"{word}\t{other}\n" for word, other in words.items()))
    module = tf.Module()
    rows = tf.lookup.TextFileInitializer(str(file), tf.string, 0, tf.string, 1)
    module.table = tf.lookup.StaticHashTable(rows, "film")
    module.look_up = tf.function(module.table.lookup, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(folder))
    return folder


class Translated(TextFeatures):
    """Features of other words for the texts."""

    def __init__(self, of: TextFeatures, *modules: Any) -> None:
        super().__init__(of.tokenizer, max_length=MAX_LENGTH, pairs=False)
        self._modules = modules

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        return super().__call__(tf.strings.join([module.look_up(texts) for module in self._modules], " "))

    @property
    def resources(self) -> list[Any]:
        wanted = (tf.saved_model.experimental.TrackableResource, tf.saved_model.Asset)
        objects = [it for module in self._modules for it in tf.train.TrackableView(module).descendants()]
        return [it for it in objects if isinstance(it, wanted)]


def translated_model(*folders: Path) -> TextModel:
    model = build_model(TASKS["classification"])
    features = Translated(model.features, *(tf.saved_model.load(str(folder)) for folder in folders))
    return TextModel(features, model.network, model.task)


@pytest.fixture(scope="module")
def translators(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two modules whose tables are made alike, and so have the same name in their graphs, but hold other words."""
    folder = tmp_path_factory.mktemp("modules")
    words = {"first": "good", "second": "bad"}, {"first": "bad", "second": "film"}
    return write_translator(folder / "one", words[0]), write_translator(folder / "two", words[1])


def test_tables_are_filled_in_a_fresh_process(
    translators: tuple[Path, Path], tmp_path: Path, process: PredictionProcess
) -> None:
    model = translated_model(*translators)
    version = export(model, tmp_path / "tiny", origin=ORIGIN, process=process)
    moved = version.path.rename(tmp_path / "1")
    process.load(moved)
    found, expected = process.predict(TEXTS)["probabilities"], model(tf.constant(TEXTS))["probabilities"]
    assert abs(found - expected.numpy()).max() < 1e-5
    assert len({row.tobytes() for row in found}) == 3  # two words, and all others alike
    assert len(list((moved / "assets").iterdir())) == 2


def test_the_loader_of_tensorflow_2_keeps_the_tables_apart(translators: tuple[Path, Path], tmp_path: Path) -> None:
    model = translated_model(*translators)
    write_saved_model(model, tmp_path / "export")
    loaded = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"](text=tf.constant(TEXTS))
    expected = model(tf.constant(TEXTS))["probabilities"]
    assert abs(loaded["probabilities"] - expected).numpy().max() < 1e-5


def test_loaded_tables_are_written_to_the_same_bytes_each_time(translators: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_saved_model(translated_model(*translators), tmp_path / name)
        tf.saved_model.load(str(translators[0]))  # what the process loads in between must not show
    first, second = (tmp_path / name / "saved_model.pb" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
