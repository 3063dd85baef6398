"""A published module where nothing of this package is: TensorFlow alone, and tf_keras with TensorFlow Hub."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from published import prove_module, write_both
from tiny_folders import POSITIONS

from sftkeras.backbones import load_backbone
from sftkeras.backbones.publishing.card import render_card
from sftkeras.backbones.tfhub.names import hub_names
from sftkeras.errors import SFTError

# The last line a program prints is its answer.
TENSORFLOW = """
import json, sys
import tensorflow as tf
encoder = tf.saved_model.load("module")
ids = tf.constant([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0]])
inputs = {"input_word_ids": ids, "input_mask": tf.cast(ids > 0, tf.int32), "input_type_ids": tf.zeros_like(ids)}
quiet = encoder(inputs)["pooled_output"].numpy().tolist()
before = [variable.numpy() for variable in encoder.trainable_variables]
with tf.GradientTape() as tape:
    outputs = encoder(inputs, training=True)
    loss = tf.reduce_sum(outputs["pooled_output"] ** 2) + tf.reduce_sum(outputs["sequence_output"] ** 3)
for variable, gradient in zip(encoder.trainable_variables, tape.gradient(loss, encoder.trainable_variables)):
    variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
moved = [v.name for v, old in zip(encoder.trainable_variables, before) if (v.numpy() != old).any()]
others = [name for name in ("sftkeras", "keras_hub", "tensorflow_text") if name in sys.modules]
print(json.dumps({"quiet": quiet, "moved": moved, "others": others}))
"""

# The two programs of the card, each with names of its own, in one process; the first needs TensorFlow alone.
OF_THE_CARD = """
import json
import tensorflow as tf
pairs, layer = {{}}, {{}}
exec({pairs!r}, pairs)
exec({layer!r}, layer)
model = layer["model"]
before = [weight.numpy() for weight in model.weights]
model.compile(layer["tf_keras"].optimizers.SGD(0.1), "mse")
model.fit(tf.constant(["a good film", "the plot"]), tf.constant([[1.0], [0.0]]), epochs=2, verbose=0)
moved = [weight.name for weight, old in zip(model.weights, before) if (weight.numpy() != old).any()]
trainable = [weight.name for weight in model.trainable_weights]
print(json.dumps({{"trainable": trainable, "moved": moved, "vectors": pairs["vectors"].numpy().tolist()}}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Path:
    """Holds the module of the tiny BERT in the folder `module`, with its card."""
    folder = tmp_path_factory.mktemp("elsewhere")
    backbone = load_backbone(tiny_bert_folder, max_length=POSITIONS)
    module = write_both(backbone, folder / "module")
    difference = prove_module(backbone, module)
    assert difference <= 1e-5
    card = render_card("module", backbone, "cls", difference, source="tiny")
    (module / "README.md").write_text(card, encoding="utf-8")
    return folder


def run(program: str, cwd: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def names(tiny_bert_folder: Path) -> set[str]:
    encoder = load_backbone(tiny_bert_folder, max_length=POSITIONS).model
    return {f"{name}:0" for _, name in hub_names(encoder, pooler=True)}


@pytest.fixture(scope="module")
def of_the_card(folder: Path) -> dict:
    """Outputs of the programs on the card."""
    card = (folder / "module" / "README.md").read_text(encoding="utf-8")
    layer, pairs = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    return run(OF_THE_CARD.format(pairs=pairs, layer=layer), folder)


def test_tensorflow_alone_runs_and_trains_it(folder: Path, tiny_bert_folder: Path) -> None:
    answer = run(TENSORFLOW, folder)
    assert answer["others"] == []
    assert set(answer["moved"]) >= {name for name in names(tiny_bert_folder) if "/key/bias" not in name}
    ids = np.array([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0]], np.int32)
    inputs = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": (ids > 0).astype(np.int32)}
    expected = load_backbone(tiny_bert_folder, max_length=POSITIONS).model(inputs, training=False)["pooled_output"]
    np.testing.assert_allclose(answer["quiet"], expected, atol=1e-5)


def test_a_trainable_keras_layer_of_tensorflow_hub_trains_all_of_it(of_the_card: dict, tiny_bert_folder: Path) -> None:
    assert names(tiny_bert_folder) <= set(of_the_card["trainable"])
    still = names(tiny_bert_folder) - set(of_the_card["moved"])
    assert {name for name in still if "/key/bias" not in name} == set()


def test_the_cards_program_for_pairs_runs(of_the_card: dict) -> None:
    assert np.array(of_the_card["vectors"]).shape == (1, 16)


def test_a_changed_weight_is_noticed(folder: Path, tiny_bert_folder: Path) -> None:
    backbone, module = load_backbone(tiny_bert_folder, max_length=POSITIONS), folder / "module"
    kernel = backbone.model.pooled_dense.kernel
    kernel.assign(kernel + 1e-6)
    with pytest.raises(SFTError, match=r"SFT379.*pooler_transform/kernel"):
        prove_module(backbone, module)
    kernel.assign(tf.ones_like(kernel))
    with pytest.raises(SFTError, match=r"SFT379.*pooled_output"):
        prove_module(backbone, module)
