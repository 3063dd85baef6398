from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.errors import SFTError
from sftkeras.handles.parsing import HubHandle, KaggleHandle, PackageHandle, PathHandle, parse_handle

WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
MEMBER = st.lists(
    st.text(string.ascii_letters + string.digits + "_-. é中", min_size=1).filter(lambda part: part.strip(". ") == part),
    min_size=1,
    max_size=4,
).map("/".join)
PACKAGES = st.builds(
    PackageHandle,
    package=st.lists(WORD, min_size=1, max_size=3).map("-".join),
    version=st.lists(st.integers(0, 99).map(str), min_size=1, max_size=4).map(".".join),
    member=MEMBER,
    sha256=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
)
REPOSITORIES = st.builds(
    HubHandle,
    repository=st.lists(WORD, min_size=1, max_size=2).map("/".join),
    revision=st.none() | st.lists(WORD, min_size=1, max_size=3).map("/".join),
)
MODELS = st.builds(KaggleHandle, st.lists(WORD, min_size=4, max_size=4).map("/".join))


@given(PACKAGES | REPOSITORIES | MODELS)
def test_a_handle_written_out_reads_back_the_same(handle):
    assert parse_handle(str(handle), "--flag") == handle


@given(st.text() | st.text().map("pypi:".__add__) | st.text().map("hf://".__add__) | st.text().map("kaggle://".__add__))
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
        ("hf://a/b@../../x", "not a revision"),
        ("kaggle://keras/bert", "not a Kaggle model"),
        ("https://huggingface.co/org/name/tree/main", 'Did you mean "hf://org/name"?'),
        ("hff://org/name", 'Did you mean "hf://"?'),
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


@pytest.mark.parametrize("text", ["model", "./model", "/models/a", "C:\\models\\a", "bert_tiny_en_uncased", "a:b"])
def test_anything_without_a_scheme_is_a_path(text):
    assert parse_handle(text, "--flag") == PathHandle(Path(text))


def test_tilde_is_the_home_folder():
    assert parse_handle("~/model", "--flag") == PathHandle(Path.home() / "model")
