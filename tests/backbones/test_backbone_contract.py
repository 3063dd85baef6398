"""What every kind of folder must give: an encoder equal to its checkpoint, its tokenizer, and clear refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import keras_hub
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tiny_byte_pairs import tiny_byte_pairs
from tiny_folders import (
    DROPOUT,
    HEADS,
    HIDDEN,
    INNER,
    LAYERS,
    MODEL_TYPES,
    PLAIN,
    POSITIONS,
    VOCABULARY,
    Checkpoint,
    Tensors,
    forward,
    keras_hub_tensors,
    ragged_inputs,
    write_keras_hub,
)
from tiny_sentence_pieces import tiny_sentence_pieces
from tiny_unigram import tiny_model

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.hugging_face import write_folder
from sftkeras.backbones.hugging_face.family import attention_dropout, transformer_layers
from sftkeras.errors import SFTError

TEXTS = ["A good films.", "bad É film", ""]
NUMBERS = [[8, 5, 7, 9, 12], [6, 11, 7], []]

HUGGING_FACE = {
    "plain": PLAIN,
    "tanh gelu": Checkpoint(hidden_act="gelu_new"),
    "tanh gelu by its other name": Checkpoint(hidden_act="gelu_pytorch_tanh"),
    "relu": Checkpoint(hidden_act="relu"),
    "silu": Checkpoint(hidden_act="silu"),
    "large epsilon": Checkpoint(layer_norm_eps=1e-2),
    "bert. prefix": Checkpoint(prefix="bert."),
    "gamma and beta": Checkpoint(prefix="bert.", older_norm_names=True),
    "shards": Checkpoint(shards=3),
    "float16": Checkpoint(dtype=np.float16),
    "bfloat16": Checkpoint(dtype=ml_dtypes.bfloat16),
    "no pooler": Checkpoint(pooler=False),
    "tokenizer.json alone": Checkpoint(tokenizer_json=True),
    "electra": Checkpoint("electra"),
    "electra. prefix": Checkpoint("electra", prefix="electra.", older_norm_names=True),
    "electra with relu": Checkpoint("electra", hidden_act="relu", layer_norm_eps=1e-2),
    "albert": Checkpoint("albert"),
    "albert. prefix": Checkpoint("albert", prefix="albert.", older_norm_names=True),
    "albert with gelu": Checkpoint("albert", hidden_act="gelu", layer_norm_eps=1e-2),
    "albert without pooler": Checkpoint("albert", pooler=False),
    "roberta": Checkpoint("roberta", layer_norm_eps=1e-5),
    "roberta. prefix, no pooler": Checkpoint("roberta", prefix="roberta.", older_norm_names=True, pooler=False),
    "xlm-roberta": Checkpoint("xlm-roberta", prefix="roberta.", hidden_act="relu", layer_norm_eps=1e-2),
    "distilbert": Checkpoint("distilbert"),
    "distilbert. prefix": Checkpoint("distilbert", prefix="distilbert.", hidden_act="gelu_new", shards=2),
    "deberta": Checkpoint("deberta-v2", layer_norm_eps=1e-7),
    "deberta. prefix": Checkpoint("deberta-v2", prefix="deberta.", hidden_act="silu", layer_norm_eps=1e-2),
}


@dataclass
class Loaded:
    """A loaded folder, and what its encoder must compute."""

    folder: Path
    backbone: Backbone
    tensors: Tensors
    rules: dict[str, Any]  # what NumPy needs to know besides

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        return ragged_inputs(self.rules.get("model_type", "bert"))


@pytest.fixture(scope="module", params=[*HUGGING_FACE, "keras_hub"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("folder")
    if request.param == "keras_hub":
        backbone = load_backbone(write_keras_hub(folder), max_length=POSITIONS)
        return Loaded(folder, backbone, keras_hub_tensors(backbone.model), {"hidden_act": "gelu_new"})
    checkpoint = HUGGING_FACE[request.param]
    backbone = load_backbone(checkpoint.write(folder), max_length=POSITIONS)
    rules = {
        "model_type": checkpoint.model_type,
        "hidden_act": checkpoint.activation,
        "epsilon": checkpoint.layer_norm_eps,
    }
    return Loaded(folder, backbone, checkpoint.tensors(), rules)


def test_the_encoder_computes_what_the_checkpoint_says(loaded: Loaded) -> None:
    inputs = loaded.inputs
    tokens, pooled = forward(loaded.tensors, inputs, **loaded.rules)
    outputs = loaded.backbone.model(inputs, training=False)
    np.testing.assert_allclose(outputs["sequence_output"], tokens, atol=1e-5)
    assert loaded.backbone.has_pooler == (pooled is not None)
    if pooled is not None:
        np.testing.assert_allclose(outputs["pooled_output"], pooled, atol=1e-5)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_no_rows_are_encoded_as_none(model_type: str, tmp_path: Path) -> None:
    """A served graph gets no rows for an empty request, and their length may be 0."""
    encoder = load_backbone(Checkpoint(model_type).write(tmp_path), max_length=POSITIONS).model
    signature = {name: tf.TensorSpec([None, None], tf.int32) for name in encoder.input}
    encode = tf.function(lambda inputs: encoder(inputs, training=False)["sequence_output"], [signature])
    for length in (0, 4):
        inputs = {name: tf.zeros([0, length], tf.int32) for name in encoder.input}
        assert tuple(encode(inputs).shape) == (0, length, HIDDEN)


FROM_TRANSFORMERS = Path(__file__).parent / "from_transformers"


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_encoder_computes_what_hugging_faces_library_does(model_type: str, tmp_path: Path) -> None:
    """Folders that transformers wrote, and what it computed with them; from_transformers/make.py makes them again."""
    folder = shutil.copytree(FROM_TRANSFORMERS / model_type, tmp_path / "folder")
    put("vocab.txt", "\n".join(VOCABULARY).encode())(folder)
    backbone = load_backbone(folder, max_length=12)
    expected = dict(np.load(folder / "outputs.npz"))
    inputs = {name: expected.pop(name) for name in backbone.model.input}
    outputs = backbone.model(inputs, training=False)
    found = {**outputs, "sequence_output": outputs["sequence_output"].numpy()[inputs["padding_mask"] == 1]}
    assert backbone.has_pooler == ("pooled_output" in expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=2e-6, err_msg=name)


def test_the_tokenizer_is_that_of_the_folder(loaded: Loaded) -> None:
    tokenizer = loaded.backbone.tokenizer
    assert tokenizer.vocabulary == VOCABULARY
    assert tokenizer(tf.constant(TEXTS)).to_list() == NUMBERS


def test_it_is_known_what_was_loaded(loaded: Loaded) -> None:
    assert loaded.backbone.max_positions == POSITIONS
    assert loaded.backbone.format == ("keras_hub" if (loaded.folder / "model.weights.h5").exists() else "hugging_face")
    assert loaded.backbone.parameters == sum(int(np.prod(weight.shape)) for weight in loaded.backbone.model.weights)


def test_a_text_longer_than_the_positions_is_refused(loaded: Loaded) -> None:
    with pytest.raises(SFTError, match=f"SFT351.*{POSITIONS + 1}.*{POSITIONS}"):
        load_backbone(loaded.folder, max_length=POSITIONS + 1)


def test_the_small_files_build_the_encoder_again_for_a_run_with_weights_of_its_own(
    loaded: Loaded, tmp_path: Path
) -> None:
    for name, path in loaded.backbone.files.items():
        assert not name.endswith((".safetensors", ".weights.h5"))
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(path.read_bytes())
    again = load_backbone(tmp_path, max_length=POSITIONS, without_weights=loaded.backbone.format)
    again.model.set_weights(loaded.backbone.model.get_weights())
    inputs = loaded.inputs
    expected = loaded.backbone.model(inputs, training=False)["sequence_output"]
    np.testing.assert_array_equal(again.model(inputs, training=False)["sequence_output"], expected)
    assert again.tokenizer.fingerprint == loaded.backbone.tokenizer.fingerprint


def dropout_rates(folder: Path, dropout: float | None = None) -> set[tuple[str, float]]:
    encoder = load_backbone(folder, max_length=8, dropout=dropout).model
    rates = {("embeddings", encoder.embeddings_dropout.rate)}
    for layer in transformer_layers(encoder):
        rates |= {
            ("attention", attention_dropout(layer).rate),
            ("after attention", layer._self_attention_dropout.rate),
            ("hidden", layer._feedforward_dropout.rate),
        }
    return rates


def rates(general: float, attention: float, *, model_type: str = "bert") -> set[tuple[str, float]]:
    after = 0.0 if model_type == "distilbert" else general  # which drops nothing there
    return {("embeddings", general), ("attention", attention), ("after attention", after), ("hidden", general)}


@pytest.mark.parametrize("model_type", DROPOUT)
def test_dropout_is_the_checkpoints_unless_set(model_type: str, tmp_path: Path) -> None:
    said = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2}
    own = Checkpoint(model_type, config=said).write(tmp_path / "own")
    assert dropout_rates(own) == rates(0.3, 0.2, model_type=model_type)
    assert dropout_rates(own, dropout=0.05) == rates(0.05, 0.05, model_type=model_type)
    assert dropout_rates(own, dropout=0.0) == rates(0.0, 0.0)
    silent = Checkpoint(model_type).write(tmp_path / "silent")
    assert dropout_rates(silent) == rates(DROPOUT[model_type], DROPOUT[model_type], model_type=model_type)


def test_dropout_of_a_preset_is_its_own_unless_set(tmp_path: Path) -> None:
    hub = write_keras_hub(tmp_path / "hub")
    assert dropout_rates(hub) == rates(0.2, 0.2)
    assert dropout_rates(hub, dropout=0.0) == rates(0.0, 0.0)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: rewrite(folder, lambda tensors: tensors.pop(name))


def shaped(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda folder: rewrite(folder, lambda tensors: tensors.update({name: change(tensors[name])}))


def rewrite(folder: Path, change: Callable[[Tensors], object]) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def configured(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

    return change


def put(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def cut_short(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100])


def with_gap(folder: Path) -> None:
    pieces = {piece: number * 2 for number, piece in enumerate(VOCABULARY)}
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordPiece", "vocab": pieces}}))


INTERMEDIATE = "encoder.layer.1.intermediate.dense.weight"
BROKEN_HUGGING_FACE = {
    "missing tensor": (without(INTERMEDIATE), "SFT357", INTERMEDIATE),
    "missing layer norm": (without("encoder.layer.0.output.LayerNorm.bias"), "SFT357", "LayerNorm.bias"),
    "wrong shape": (shaped(INTERMEDIATE, lambda array: array[:-1]), "SFT358", "(23, 16)"),
    "turned over": (shaped(INTERMEDIATE, lambda array: np.ascontiguousarray(array.T)), "SFT358", "(16, 24)"),
    "not finite": (shaped(INTERMEDIATE, lambda array: array * np.nan), "SFT359", INTERMEDIATE),
    "flattened": (shaped("embeddings.word_embeddings.weight", np.ravel), "SFT358", "word_embeddings"),
    "vocabulary too big": (
        put("vocab.txt", "\n".join([*VOCABULARY, *"bcdfg"]).encode()),
        "SFT353",
        "18 pieces, the embedding 16 rows",
    ),
    "vocabulary without [SEP]": (put("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n"), "SFT352", "[SEP]"),
    "vocabulary without [UNK]": (put("vocab.txt", b"[PAD]\n[SEP]\n[CLS]\n"), "SFT352", "[UNK]"),
    "vocabulary not UTF-8": (put("vocab.txt", b"[PAD]\n\xff\n"), "SFT354", "vocab.txt"),
    "vocabulary with gaps": (with_gap, "SFT354", "tokenizer.json"),
    "no vocabulary": (lambda folder: (folder / "vocab.txt").unlink(), "SFT356", "vocab.txt"),
    "another architecture": (configured(model_type="mamba"), "SFT355", 'model_type "mamba" is not supported'),
    "part of a name": (configured(model_type="ber"), "SFT355", "Supported: bert, electra, albert, roberta"),
    "no architecture": (configured(model_type=None), "SFT367", "model_type"),
    "several architectures": (configured(model_type=["bert"]), "SFT355", "model_type"),
    "a decoder": (configured(is_decoder=True), "SFT355", 'is_decoder "True"'),
    "another activation": (configured(hidden_act="mish"), "SFT355", "mish"),
    "relative positions": (configured(position_embedding_type="relative_key"), "SFT355", "relative_key"),
    "no size": (configured(hidden_size=None), "SFT354", "no number for hidden_size"),
    "no width": (configured(hidden_size=0), "SFT354", "no number for hidden_size"),
    "words for a number": (configured(layer_norm_eps="small"), "SFT354", "no number for layer_norm_eps"),
    "heads that do not fit": (configured(num_attention_heads=3), "SFT358", "(15, 16)"),
    "config.json is cut off": (put("config.json", b'{"model_type": "bert",'), "SFT354", "config.json"),
    "config.json is a list": (put("config.json", b"[]"), "SFT354", "config.json"),
    "config.json is no text": (put("config.json", b"\xff\xfe"), "SFT354", "config.json"),
    "weights cut off": (cut_short("model.safetensors"), "SFT307", "model.safetensors"),
    "weights are something else": (put("model.safetensors", b"<html>not found</html>"), "SFT307", "model.safetensors"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "SFT306", "model.safetensors"),
}


@pytest.mark.parametrize("case", BROKEN_HUGGING_FACE)
def test_a_broken_hugging_face_folder_is_refused(case: str, tmp_path: Path) -> None:
    spoil, code, told = BROKEN_HUGGING_FACE[case]
    folder = PLAIN.write(tmp_path / "folder")
    spoil(folder)
    with pytest.raises(SFTError, match=code) as raised:
        load_backbone(folder, max_length=8)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def with_other_specials(folder: Path) -> None:
    model = tiny_sentence_pieces().replace(b"[CLS]", b"<cls>")
    (folder / "spiece.model").write_bytes(model)
    configured(vocab_size=300)(folder)


def with_half_a_tokenizer(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "Unigram", "vocab": [["<pad>", 0.0]]}}))


LAYER = "encoder.albert_layer_groups.0.albert_layers.0"
BROKEN_OTHERS = {
    "electra, no width": ("electra", configured(embedding_size=None), "SFT354", "no number for embedding_size"),
    "electra, no projection": ("electra", without("embeddings_project.bias"), "SFT357", "embeddings_project.bias"),
    "electra, another width": ("electra", configured(embedding_size=6), "SFT358", "(16, 6)"),
    "albert, two groups": ("albert", configured(num_hidden_groups=2), "SFT355", 'num_hidden_groups "2"'),
    "albert, inner layers": ("albert", configured(inner_group_num=2), "SFT355", 'inner_group_num "2"'),
    "albert, missing tensor": ("albert", without(f"{LAYER}.ffn_output.weight"), "SFT357", "ffn_output.weight"),
    "albert, wrong shape": ("albert", shaped(f"{LAYER}.ffn.bias", lambda array: array[:-1]), "SFT358", "(23,)"),
    "albert, half a pooler": ("albert", without("pooler.bias"), "SFT357", "pooler.bias"),
    "albert, its model cut off": ("albert", put("spiece.model", b"\x0a\xff"), "SFT354", "spiece.model"),
    "albert, its model empty": ("albert", put("spiece.model", b""), "SFT354", "spiece.model"),
    "albert, its model another's": ("albert", with_other_specials, "SFT352", "[CLS]"),
    "albert, half a tokenizer.json": ("albert", with_half_a_tokenizer, "SFT354", "tokenizer.json"),
    "roberta, other padding": ("roberta", configured(pad_token_id=0), "SFT355", 'pad_token_id "0"'),
    "roberta, positions of BERT": ("roberta", configured(max_position_embeddings=12), "SFT358", "(14, 16)"),
    "distilbert, no width": ("distilbert", configured(dim=None), "SFT354", "no number for dim"),
    "distilbert, another activation": ("distilbert", configured(activation="mish"), "SFT355", "mish"),
    "deberta, absolute positions": ("deberta-v2", configured(position_biased_input=True), "SFT355", "position_biased"),
    "deberta, one way": ("deberta-v2", configured(pos_att_type="c2p"), "SFT355", 'pos_att_type "c2p"'),
    "deberta, of version 2": ("deberta-v2", configured(conv_kernel_size=3), "SFT355", 'conv_kernel_size "3"'),
    "deberta, segments": ("deberta-v2", configured(type_vocab_size=2), "SFT355", 'type_vocab_size "2"'),
    "deberta, other buckets": ("deberta-v2", configured(position_buckets=3), "SFT358", "(6, 16)"),
    "albert, no vocabulary": ("albert", lambda folder: (folder / "vocab.txt").unlink(), "SFT356", "spiece.model"),
}


@pytest.mark.parametrize("case", BROKEN_OTHERS)
def test_a_broken_folder_of_another_architecture_is_refused(case: str, tmp_path: Path) -> None:
    model_type, spoil, code, told = BROKEN_OTHERS[case]
    folder = Checkpoint(model_type).write(tmp_path / "folder")
    spoil(folder)
    with pytest.raises(SFTError, match=code) as raised:
        load_backbone(folder, max_length=8)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = replace(PLAIN, shards=3).write(tmp_path / "folder")
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(SFTError, match=r"SFT306.*model-00002-of-00003"):
        load_backbone(folder, max_length=8)


BROKEN_KERAS_HUB = {
    "config.json is cut off": (put("config.json", b'{"module": '), "SFT354"),
    "config.json is a list": (put("config.json", b"[]"), "SFT354"),
    "weights cut off": (cut_short("model.weights.h5"), "SFT354"),
    "weights are something else": (put("model.weights.h5", b"<html>"), "SFT354"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "SFT354"),
    "no vocabulary": (lambda folder: (folder / "assets/tokenizer/vocabulary.txt").unlink(), "SFT354"),
    "vocabulary too big": (
        put("assets/tokenizer/vocabulary.txt", "\n".join([*VOCABULARY, "b", "c"]).encode()),
        "SFT353",
    ),
}


KERAS_HUB = {
    "Roberta": (
        tiny_byte_pairs,
        lambda it: keras_hub.models.RobertaTokenizer(it[0], [" ".join(pair) for pair in it[1]]),
    ),
    "XLMRoberta": (lambda: tiny_model("xlm_roberta"), keras_hub.models.XLMRobertaTokenizer),
    "DistilBert": (lambda: VOCABULARY, lambda it: keras_hub.models.DistilBertTokenizer(it, lowercase=True)),
    "DebertaV3": (lambda: tiny_model("deberta"), keras_hub.models.DebertaV3Tokenizer),
}


@pytest.mark.parametrize("kind", KERAS_HUB)
def test_a_preset_of_another_architecture_computes_what_keras_hub_does(kind: str, tmp_path: Path) -> None:
    vocabulary, make_tokenizer = KERAS_HUB[kind]
    theirs = getattr(keras_hub.models, f"{kind}Backbone")(
        vocabulary_size=400,
        num_layers=LAYERS,
        num_heads=HEADS,
        hidden_dim=HIDDEN,
        intermediate_dim=INNER,
        max_sequence_length=POSITIONS,
        dropout=0.2,
        **({"bucket_size": 2 * POSITIONS} if kind == "DebertaV3" else {}),
    )
    for weight in theirs.weights:
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.2, seed=4))
    theirs.save_to_preset(str(tmp_path))
    make_tokenizer(vocabulary()).save_to_preset(str(tmp_path))
    backbone = load_backbone(tmp_path, max_length=POSITIONS)
    inputs = ragged_inputs("roberta")
    expected = theirs({name: inputs[name] for name in theirs.input}, training=False).numpy()
    mask = inputs["padding_mask"] == 1
    np.testing.assert_allclose(
        backbone.model(inputs, training=False)["sequence_output"].numpy()[mask], expected[mask], atol=1e-5
    )
    assert (backbone.max_positions, backbone.has_pooler, backbone.format) == (POSITIONS, False, "keras_hub")
    again = load_backbone(tmp_path, max_length=POSITIONS, without_weights="keras_hub")
    again.model.set_weights(backbone.model.get_weights())
    found = again.model(inputs, training=False)["sequence_output"]
    np.testing.assert_array_equal(found, backbone.model(inputs, training=False)["sequence_output"])
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint
    assert len(again.tokenizer(tf.constant(TEXTS)).to_list()[0]) > 2
    write_folder(tmp_path / "written", backbone.model, backbone.tokenizer, has_pooler=False)
    written = load_backbone(tmp_path / "written", max_length=POSITIONS)
    found = written.model(inputs, training=False)["sequence_output"]
    np.testing.assert_allclose(found, backbone.model(inputs, training=False)["sequence_output"], atol=1e-6)


@pytest.fixture(scope="module")
def whole_keras_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keras_hub(tmp_path_factory.mktemp("hub"))


@pytest.mark.parametrize("case", BROKEN_KERAS_HUB)
def test_a_broken_keras_hub_folder_is_refused(case: str, whole_keras_hub: Path, tmp_path: Path) -> None:
    spoil, code = BROKEN_KERAS_HUB[case]
    folder = shutil.copytree(whole_keras_hub, tmp_path / "folder")
    spoil(folder)
    with pytest.raises(SFTError, match=code) as raised:
        load_backbone(folder, max_length=8)
    assert "\n" not in str(raised.value)


def test_another_keras_hub_architecture_is_refused(tmp_path: Path) -> None:
    sizes = {"num_layers": 1, "hidden_dim": 8, "intermediate_dim": 8, "max_sequence_length": 8}
    keras_hub.models.FNetBackbone(vocabulary_size=13, **sizes).save_to_preset(str(tmp_path))
    keras_hub.models.BertTokenizer(vocabulary=VOCABULARY).save_to_preset(str(tmp_path))
    with pytest.raises(SFTError, match=r"SFT355.*FNetBackbone"):
        load_backbone(tmp_path, max_length=8)
