"""An export with rounded weights says how far it predicts as the exact model, and is refused below a floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tiny_models import ORIGIN, Exported

import tensorflow as tf  # isort: skip

from sftkeras.backbones.dense.rounded_weights import RoundedPrecision
from sftkeras.config import ExportConfig, TrainConfig
from sftkeras.errors import SFTError
from sftkeras.exporting import rounding
from sftkeras.exporting.agreement import Agreement
from sftkeras.exporting.contract import CARD, read_contract
from sftkeras.exporting.export import export
from sftkeras.exporting.exported import ExportedVersion
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.rounding import Rounding, compare
from sftkeras.pipeline import results
from sftkeras.pipeline.rounded_export import check_rounding
from sftkeras.tasks import TextModel
from sftkeras.tasks.chat.spec import ChatSettings
from sftkeras.tasks.predictions import Outputs, predictions_of, ranks_of
from sftkeras.timeline import Timeline

TEXTS = ("good film", "bad", "a film", "", "very bad film", "good good", "zebra " * 30, "café")


def rounded(
    model: TextModel, folder: Path, process: PredictionProcess, precision: RoundedPrecision, least: float = 0.5
) -> ExportedVersion:
    settings = Rounding(precision, "test", TEXTS, None, least)
    return export(model, folder / "tiny", origin=ORIGIN, process=process, rounding=settings)


def stored_types(version: Path) -> dict[str, int]:
    """Bytes of the variables by type."""
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    sizes: dict[str, int] = {}
    for name, dtype in reader.get_variable_to_dtype_map().items():
        if name.startswith("weights"):
            size = int(np.prod(reader.get_variable_to_shape_map()[name])) * dtype.size
            sizes[dtype.name] = sizes.get(dtype.name, 0) + size
    return sizes


@pytest.mark.parametrize(("task", "precision"), [("classification", "int8"), ("regression", "bfloat16")])
def test_weights_are_stored_rounded_and_the_contract_and_the_card_say_what_that_costs(
    exports: Callable[..., Exported], process: PredictionProcess, tmp_path: Path, task: str, precision: RoundedPrecision
) -> None:
    model, exact = exports(task).text_model, stored_types(exports(task).path)
    before = {name: tensor.numpy() for name, tensor in model(tf.constant(TEXTS)).items()}
    version = rounded(model, tmp_path, process, precision)
    assert version.agreement
    assert version.agreement.equal >= 0.5
    assert 0 < version.agreement.largest_difference == version.parity
    contract = read_contract(version.path)
    assert contract["precision"] == precision
    assert contract["agreement"] == vars(version.agreement)
    assert version.minimum_server == exports(task).version.minimum_server
    card = (version.path / CARD).read_text(encoding="utf-8")
    assert f"rounded to {precision}" in card
    assert "of 8 test rows" in card
    sizes = stored_types(version.path)
    assert sizes["float32"] < 0.5 * exact["float32"]
    assert sizes[precision] > 0
    for name, tensor in model(tf.constant(TEXTS)).items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])  # the model in memory is as it was
    found = process.predict(TEXTS)
    numbers = "probabilities" if task == "classification" else "value"
    np.testing.assert_allclose(found[numbers], before[numbers], atol=version.parity * 1.0001)


def test_too_different_an_export_is_not_published(
    exports: Callable[..., Exported], process: PredictionProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "compare", lambda *outputs: (0.875, 0.3))
    refused = r"SFT520  the int8 export is not published.* 87.50% of 8 test rows.* up to 0.3\. At least 99.00% must"
    with pytest.raises(SFTError, match=refused):
        rounded(exports("classification").text_model, tmp_path, process, "int8", least=0.99)
    assert not (tmp_path / "tiny").exists()


def test_a_training_reports_the_rounded_export_or_why_there_is_none(
    exports: Callable[..., Exported], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exact, process = exports("classification").version, cast(Any, SimpleNamespace(examples_per_second=9.0))
    config = SimpleNamespace(export=ExportConfig(precision="int8"))
    trained = cast(Any, SimpleNamespace(config=config, run=None, data=None, timeline=Timeline()))
    made = replace(exact, path=Path("models/t-int8/1"), agreement=Agreement("test", 200, 0.995, 0.02))
    monkeypatch.setattr(results, "export_rounded", lambda *_: made)
    facts = results.facts_of_exports(trained, exact, process)
    assert facts["path"] == str(exact.path)
    rounded = {name: facts[name] for name in facts if name.startswith("rounded")}
    assert rounded == {"rounded": "models/t-int8/1", "rounded_equal": 0.995, "rounded_largest_difference": 0.02}
    assert "99.50% of 200 test rows" in capsys.readouterr().out

    def refuse(*_: Any) -> ExportedVersion:
        raise SFTError("SFT521", precision="int8", what="a TF-Hub module that was trained as it is")

    monkeypatch.setattr(results, "export_rounded", refuse)
    assert results.facts_of_exports(trained, exact, process)["rounded"].startswith("SFT521")
    assert "Warning: SFT521" in capsys.readouterr().out
    config.export = ExportConfig()
    assert "rounded" not in results.facts_of_exports(trained, exact, process)


def test_a_decoder_is_refused_before_anything_heavy() -> None:
    config = TrainConfig(task=ChatSettings(), export=ExportConfig(precision="bfloat16"))
    with pytest.raises(SFTError, match=r"SFT521  --export\.precision bfloat16: this model is a decoder"):
        check_rounding(config)


@pytest.mark.parametrize(
    ("facts", "what"), [({"kind": "decoder"}, "a decoder"), ({"format": "tfhub"}, "TF-Hub module")]
)
def test_what_has_no_products_of_ours_is_not_rounded(
    exports: Callable[..., Exported], process: PredictionProcess, tmp_path: Path, facts: dict[str, Any], what: str
) -> None:
    model = exports("classification").text_model
    assert model.backbone
    with pytest.raises(SFTError, match=f"SFT521 .*{what}"):
        rounded(replace(model, backbone=replace(model.backbone, **facts)), tmp_path, process, "int8")


def compared(kind: str, exact: Outputs, found: Outputs) -> tuple[float, float]:
    return compare(exact, found, predictions_of(ranks_of(exact), kind))


def arrays(**outputs: Any) -> Outputs:
    return {
        name: np.array(
            rows, np.float32 if name in ("value", "vector", "score", "probability", "probabilities") else None
        )
        for name, rows in outputs.items()
    }


def test_labels_decide_and_probabilities_differ() -> None:
    def outputs(labels: list[str], shares: list[float]) -> Outputs:
        probabilities = [[share, 1 - share] for share in shares]
        classes = [["a", "b"]] * len(labels)
        return arrays(label=labels, probability=np.max(probabilities, 1), classes=classes, probabilities=probabilities)

    exact = outputs(["a", "a", "b", "b"], [0.9, 0.52, 0.2, 0.1])
    found = outputs(["a", "b", "b", "b"], [0.8, 0.49, 0.2, 0.1])
    equal, largest = compared("classification", exact, found)
    assert equal == 0.75
    assert largest == pytest.approx(0.1)


def test_entities_decide_whatever_their_number() -> None:
    def outputs(**columns: Any) -> Outputs:
        return arrays(**columns)

    exact = outputs(start=[[0, 5], [2, -1]], end=[[4, 9], [3, -1]], label=[["X", "Y"], ["X", ""]])
    exact |= arrays(text=[["good", "film"], ["a", ""]], score=[[0.9, 0.8], [0.7, 0]])
    found = outputs(start=[[0], [2]], end=[[4], [3]], label=[["X"], ["X"]])
    found |= arrays(text=[["good"], ["a"]], score=[[0.9], [0.5]])
    equal, largest = compared("tagging", exact, found)
    assert equal == 0.5
    assert largest == pytest.approx(0.2)


@pytest.mark.parametrize(("shift", "equal"), [(400.0, 1.0), (600.0, 0.5)])
def test_numbers_alone_are_equal_within_a_part_of_their_spread(shift: float, equal: float) -> None:
    exact = arrays(value=[0.0, 20_000.0])  # on average 10,000 from their mean
    assert compared("regression", exact, arrays(value=[shift, 20_000.0])) == (equal, shift)


def test_vectors_are_compared_as_a_whole() -> None:
    exact = arrays(vector=[[1.0, 0.0], [0.0, 1.0]])  # 0.71 from their mean
    assert compared("similarity", exact, arrays(vector=[[0.9, 0.1], [0.01, 1.0]]))[0] == 0.5


def test_of_masks_the_likeliest_token_decides() -> None:
    def outputs(first: list[str]) -> Outputs:
        tokens, shares = [[[token, *"wxyz"]] for token in first], [[[0.5, 0.2, 0.1, 0.05, 0.01]]] * len(first)
        return arrays(token=tokens, probability=shares, hidden=[[""]] * len(first), loss=[[0.0]] * len(first))

    exact, found = outputs(["a", "b"]), outputs(["a", "c"])
    found["token"][0, 0, 1:3] = found["token"][0, 0, 2:0:-1]  # which were nearly as likely
    assert compared("masked_lm", exact, found) == (0.5, 0.0)
