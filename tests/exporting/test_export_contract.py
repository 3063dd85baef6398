"""The promises every export keeps, whatever its task."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from tiny_models import MAX_LENGTH, TASKS, Exported  # sets TensorFlow's environment first

import tensorflow as tf  # isort: skip
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog  # isort: skip

from sftkeras.disk.files import sha256_of
from sftkeras.exporting.contract import WEIGHTS, check_weights, read_contract
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.tasks.predictions import Outputs, records

TEXTS = ("good film", "", "a bad, bad film that goes on and on and on and never ends", "🎬 film", "good")
PAIRS = ("film", "good", "", "bad film", "a long second text that is cut at its end, surely")


@pytest.fixture(scope="module", params=[(task, pairs) for task in TASKS for pairs in (False, True)], ids=str)
def exported(request: pytest.FixtureRequest, exports: Callable[..., Exported], process: PredictionProcess) -> Exported:
    """An export that `process` has loaded; pytest runs all tests of one before it makes the next."""
    task, pairs = request.param
    exported = exports(task, pairs=pairs)
    process.load(exported.path)
    return exported


def in_memory(exported: Exported) -> Outputs:
    texts = [tf.constant(TEXTS)] + ([tf.constant(PAIRS)] if exported.text_model.features.pairs else [])
    answers = exported.text_model(*texts)
    return {
        name: np.char.decode(tensor.numpy().astype("S"), "utf-8") if tensor.dtype == tf.string else tensor.numpy()
        for name, tensor in answers.items()
    }


def inputs(exported: Exported) -> dict[str, tuple[str, ...]]:
    texts: tuple[str, ...] = TEXTS
    return {"text": texts} | ({"pair": PAIRS} if exported.text_model.features.pairs else {})


def serialized_examples(exported: Exported) -> list[bytes]:
    feature = lambda text: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))  # noqa: E731
    return [
        tf.train.Example(
            features=tf.train.Features(feature={name: feature(text) for name, text in zip(names, row, strict=True)})
        ).SerializeToString()
        for names in [inputs(exported)]
        for row in zip(*inputs(exported).values(), strict=True)
    ]


def assert_same(expected: Outputs, found: Outputs) -> None:
    assert set(expected) == set(found)
    for name, truth in expected.items():
        if truth.dtype.kind == "f":
            assert found[name].dtype == np.float32
            np.testing.assert_allclose(found[name], truth, rtol=1e-5, atol=1e-6)
        else:
            assert (found[name] == truth).all()


def test_strings_are_answered_in_a_fresh_process_as_in_memory(exported: Exported, process: PredictionProcess) -> None:
    pairs = PAIRS if exported.text_model.features.pairs else None
    assert_same(in_memory(exported), process.predict(TEXTS, pairs, batch_size=2))


def test_token_numbers_are_answered_as_their_texts(exported: Exported, process: PredictionProcess) -> None:
    tokens = exported.text_model.features(*map(tf.constant, inputs(exported).values()))
    found = process.run("serve_tokens", {name: tensor.numpy() for name, tensor in tokens.items()})
    assert_same(in_memory(exported), found)


def test_tf_examples_are_answered_as_serving_wants_it(exported: Exported, process: PredictionProcess) -> None:
    expected = in_memory(exported)
    if "value" in expected:
        wanted, method = {"outputs": expected["value"]}, "regress"
    else:
        wanted, method = {"scores": expected["probabilities"], "classes": expected["classes"]}, "classify"
    assert_same(wanted, process.run(method, {"inputs": serialized_examples(exported)}))
    about = read_contract(exported.path)["signatures"][method]
    assert about["method"] == f"tensorflow/serving/{method}"


def test_no_texts_get_no_answers(exported: Exported, process: PredictionProcess) -> None:
    answers = process.predict([], [] if exported.text_model.features.pairs else None)
    assert all(len(array) == 0 for array in answers.values())


@pytest.mark.parametrize("length", [1, 3, MAX_LENGTH])
def test_tokens_may_have_any_length_up_to_the_maximum(
    exported: Exported, process: PredictionProcess, length: int
) -> None:
    ones = np.ones([2, length], np.int32)
    found = process.run("serve_tokens", {"token_ids": ones, "segment_ids": 0 * ones, "padding_mask": ones})
    assert all(len(array) == 2 for array in found.values())


def test_warm_up_requests_are_answered(exported: Exported, process: PredictionProcess) -> None:
    records = tf.data.TFRecordDataset(str(exported.path / "assets.extra" / "tf_serving_warmup_requests"))
    sizes = set()
    for record in records.as_numpy_iterator():
        log = PredictionLog.FromString(record)
        request = getattr(log, log.WhichOneof("log_type")).request
        if log.HasField("predict_log"):
            feeds = {name: tf.make_ndarray(tensor).tolist() for name, tensor in request.inputs.items()}
        else:
            feeds = {"inputs": [it.SerializeToString() for it in request.input.example_list.examples]}
        sizes.add((request.model_spec.signature_name, len(next(iter(feeds.values())))))
        assert process.run(request.model_spec.signature_name, feeds)
    extra = "regress" if exported.text_model.task.kind == "regression" else "classify"
    assert sizes == {(name, size) for name in ("serving_default", extra) for size in (1, 8)}


def test_contract_describes_what_is_in_the_folder(exported: Exported, process: PredictionProcess) -> None:
    contract = read_contract(exported.path)
    assert contract["task"] == exported.text_model.task.settings()
    assert contract["weights_sha256"] == sha256_of(exported.path / WEIGHTS)
    check_weights(exported.path, contract)
    assert process.signatures == {
        name: {kind: sorted(about[kind]) for kind in ("inputs", "outputs")}
        for name, about in contract["signatures"].items()
    }
    assert contract["operations"] == sorted(contract["operations"])
    assert {"FastWordpieceTokenizeWithOffsets", "MatMul"} <= set(contract["operations"])
    assert not [name for name in contract["operations"] if "Random" in name], "dropout got into the export"
    sample = contract["sample"]
    answers = process.run("serving_default", sample["request"]["inputs"])
    expected = {name: np.array(values) for name, values in sample["response"]["outputs"].items()}
    assert_same({name: array.astype(answers[name].dtype) for name, array in expected.items()}, answers)


def test_card_names_labels_data_and_calls(exported: Exported) -> None:
    card = (exported.path / "README.md").read_text(encoding="utf-8")
    for word in (*getattr(exported.text_model.task, "label_names", ()), "reviews.csv", "curl", "grpc", "90 train"):
        assert word in card


def test_records_hold_every_answer_as_plain_json(exported: Exported, process: PredictionProcess) -> None:
    answers = process.predict(TEXTS, PAIRS if exported.text_model.features.pairs else None)
    found = json.loads(json.dumps(list(records(answers))))
    assert len(found) == len(TEXTS)
    for row, record in enumerate(found):
        if "value" in answers:
            assert record == {"value": pytest.approx(float(answers["value"][row]))}
            continue
        probabilities = dict(zip(answers["classes"][row], answers["probabilities"][row].tolist(), strict=True))
        assert record["probabilities"] == pytest.approx(probabilities)
        if "label" in answers:
            assert record["label"] == max(probabilities, key=lambda name: probabilities[name])
        else:
            assert record["labels"] == [name for name, value in probabilities.items() if value >= 0.4]


def test_published_export_agrees_with_the_model(exported: Exported) -> None:
    assert exported.version.version == 1
    assert 0 <= exported.version.parity <= 1e-4
