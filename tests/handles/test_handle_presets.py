from __future__ import annotations

import kagglehub
import pytest
import requests
from refusing import refused

from sftkeras.handles import resolve
from sftkeras.handles.presets import preset_handles

TINY = "keras/bert/keras/bert_tiny_en_uncased/3"


@pytest.fixture(autouse=True)
def kaggle_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    return tmp_path / "kaggle"


def answering(error: Exception):
    def download(_handle: str) -> str:
        raise error

    return download


def http_error(status: int) -> Exception:
    response = requests.Response()
    response.status_code = status
    return kagglehub.exceptions.KaggleApiHTTPError(f"{status} Client Error.\n\nA long story.", response=response)


def test_presets_read_from_the_sources_are_those_that_keras_hub_knows():
    # Watches the layout of keras_hub/src/models/*/*_presets.py, last seen in KerasHub 0.32.
    from keras_hub.src.utils.preset_utils import BUILTIN_PRESETS

    known = {name: preset["kaggle_handle"] for name, preset in BUILTIN_PRESETS.items()}
    assert preset_handles() == known
    assert known["bert_tiny_en_uncased"] == f"kaggle://{TINY}"


@pytest.mark.parametrize("handle", ["bert_tiny_en_uncased", f"kaggle://{TINY}"])
def test_a_preset_name_and_its_kaggle_handle_are_one_folder(monkeypatch, tmp_path, handle):
    asked = []
    monkeypatch.setattr(kagglehub, "model_download", lambda model: asked.append(model) or str(tmp_path))
    assert resolve(handle) == tmp_path
    assert asked == [TINY]


def test_a_folder_of_a_presets_name_comes_first(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert_tiny_en_uncased").mkdir()
    monkeypatch.setattr(kagglehub, "model_download", lambda _: pytest.fail("the folder is here"))
    assert resolve("bert_tiny_en_uncased").is_dir()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (http_error(404), "SFT331", "spelling"),
        (http_error(401), "SFT332", "KAGGLE_API_TOKEN"),
        (http_error(403), "SFT332", "terms"),
        (http_error(500), "SFT333", "500 Client Error"),
        (requests.ConnectionError("no route to host"), "SFT333", "no route to host"),
        (ValueError(), "SFT333", "ValueError"),
    ],
)
def test_every_failure_of_kaggle_is_coded_with_the_remedy(monkeypatch, error, code, said):
    monkeypatch.setattr(kagglehub, "model_download", answering(error))
    assert said in refused(code, "bert_tiny_en_uncased")


def test_offline_takes_only_a_finished_download(monkeypatch, kaggle_cache):
    monkeypatch.setattr(kagglehub, "model_download", lambda _: pytest.fail("offline"))
    folder = kaggle_cache / "models" / TINY
    folder.mkdir(parents=True)
    refused("SFT317", "bert_tiny_en_uncased", offline=True)
    (folder.parent / "3.complete").touch()
    assert resolve("bert_tiny_en_uncased", offline=True) == folder
