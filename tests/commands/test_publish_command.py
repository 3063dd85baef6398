"""`python -m sftkeras.publish`: an encoder or a run's encoder becomes a module, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from command_line import flags, run_several
from tiny_bert import write_tiny_bert
from tiny_runs import Finished, Interrupted, Refuse, curve, tiny_flags

from sftkeras.backbones import load_backbone
from sftkeras.backbones.tfhub.names import hub_names
from sftkeras.config import PublishConfig
from sftkeras.publish import check_output, main
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_backbone

Story = dict[str, Any]


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, reviews_csv: Path, finished: Finished
) -> Story:
    """A folder is published; runs train from the module, one as it is; its encoder is published and trained on.

    What training from the folder itself gives, `finished` has.
    """
    folder = tmp_path_factory.mktemp("story")
    module, tuned = folder / "modules" / "tiny", folder / "tuned"

    def words(name: str, handle: Path, **settings: object) -> list[str]:
        same = tiny_flags(folder, handle, data__train=reviews_csv, backbone__pooling="cls")
        return [*same, *flags(name=name, **settings)]

    calls = {
        "publish": ("publish", flags(handle=tiny_bert_folder, output=module)),
        "module": ("train", words("module", module)),
        "opaque": ("fit", words("opaque", module, backbone__mode="opaque")),
        "publish run": ("publish", flags(run=folder / "runs" / "module", output=tuned)),
        "tuned": ("fit", words("tuned", tuned, training__epochs=1)),
    }
    done = dict(zip(calls, run_several(list(calls.values()), cwd=folder), strict=True))
    for name, result in done.items():
        assert result.returncode == 0, (name, result.stdout, result.stderr)
    runs = {name: folder / "runs" / name for name in ("module", "opaque", "tuned")} | {"folder": finished.run}
    return {"folder": folder, "module": module, "tuned": tuned, "done": done, "runs": runs}


def report(story: Story, name: str) -> dict[str, Any]:
    return json.loads((story["runs"][name] / "report.json").read_text("utf-8"))


def losses(story: Story, name: str) -> np.ndarray:
    """The training loss of every step of a run."""
    return curve(story["runs"][name], "step/loss")


def test_training_from_the_module_is_training_from_the_folder(story: Story) -> None:
    assert len(losses(story, "folder")) == 2 * 6
    np.testing.assert_allclose(losses(story, "module"), losses(story, "folder"), atol=1e-5)
    assert report(story, "module")["metrics"] == pytest.approx(report(story, "folder")["metrics"], abs=1e-5)


def test_the_opaque_module_learns_too(story: Story) -> None:
    assert losses(story, "opaque")[-3:].mean() < losses(story, "opaque")[:3].mean()


def test_a_runs_encoder_is_that_of_its_best_epoch(story: Story) -> None:
    backbone, pooling = restore_backbone(RunFolder.open(story["runs"]["module"]))
    assert (backbone.has_pooler, pooling) == (True, "cls")
    again = load_backbone(story["tuned"], max_length=32, mode="native")
    pretrained = load_backbone(story["module"], max_length=32, mode="native")
    for (found, name), (expected, _), (before, _) in zip(
        *(hub_names(each.model, pooler=True) for each in (again, backbone, pretrained)), strict=True
    ):
        np.testing.assert_array_equal(found.numpy(), expected.numpy(), err_msg=name)
        assert not np.array_equal(found.numpy(), before.numpy()) or "type_embeddings" in name, name


def test_a_tuned_module_knows_what_it_learned(story: Story) -> None:
    assert losses(story, "tuned")[:3].mean() < losses(story, "module")[:3].mean()


def test_the_card_says_where_it_comes_from(story: Story) -> None:
    plain, tuned = ((story[name] / "README.md").read_text("utf-8") for name in ("module", "tuned"))
    assert "made of `tiny-bert`" in plain
    assert "fine-tuned on `reviews.csv`" in tuned
    assert "fine-tuned" not in plain
    assert "through its pooler" in plain
    for card in (plain, tuned):
        assert "## License" in card
        assert str(story["folder"]) not in card


def test_it_says_where_the_module_is_and_what_to_type_next(story: Story) -> None:
    said = story["done"]["publish"].stdout
    assert str(story["module"]) in said
    assert "its weights not at all" in said
    assert f"--backbone.handle {story['module']}" in said


def test_a_run_that_pooled_by_the_mean_has_no_pooler_to_publish(interrupted: Interrupted, tmp_path: Path) -> None:
    main(PublishConfig(run=str(interrupted.run), output=str(tmp_path / "module")))
    module = tf.saved_model.load(str(tmp_path / "module"))
    assert not any("pooler" in variable.name for variable in module.variables)
    assert "the mean of the token vectors" in (tmp_path / "module" / "README.md").read_text("utf-8")
    assert not load_backbone(tmp_path / "module", max_length=32, mode="native").has_pooler


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_module_is_replaced_only_if_told(story: Story, tmp_path: Path, refuse: Refuse) -> None:
    other = write_tiny_bert(tmp_path / "other", seed=6)
    output = shutil.copytree(story["module"], tmp_path / "module")
    (output / "left over").touch()
    before = contents(output)
    error = refuse(main, PublishConfig, *flags(handle=other, output=output))
    assert error.startswith(f"SFT377  --output {output}: a module is there already.")
    assert contents(output) == before
    main(PublishConfig(handle=str(other), output=str(output), overwrite=True))
    after = contents(output)
    assert "left over" not in after
    weights = "variables/variables.data-00000-of-00001"
    assert after[weights] != before[weights]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["module", "other"]


@pytest.fixture
def occupied(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"jpg")
    yield folder
    assert contents(folder) == {"holiday.jpg": b"jpg"}


def test_a_folder_of_something_else_is_never_replaced(occupied: Path, tiny_bert_folder: Path, refuse: Refuse) -> None:
    for output in (occupied, occupied / "holiday.jpg"):
        error = refuse(main, PublishConfig, *flags(handle=tiny_bert_folder, output=output, overwrite="true"))
        assert error.startswith("SFT377")


def test_a_classifier_becomes_a_folder_of_transformers(finished: Finished, tmp_path: Path, refuse: Refuse) -> None:
    """Its run pooled by BERT's own pooler, as the class of transformers does."""
    output = tmp_path / "published"
    main(PublishConfig(run=str(finished.run), output=str(output), format="hugging_face"))
    config = json.loads((output / "config.json").read_text("utf-8"))
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert (
        list(config["id2label"].values())
        == json.loads((finished.run / "model.json").read_text())["task"]["label_names"]
    )
    assert "fine-tuned on `reviews.csv`" in (output / "README.md").read_text("utf-8")
    words = flags(run=finished.run, output=tmp_path / "other", format="gguf")
    assert "SFT334  --format gguf: an encoder has no form as this" in refuse(main, PublishConfig, *words)
    error = refuse(main, PublishConfig, *flags(run=finished.run, output=output, dtype="q8_0", overwrite="true"))
    assert error.startswith("SFT335  --dtype q8_0: --format tf_hub has weights in float32.")


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    check_output(tmp_path, "tf_hub", overwrite=False)


def test_what_is_missing_or_doubled_is_said(tmp_path: Path, tiny_bert_folder: Path, refuse: Refuse) -> None:
    output = tmp_path / "module"
    assert "SFT104  --handle" in refuse(main, PublishConfig, *flags(output=output))
    assert "SFT104  --output" in refuse(main, PublishConfig, *flags(handle=tiny_bert_folder))
    assert "SFT102  --run" in refuse(main, PublishConfig, *flags(handle="a", run="b", output=output))
    assert "SFT303  --handle" in refuse(main, PublishConfig, *flags(handle=tmp_path / "nowhere", output=output))
    assert "SFT109" in refuse(main, PublishConfig, *flags(run=tmp_path, output=output))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_at_once(
    read_only_folder: Path, tiny_bert_folder: Path, refuse: Refuse
) -> None:
    error = refuse(main, PublishConfig, *flags(handle=tiny_bert_folder, output=read_only_folder / "a" / "module"))
    assert error.startswith("SFT106")
    assert "--output" in error


def test_an_opaque_runs_module_is_the_same_with_other_weights(story: Story, tmp_path: Path) -> None:
    run = story["runs"]["opaque"]
    output = tmp_path / "module"
    main(PublishConfig(run=str(run), output=str(output)))
    trained, _ = restore_backbone(RunFolder.open(run))
    again = load_backbone(output, max_length=32, mode="opaque")
    before = load_backbone(story["module"], max_length=32, mode="opaque")
    for found, expected in zip(again.model.weights, trained.model.weights, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy(), err_msg=found.path)
    assert any(
        not np.array_equal(found.numpy(), old.numpy())
        for found, old in zip(again.model.weights, before.model.weights, strict=True)
    )
    assert again.tokenizer.fingerprint == before.tokenizer.fingerprint
    assert "only the weights are others" in (output / "README.md").read_text("utf-8")


def test_what_fails_its_proof_is_not_published(
    tmp_path: Path, tiny_bert_folder: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sftkeras.backbones.publishing.proof.TOLERANCE", -1.0)
    error = refuse(main, PublishConfig, *flags(handle=tiny_bert_folder, output=tmp_path / "module"))
    assert error.startswith("SFT379")
    assert list(tmp_path.iterdir()) == []


def test_the_quickstarts_handle_is_what_make_publishes() -> None:
    root = Path(__file__).parents[2]
    handles = [
        line for line in (root / "examples" / "quickstart.yaml").read_text("utf-8").split("\n") if "handle: " in line
    ]
    assert len(handles) == 1  # the Makefile reads that line
    assert handles[0].startswith("  handle: pypi:")
