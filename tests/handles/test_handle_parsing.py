from __future__ import annotations

import string
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sftkeras.errors import SFTError
from sftkeras.handles.parsing import (
    BucketHandle,
    HubHandle,
    KaggleHandle,
    PackageHandle,
    PathHandle,
    WebHandle,
    parse_handle,
)

WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
MEMBER = st.lists(
    st.text(string.ascii_letters + string.digits + "_-. é中", min_size=1).filter(lambda part: part.strip(". ") == part),
    min_size=1,
    max_size=4,
).map("/".join)
PINS = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)
PACKAGES = st.builds(
    PackageHandle,
    package=st.lists(WORD, min_size=1, max_size=3).map("-".join),
    version=st.lists(st.integers(0, 99).map(str), min_size=1, max_size=4).map(".".join),
    member=MEMBER,
    sha256=PINS,
)
REPOSITORIES = st.builds(
    HubHandle,
    repository=st.lists(WORD, min_size=1, max_size=2).map("/".join),
    revision=st.none() | st.lists(WORD, min_size=1, max_size=3).map("/".join),
)
MODELS = st.builds(KaggleHandle, st.lists(WORD, min_size=4, max_size=4).map("/".join))
PLAIN = st.text(string.ascii_letters + string.digits + "-_~+é中", min_size=1)
PATHS = st.lists(PLAIN, min_size=1, max_size=4).map("/".join)
PAIRS = st.builds("{}={}".format, WORD, st.text(string.ascii_letters + "%20+/", max_size=6))
WEB = st.builds(
    lambda scheme, server, path, ending, query, sha256: WebHandle(f"{scheme}://{server}/{path}{ending}{query}", sha256),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["tfhub.dev", "127.0.0.1:8080", "[::1]:80", "models.example.org", "www.kaggle.com"]),
    PATHS,
    st.sampled_from(["", ".tar.gz"]),
    st.lists(PAIRS, max_size=3).map(lambda pairs: "?" + "&".join(pairs) if pairs else ""),
    PINS,
)
PLACES = PATHS.map("gs://some-bucket/".__add__)
BUCKETS = st.builds(BucketHandle, PLACES) | st.builds(BucketHandle, PLACES.map("{}.tar.gz".format), PINS)


@given(PACKAGES | REPOSITORIES | MODELS | WEB | BUCKETS)
def test_a_handle_written_out_reads_back_the_same(handle):
    assert parse_handle(str(handle), "--flag") == handle


PREFIXES = ["", "pypi:", "hf://", "kaggle://", "http://", "https://", "https://www.kaggle.com/models/", "gs://"]


@given(st.builds(str.__add__, st.sampled_from(PREFIXES), st.text()))
def test_any_text_is_a_handle_or_a_coded_error(text):
    try:
        handle = parse_handle(text, "--flag")
    except SFTError:
        return
    if isinstance(handle, PackageHandle):
        assert not handle.package.startswith("-")  # pip would take it for an option
        assert not {"", ".", ".."} & set(handle.member.split("/"))
    elif isinstance(handle, HubHandle):
        assert ".." not in f"{handle.repository}{handle.revision}"
    elif isinstance(handle, WebHandle):
        assert urlsplit(handle.download_url).hostname
    elif isinstance(handle, BucketHandle):
        assert handle.address.startswith("gs://")


@given(WEB)
@example(WebHandle("https://tfhub.dev/google/bert/1"))
@example(WebHandle("https://tfhub.dev/google/bert/1?tf-hub-format=compressed"))
def test_a_server_is_asked_for_the_archive_and_everything_else_stays(handle):
    before, after = urlsplit(handle.address), urlsplit(handle.download_url)
    assert before._replace(query="") == after._replace(query="")
    if before.path.endswith((".tar.gz", ".tgz", ".tar")):
        assert after == before
        return
    asked = parse_qsl(after.query, keep_blank_values=True)
    assert asked.count(("tf-hub-format", "compressed")) == 1
    others = [pair for pair in parse_qsl(before.query, keep_blank_values=True) if pair[0] != "tf-hub-format"]
    assert [pair for pair in asked if pair[0] != "tf-hub-format"] == others


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a handle"),
        ("two\nlines", "not a handle"),
        ("pypi:package/folder", "no exact version"),
        ("pypi:package>=1.0/folder", "not the name of a package"),
        ("pypi:package==1.*/folder", "no exact version"),
        ("pypi:package==1.0", "names nothing in the wheel"),
        ("pypi:package==1.0/../folder", "not a plain path"),
        ("pypi:package==1.0//etc", "not a plain path"),
        ("pypi:--index-url=http://x==1.0/folder", "not the name of a package"),
        ("pypi:package==1.0/folder#md5=abc", "not a hash"),
        ("pypi:package==1.0/folder#sha256=abc", "not a hash"),
        ("hf://", "not a repository"),
        ("hf://a/b/c", "not a repository"),
        ("hf:a/b", "SFT302"),
        ("hf://a/b@", "not a revision"),
        ("hf://a/b/../c.gguf", "not a plain path"),
        ("hf://a/b@main/c//d.gguf", "not a plain path"),
        ("hf://a/b@../../x", "not a revision"),
        ("kaggle://keras/bert", "not a Kaggle model"),
        ("https://huggingface.co/org/name/tree/main", 'Did you mean "hf://org/name"?'),
        ("https://huggingface.co/gpt2?x=1", 'Did you mean "hf://gpt2"?'),
        ("https://huggingface.co/datasets/org/name", 'Did you mean "hf://org/name"?'),
        ("hff://org/name", 'Did you mean "hf://"?'),
        ("http:///path", "not an address"),
        ("https://tfhub.dev/two words", "not an address"),
        ("https://tfhub.dev:port/bert", "Port"),
        ("https://me:secret@tfhub.dev/bert", "~/.netrc"),
        ("https://tfhub.dev/bert#sha256=abc", "64 hexadecimal digits of the archive"),
        ("https://www.kaggle.com/models/google/bert", "FRAMEWORK/VARIATION"),
        (f"https://www.kaggle.com/models/google/bert/tensorFlow2/base/1#sha256={'0' * 64}", "has no hash"),
        ("gs://bucket", "gs://BUCKET/FOLDER"),
        ("gs://bucket/../other", "gs://BUCKET/FOLDER"),
        (f"gs://bucket/folder#sha256={'0' * 64}", "a folder has no hash"),
        ("~nobody-of-this-name/model", "home directory"),
    ],
)
def test_a_malformed_handle_is_explained_with_its_flag(text, said):
    with pytest.raises(SFTError) as error:
        parse_handle(text, "--data.train")
    assert said in str(error.value)
    assert "--data.train" in str(error.value)


def test_a_hash_is_read_in_any_case():
    handle = parse_handle(f"pypi:package==1.0/folder/#sha256={'AB' * 32}", "--flag")
    assert handle == PackageHandle("package", "1.0", "folder", "ab" * 32)


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("google/bert/tensorFlow2/base/3", "google/bert/tensorFlow2/base/3"),
        ("google/bert/TensorFlow2/base/", "google/bert/tensorFlow2/base"),
        ("google/bert/frameworks/TensorFlow2/variations/base/versions/3", "google/bert/tensorFlow2/base/3"),
        ("google/bert/frameworks/tensorFlow2/variations/base?tfhub-redirect=true", "google/bert/tensorFlow2/base"),
        ("keras/bert/keras/bert_tiny_en_uncased/3", "keras/bert/keras/bert_tiny_en_uncased/3"),
    ],
)
@pytest.mark.parametrize("server", ["https://www.kaggle.com", "https://kaggle.com"])
def test_the_page_of_a_kaggle_model_is_its_handle(server, page, model):
    assert parse_handle(f"{server}/models/{page}", "--flag") == KaggleHandle(model)


def test_an_archive_on_the_hugging_face_hub_is_an_archive():
    address = "https://huggingface.co/org/name/resolve/main/module.tar.gz"
    assert parse_handle(address, "--flag") == WebHandle(address)


def test_the_end_of_a_buckets_folder_does_not_matter():
    assert parse_handle("GS://bucket/a b/", "--flag") == BucketHandle("gs://bucket/a b")


@pytest.mark.parametrize("text", ["model", "./model", "/models/a", "C:\\models\\a", "bert_tiny_en_uncased", "a:b"])
def test_anything_without_a_scheme_is_a_path(text):
    assert parse_handle(text, "--flag") == PathHandle(Path(text))


def test_tilde_is_the_home_folder():
    assert parse_handle("~/model", "--flag") == PathHandle(Path.home() / "model")
