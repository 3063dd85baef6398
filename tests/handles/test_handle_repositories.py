from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest
from refusing import refused

from sftkeras.handles import kind_of, resolve, weights_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights",
    "vocab.txt": b"[PAD]\n",
    "pytorch_model.bin": b"a pickle",
    "onnx/model.onnx": b"not wanted",
    "quantised/tiny-Q8_0.gguf": b"GGUF",
}


class Hub:
    """A Hugging Face hub of one repository, org/tiny, on the loopback device."""

    def __init__(self) -> None:
        self.files = dict(FILES)
        self.refusal: tuple[int, str] | None = None  # status and the hub's error code
        self.served: Counter[str] = Counter()
        self.fails_on = ""  # a file that is listed and cannot be had
        self.failure: dict[str, str] = {}

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.served[path] += 1
        if self.refusal:
            return self.refusal[0], {"X-Error-Code": self.refusal[1], "X-Error-Message": "no"}, b"{}"
        path = path.partition("?")[0]
        if path in ("/api/models/org/tiny", "/api/models/org/tiny/revision/main"):
            siblings = [{"rfilename": name} for name in self.files]
            return self.json({"id": "org/tiny", "sha": COMMIT, "siblings": siblings})
        if path.startswith("/api/models/org/tiny/revision/"):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        if path == f"/api/models/org/tiny/tree/{COMMIT}":
            return self.json(
                [{"type": "file", "path": n, "size": len(c), "oid": etag(c)} for n, c in self.files.items()]
            )
        name = path.removeprefix(f"/org/tiny/resolve/{COMMIT}/").removeprefix("/org/tiny/resolve/main/")
        if name in self.files and name != self.fails_on:
            return 200, {"ETag": f'"{etag(self.files[name])}"', "X-Repo-Commit": COMMIT}, self.files[name]
        return (403, self.failure, b"") if name == self.fails_on else (404, {"X-Error-Code": "RepoNotFound"}, b"{}")

    @staticmethod
    def json(content: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


def etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    # The library reads its variables when it is first imported, which may be long past.
    constants, place = huggingface_hub.constants, f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", place)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{place}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield hub
    server.shutdown()
    server.server_close()


def test_a_repository_is_fetched_without_its_pickles_and_reused_without_a_network(hub, caplog):
    folder = resolve("hf://org/tiny")
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "vocab.txt"}
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert f"Pin it: hf://org/tiny@{COMMIT}" in caplog.text
    hub.served.clear()
    assert resolve("hf://org/tiny") == resolve("hf://org/tiny", offline=True) == folder
    assert resolve(f"hf://org/tiny@{COMMIT}", offline=True) == folder
    assert not hub.served


def test_one_gguf_file_is_fetched_alone_and_reused_without_a_network(hub, caplog):
    path = resolve("hf://org/tiny/quantised/tiny-Q8_0.gguf")
    assert path.read_bytes() == b"GGUF"
    assert not (path.parents[1] / "model.safetensors").exists()
    assert f"Pin it: hf://org/tiny@{COMMIT}/quantised/tiny-Q8_0.gguf" in caplog.text
    hub.served.clear()
    assert resolve("hf://org/tiny/quantised/tiny-Q8_0.gguf", offline=True) == path
    assert resolve(f"hf://org/tiny@{COMMIT}/quantised/tiny-Q8_0.gguf", offline=True) == path
    assert not hub.served
    assert 'Did you mean "quantised/tiny-Q8_0.gguf"?' in refused("SFT326", "hf://org/tiny/quantised/tiny-Q8.gguf")
    refused("SFT317", "hf://org/tiny/other.gguf", offline=True)


@pytest.mark.processes
def test_the_variable_hf_endpoint_is_followed(hub, tmp_path):
    program = "from sftkeras.handles import resolve; print(resolve('hf://org/tiny@main'))"
    places = {"HF_ENDPOINT": huggingface_hub.constants.ENDPOINT, "HF_HOME": str(tmp_path / "home")}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | places, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == str(tmp_path / f"home/hub/models--org--tiny/snapshots/{COMMIT}")


def test_a_download_that_broke_off_is_not_taken_for_whole(hub):
    hub.fails_on = "model.safetensors"
    refused("SFT325", "hf://org/tiny")
    refused("SFT317", "hf://org/tiny", offline=True)
    hub.fails_on = ""
    assert (resolve("hf://org/tiny") / "model.safetensors").read_bytes() == b"weights"


def test_a_cached_repository_that_lost_its_weights_is_fetched_again(hub):
    weights = resolve("hf://org/tiny") / "model.safetensors"
    weights.resolve().unlink()
    weights.unlink()
    assert (resolve("hf://org/tiny") / "model.safetensors").read_bytes() == b"weights"


def test_a_repository_of_pickles_alone_is_refused_before_any_download(hub):
    del hub.files["model.safetensors"]
    assert "pytorch_model.bin" in refused("SFT305", "hf://org/tiny")
    assert not [path for path in hub.served if "resolve" in path]


def test_a_repository_that_is_not_there_is_named(hub):
    message = refused("SFT321", "hf://org/absent", flag="--backbone.handle")
    assert "--backbone.handle hf://org/absent" in message
    assert "HF_TOKEN" in message


def test_a_name_that_the_hub_forbids_is_coded(hub):
    refused("SFT301", f"hf://org/{'x' * 100}")


def test_a_revision_that_is_not_there_is_named(hub):
    assert "no revision v9 " in refused("SFT322", "hf://org/tiny@v9")


def test_a_gated_repository_says_that_it_needs_a_token(hub):
    hub.refusal = (403, "GatedRepo")
    assert "HF_TOKEN" in refused("SFT323", "hf://org/tiny")


def test_a_repository_that_shows_its_files_but_gates_them_is_told_from_a_broken_one(hub):
    hub.fails_on, hub.failure = "model.safetensors", {"X-Error-Code": "GatedRepo", "X-Error-Message": "no"}
    refused("SFT323", "hf://org/tiny")


def test_a_failing_hub_is_told_from_a_silent_one(hub, monkeypatch):
    hub.refusal = (500, "")
    assert "500" in refused("SFT325", "hf://org/tiny")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "HF_ENDPOINT" in refused("SFT324", "hf://org/tiny")


def test_the_hubs_own_offline_switch_is_obeyed(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    refused("SFT324", "hf://org/tiny")
    assert not hub.served


def test_an_unwritable_hub_cache_names_the_variable_to_set(hub, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    assert "HF_HOME" in refused("SFT106", "hf://org/tiny")


def test_offline_and_not_cached_asks_nobody(hub):
    refused("SFT317", "hf://org/tiny", offline=True)
    assert not hub.served


def test_a_repository_without_a_kind_of_weights_is_refused(hub):
    hub.files = {"README.md": b"hello"}
    assert "README.md" in refused("SFT304", "hf://org/tiny")


def test_a_repository_with_only_a_saved_model_is_refused_before_any_download(hub):
    hub.files = {"saved_model.pb": b"graph", "README.md": b"hello"}
    refused("SFT304", "hf://org/tiny")
    assert not [path for path in hub.served if "resolve" in path]


def test_an_older_folder_of_sentence_transformers_is_fetched_with_its_encoder(hub):
    inside = {f"0_Transformer/{name}": content for name, content in hub.files.items()}
    modules = [{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}]
    hub.files = {**inside, "0_Transformer/pytorch_model.bin": b"pickle", "modules.json": json.dumps(modules).encode()}
    folder = resolve("hf://org/tiny")
    assert weights_folder(folder) == folder / "0_Transformer"
    assert kind_of(folder / "0_Transformer") == "hugging_face"
    assert not (folder / "0_Transformer" / "pytorch_model.bin").exists()
    assert resolve("hf://org/tiny", offline=True) == folder
