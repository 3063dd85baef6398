"""Tokens added to an encoder: it knows them, all else stays as it was, and they go wherever the encoder goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from hub_modules import BERT, ENCODERS
from published import write_both
from tiny_byte_pairs import tiny_byte_pairs
from tiny_folders import HEADS, HIDDEN, INNER, LAYERS, MODEL_TYPES, POSITIONS, VOCABULARY, Checkpoint, write_keras_hub

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.hugging_face import write_folder
from sftkeras.errors import SFTError
from sftkeras.text import Tokenizer

TOKENS = ("[E1]", "[/E1]", "<疾病>")
ORDINARY = ["A film.", "bad É", ""]
MARKED = ["[E1]good[/E1] film", "a <疾病> film [E1]", "[/E1][/E1]"]
# What tokenises the texts of each architecture, where it is no WordPiece.
TOKENIZER_OF = {"roberta": "roberta", "xlm-roberta": "xlm_roberta", "deberta-v2": "deberta"}


def checkpoint(model_type: str) -> Checkpoint:
    return Checkpoint(
        model_type,
        tokenizer_of=TOKENIZER_OF.get(model_type),
        sentence_piece=model_type == "albert",
    )


def write_roberta_preset(folder: Path) -> Path:
    vocabulary, merges = tiny_byte_pairs()
    encoder = keras_hub.models.RobertaBackbone(
        vocabulary_size=400,
        num_layers=LAYERS,
        num_heads=HEADS,
        hidden_dim=HIDDEN,
        intermediate_dim=INNER,
        max_sequence_length=POSITIONS,
    )
    encoder.save_to_preset(str(folder))
    keras_hub.models.RobertaTokenizer(vocabulary, [" ".join(pair) for pair in merges]).save_to_preset(str(folder))
    return folder


FOLDERS: dict[str, Callable[[Path], Path]] = {
    **{model_type: checkpoint(model_type).write for model_type in MODEL_TYPES},
    "keras_hub": write_keras_hub,
    "keras_hub roberta": write_roberta_preset,
    "TF-Hub BERT": ENCODERS["BERT"].write,
    "TF-Hub ALBERT": ENCODERS["ALBERT"].write,
}


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FOLDERS[request.param](tmp_path_factory.mktemp("folder") / "source")


_TOKENS: dict[tuple[str, ...], tf.Tensor] = {}


def padded(tokenizer: Tokenizer, texts: list[str]) -> tf.Tensor:
    """The tokens of texts, [texts, length]; tokenizers with one fingerprint have the same, and are traced once."""
    key = (tokenizer.fingerprint, *texts)
    if key not in _TOKENS:
        _TOKENS[key] = tokenizer(tf.constant(texts)).to_tensor(tokenizer.pad_id)
    return _TOKENS[key]


def encoded(backbone: Backbone, texts: list[str]) -> np.ndarray:
    """The token vectors of texts, [texts, length, hidden]."""
    tokens = padded(backbone.tokenizer, texts)
    inputs = {"token_ids": tokens, "segment_ids": tokens * 0, "padding_mask": tf.ones_like(tokens)}
    return backbone.model(inputs, training=False)["sequence_output"].numpy()


def table(backbone: Backbone) -> np.ndarray:
    return backbone.model.token_embedding.embeddings.numpy()


@pytest.fixture(scope="module")
def plain(folder: Path) -> Backbone:
    return load_backbone(folder, max_length=8)


@pytest.fixture(scope="module")
def more(folder: Path) -> Backbone:
    return load_backbone(folder, max_length=8, extra_tokens=TOKENS)


def test_new_rows_are_the_mean_of_the_old_as_hugging_face_has_it(plain: Backbone, more: Backbone) -> None:
    """`resize_token_embeddings` of transformers draws them around this mean, with a variance 1e-9 times as large."""
    known = plain.tokenizer.size
    numbers = [known + place for place in range(len(TOKENS))]
    assert [more.tokenizer.numbers[token] for token in TOKENS] == numbers
    assert table(more).shape[0] == max(len(table(plain)), known + len(TOKENS))
    np.testing.assert_array_equal(table(more)[:known], table(plain)[:known])
    np.testing.assert_allclose(
        table(more)[numbers], np.tile(table(plain)[:known].mean(0, dtype=np.float64), (len(TOKENS), 1)), atol=1e-7
    )


def test_texts_without_them_are_encoded_bit_for_bit_as_before(plain: Backbone, more: Backbone) -> None:
    assert more.tokenizer(tf.constant(ORDINARY)).to_list() == plain.tokenizer(tf.constant(ORDINARY)).to_list()
    np.testing.assert_array_equal(encoded(more, ORDINARY), encoded(plain, ORDINARY))
    assert np.isfinite(encoded(more, MARKED)).all()


def grown(folder: Path) -> Backbone:
    """A backbone with tokens whose vectors were learned."""
    backbone = load_backbone(folder, max_length=8, extra_tokens=TOKENS)
    learned = table(backbone)
    learned[list(backbone.tokenizer.numbers.values())] += np.arange(3, dtype=np.float32)[:, np.newaxis] / 10
    backbone.model.token_embedding.embeddings.assign(learned)
    return backbone


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return grown(folder)


def test_weights_come_back_into_an_encoder_built_without_them(backbone: Backbone, tmp_path: Path) -> None:
    backbone.model.save_weights(tmp_path / "kept.weights.h5")
    for name, path in backbone.files.items():
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_bytes(path.read_bytes())
    again = load_backbone(tmp_path / "run", max_length=8, without_weights=backbone.format, extra_tokens=TOKENS)
    again.model.load_weights(tmp_path / "kept.weights.h5")
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint
    np.testing.assert_array_equal(encoded(again, MARKED), encoded(backbone, MARKED))


def test_a_folder_written_of_it_has_them(backbone: Backbone, tmp_path: Path) -> None:
    write_folder(tmp_path / "written", backbone.model, backbone.tokenizer, has_pooler=backbone.has_pooler)
    again = load_backbone(tmp_path / "written", max_length=8)
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint
    np.testing.assert_allclose(encoded(again, MARKED), encoded(backbone, MARKED), atol=1e-6)
    once_more = load_backbone(tmp_path / "written", max_length=8, extra_tokens=TOKENS[:2])
    assert once_more.tokenizer.fingerprint == backbone.tokenizer.fingerprint
    np.testing.assert_array_equal(table(once_more), table(again))


@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_a_published_module_has_them(kind: str, tmp_path: Path) -> None:
    backbone = grown(checkpoint(kind).write(tmp_path / "source"))
    module = write_both(backbone, tmp_path / "module")
    again = load_backbone(module, max_length=8, mode="native")
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint
    np.testing.assert_allclose(encoded(again, MARKED), encoded(backbone, MARKED), atol=1e-5)
    preprocessor = tf.saved_model.load(str(module / "preprocessor"))
    tokens = preprocessor.tokenize(tf.constant(MARKED))
    assert tokens.to_list() == backbone.tokenizer(tf.constant(MARKED)).to_list()


def test_a_token_that_the_vocabulary_has_keeps_its_number_and_vector(tmp_path: Path) -> None:
    folder = Checkpoint().write(tmp_path / "folder")
    plain = load_backbone(folder, max_length=8)
    more = load_backbone(folder, max_length=8, extra_tokens=("[MASK]", "[E1]"))
    mask = plain.tokenizer.vocabulary.index("[MASK]")
    assert more.tokenizer.numbers == {"[MASK]": mask, "[E1]": plain.tokenizer.size}
    np.testing.assert_array_equal(table(more)[mask], table(plain)[mask])
    write_folder(tmp_path / "written", more.model, more.tokenizer, has_pooler=True)
    again = load_backbone(tmp_path / "written", max_length=8)
    assert again.tokenizer(tf.constant(["[MASK] film"])).to_list() == [[mask, VOCABULARY.index("film")]]


def test_they_learn_and_their_gradient_reaches_no_other_token(tmp_path: Path) -> None:
    backbone = load_backbone(Checkpoint().write(tmp_path / "folder"), max_length=8, extra_tokens=TOKENS)
    embedding = backbone.model.token_embedding.embeddings
    assert sum(variable is embedding for variable in backbone.model.trainable_variables) == 1
    tokens = backbone.tokenizer(tf.constant(["[E1] film"])).to_tensor()
    inputs = {"token_ids": tokens, "segment_ids": tokens * 0, "padding_mask": tf.ones_like(tokens)}
    with tf.GradientTape() as tape:
        vectors = backbone.model(inputs, training=False)["sequence_output"]
        loss = tf.reduce_sum(vectors[..., 0] ** 2)
    gradient = tf.convert_to_tensor(tape.gradient(loss, embedding.value)).numpy()
    assert set(np.flatnonzero(np.abs(gradient).sum(1))) == set(tokens.numpy().ravel().tolist())


def test_a_table_can_grow_where_the_model_has_a_precision_of_its_own(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        backbone = load_backbone(Checkpoint().write(tmp_path / "folder"), max_length=8, extra_tokens=TOKENS)
    finally:
        keras.config.set_dtype_policy("float32")
    assert backbone.model.token_embedding.embeddings.dtype == "float32"
    tokens = backbone.tokenizer(tf.constant(MARKED)).to_tensor()
    inputs = {"token_ids": tokens, "segment_ids": tokens * 0, "padding_mask": tf.ones_like(tokens)}
    assert backbone.model(inputs, training=False)["sequence_output"].dtype == tf.bfloat16


# --- refusals ---


@pytest.mark.parametrize("token", ["", " [E1]", "\n", "[SEP]", "[CLS]", "[PAD]"])
def test_what_can_be_no_token_of_a_text_is_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(SFTError, match="SFT382"):
        load_backbone(Checkpoint().write(tmp_path / "folder"), max_length=8, extra_tokens=(token,))


def test_an_opaque_module_and_one_with_a_preprocessor_are_refused(tmp_path: Path, preprocessor_folder: Path) -> None:
    module = BERT.write(tmp_path / "module")
    with pytest.raises(SFTError, match=r"SFT383  \[E1\] cannot become tokens"):
        load_backbone(module, max_length=8, mode="opaque", extra_tokens=("[E1]",))
    with pytest.raises(SFTError, match="SFT383"):
        load_backbone(module, max_length=8, mode="native", preprocessor=preprocessor_folder, extra_tokens=("[E1]",))


def written_by_others(folder: Path, **token: object) -> Path:
    """A folder to which transformers added a token."""
    Checkpoint().write(folder)
    number = load_backbone(folder, max_length=8).tokenizer.size
    own = {"content": "[MASK]", "special": True, "lstrip": True}
    settings = {"added_tokens_decoder": {"4": own, str(number): {"content": "[E1]", "special": True, **token}}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_a_token_that_others_added_is_found_in_texts(tmp_path: Path) -> None:
    tokenizer = load_backbone(written_by_others(tmp_path / "folder"), max_length=8).tokenizer
    assert tokenizer.pieces(np.array(tokenizer(tf.constant(["[E1]film [MASK]"])).to_list()[0]))[:2] == ["[E1]", "film"]
    assert 4 not in tokenizer(tf.constant(["[MASK]"])).to_list()[0]  # the vocabulary's own stay text


@pytest.mark.parametrize("rule", ["lstrip", "rstrip", "single_word"])
def test_a_token_that_is_found_by_other_rules_is_refused(rule: str, tmp_path: Path) -> None:
    with pytest.raises(SFTError, match=rf"SFT388.*{rule}"):
        load_backbone(written_by_others(tmp_path / "folder", **{rule: True}), max_length=8)


@pytest.mark.parametrize("content", [None, 3, "", ["[E1]"]])
def test_added_tokens_that_are_none_are_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(SFTError, match=r"SFT354.*tokenizer_config.json"):
        load_backbone(written_by_others(tmp_path / "folder", content=content), max_length=8)
