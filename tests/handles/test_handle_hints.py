"""A name as other tools write it leads nowhere here, and the error says how it is written as a handle."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusing import refused

from sftkeras.data.formats.sources import find_source
from sftkeras.errors import SFTError
from sftkeras.handles import resolve
from sftkeras.handles.parsing import parse_handle

MODELS = {
    "google-bert/bert-base-uncased": "hf://google-bert/bert-base-uncased",
    "BAAI/bge-small-en-v1.5": "hf://BAAI/bge-small-en-v1.5",
    "bert-base-uncased": "hf://google-bert/bert-base-uncased",
    "xlm-roberta-base": "hf://FacebookAI/xlm-roberta-base",
    "distilbert-base-uncased-finetuned-sst-2-english": "hf://distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "albert-base-v2": "hf://albert/albert-base-v2",
    "huggingface.co/org/name": "hf://org/name",
    "https://huggingface.co/org/name": "hf://org/name",
    "https://huggingface.co/org/name/": "hf://org/name",
    "https://huggingface.co/org/name/tree/main": "hf://org/name",
    "https://huggingface.co/org/name/tree/v2.0": "hf://org/name@v2.0",
    "https://hf.co/org/name": "hf://org/name",
    "hf.co/org/name": "hf://org/name",
    "hf:org/name": "hf://org/name",
    "keras/bert_tiny_en_uncased": "hf://keras/bert_tiny_en_uncased",
    "keras/bert/bert_tiny_en_uncased": "bert_tiny_en_uncased",
    "keras/bert/keras/bert_tiny_en_uncased": "kaggle://keras/bert/keras/bert_tiny_en_uncased",
    "keras/bert/Keras/bert_tiny_en_uncased/3": "kaggle://keras/bert/keras/bert_tiny_en_uncased/3",
    "kaggle:keras/bert/keras/bert_tiny_en_uncased": "kaggle://keras/bert/keras/bert_tiny_en_uncased",
    "tensorflow/bert/tensorFlow2/en-uncased/2": "kaggle://tensorflow/bert/tensorFlow2/en-uncased/2",
    "tensorflow/bert/tensorflow2/en-uncased": "kaggle://tensorflow/bert/tensorFlow2/en-uncased",
    "tensorflow/bert_en_uncased_L-12_H-768_A-12/4": "https://tfhub.dev/tensorflow/bert_en_uncased_L-12_H-768_A-12/4",
    "tfhub.dev/google/electra_small/2": "https://tfhub.dev/google/electra_small/2",
    "www.kaggle.com/models/google/bert/tensorFlow2/en/1": "https://www.kaggle.com/models/google/bert/tensorFlow2/en/1",
}


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_the_handle_of_a_model_is_suggested_and_is_one(name: str) -> None:
    with pytest.raises(SFTError, match=r"SFT30[23]") as raised:
        resolve(name)
    assert f' Did you mean "{MODELS[name]}"?' in str(raised.value)
    parse_handle(MODELS[name], "--backbone.handle")  # raises for what is none


DATA = {
    "stanfordnlp/imdb": "hf://stanfordnlp/imdb",
    "datasets/stanfordnlp/imdb": "hf://stanfordnlp/imdb",
    "hf://datasets/stanfordnlp/imdb": "hf://stanfordnlp/imdb",
    "hf:stanfordnlp/imdb": "hf://stanfordnlp/imdb",
    "https://huggingface.co/datasets/stanfordnlp/imdb": "hf://stanfordnlp/imdb",
    "https://huggingface.co/datasets/stanfordnlp/imdb/viewer/plain_text/train": "hf://stanfordnlp/imdb",
    "huggingface.co/datasets/stanfordnlp/imdb": "hf://stanfordnlp/imdb",
}


@pytest.mark.parametrize("name", DATA)
def test_the_handle_of_a_data_set_is_suggested_and_is_one(name: str) -> None:
    with pytest.raises(SFTError, match=r"SFT201|SFT233") as raised:
        find_source(name, "train")
    assert f' Did you mean "{DATA[name]}"?' in str(raised.value)
    assert find_source(DATA[name], "train").hub


def test_a_bare_name_of_a_data_set_and_an_address_say_how_they_are_given() -> None:
    for name, said in {"imdb": "written hf://org/name", "https://a.org/b.csv": "Download the file first"}.items():
        with pytest.raises(SFTError, match=f"SFT201.*{said}"):
            find_source(name, "train")
    with pytest.raises(SFTError, match="SFT201") as raised:
        find_source("data/train.csv", "train")
    assert "hf://" not in str(raised.value)


def test_what_is_on_this_machine_comes_first(tmp_path: Path) -> None:
    (tmp_path / "models" / "minilm").mkdir(parents=True)
    assert 'Did you mean "models/minilm"?' in refused("SFT303", "models/minlm")
    assert "hf://" not in refused("SFT303", "models/something")


def test_a_page_of_several_models_and_a_data_set_are_no_weights() -> None:
    assert "kaggle://keras/bert/FRAMEWORK/VARIATION" in refused("SFT303", "keras/bert")
    assert "--data.train" in refused("SFT301", "hf://datasets/org/name")
