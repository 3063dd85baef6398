"""Hints for names that lead nowhere: the handle of the same model or data set.

Looks at the string alone. Each hint is a sentence with a space before it, to be put behind a message, or nothing.
"""

from __future__ import annotations

import re

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HUB = re.compile(
    rf"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<kind>datasets/|models/)?(?P<name>{_PART}(?:/{_PART})?)"
    rf"(?:/(?:tree|blob|resolve)/(?P<revision>[\w.-]+))?(?:[/?#].*)?"
)
_HUB_WITHOUT_SLASHES = re.compile(rf"hf:/?(?P<name>{_PART}(?:/{_PART})?)")
_KAGGLE_PAGE = re.compile(r"(?:www\.)?kaggle\.com/models/\S+")
_TFHUB_PAGE = re.compile(r"tfhub\.dev/\S+")
# What Kaggle calls the libraries that its models are for, as its handles are written.
_FRAMEWORKS = {name.lower(): name for name in ("keras", "tensorFlow2", "tensorFlow1", "tfLite", "pyTorch", "jax")}
_KAGGLE = re.compile(rf"(?:kaggle:/*)?(?P<model>{_PART}/{_PART})/(?P<framework>{_PART})/(?P<rest>{_PART}(?:/[0-9]+)?)")
# A module's name on tfhub.dev, such as tensorflow/bert_en_uncased_L-12_H-768_A-12/4.
_TFHUB = re.compile(rf"(?:tensorflow|google|zoo)/(?:{_PART}/)*{_PART}/[0-9]+")
# Models that had no organisation in front of their names when they were published.
_OLDER = {
    r"bert-(?:base|large)-.+": "google-bert",
    r"(?:distilbert|distilroberta)-base.*": "distilbert",
    r"(?:roberta|xlm-roberta)-(?:base|large).*": "FacebookAI",
    r"albert-(?:base|large|xlarge|xxlarge)-v[12]": "albert",
}
_KAGGLE_FAMILY = re.compile(r"(?:keras|tensorflow)/[A-Za-z0-9-]+")  # a page with several models to choose from
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_ARCHIVE = re.compile(r"\.(?:tar\.gz|tgz|tar)(?:[?#]|$)")
# A name that ends so is meant as a file; others may have a dot too, as in bge-small-en-v1.5.
_FILE = re.compile(
    r".+\.(?:csv|tsv|json|jsonl|ndjson|parquet|conll|bio|iob|txt|xlsx?|gz|bz2|xz|zst|zip|tar|tgz|bin|pt|pth|h5|pb|keras"
    r"|safetensors|ya?ml)",
    re.IGNORECASE,
)


def model_hint(text: str) -> str:
    """Return the handle of a model that `text` may mean."""
    text = text.strip().rstrip("/")
    if _KAGGLE_FAMILY.fullmatch(text):
        return f" A model on Kaggle is written kaggle://{text}/FRAMEWORK/VARIATION, as its page has them."
    return _did_you_mean(_model(text))


def data_hint(text: str) -> str:
    """Return the handle of a data set that `text` may mean."""
    text = text.strip().rstrip("/")
    if found := _HUB.fullmatch(text) or _HUB_WITHOUT_SLASHES.fullmatch(text):
        return _did_you_mean(_hub(found))
    if "://" in text and not text.startswith("hf://"):
        return " Download the file first, and give its path."
    name = re.sub(r"^(?:hf://)?datasets/", "", text)
    if name != text or (_REPOSITORY.fullmatch(text) and not _FILE.fullmatch(text)):
        return _did_you_mean(f"hf://{name}")
    if re.fullmatch(_PART, text) and not _FILE.fullmatch(text):
        return " A data set of the Hugging Face hub is written hf://org/name."
    return ""


def is_hub_page(text: str) -> bool:
    """Whether `text` is the address of a page of the Hugging Face hub, rather than of an archive that lies there."""
    return "://" in text and _HUB.fullmatch(text) is not None and not _ARCHIVE.search(text)


def _model(text: str) -> str | None:
    if found := _HUB.fullmatch(text) or _HUB_WITHOUT_SLASHES.fullmatch(text):
        return _hub(found)
    if _KAGGLE_PAGE.fullmatch(text) or _TFHUB_PAGE.fullmatch(text):
        return f"https://{text}"
    if (kaggle := _KAGGLE.fullmatch(text)) and (framework := _FRAMEWORKS.get(kaggle["framework"].lower())):
        return f"kaggle://{kaggle['model']}/{framework}/{kaggle['rest']}"
    if _TFHUB.fullmatch(text):
        return f"https://tfhub.dev/{text}"
    for pattern, organisation in _OLDER.items():
        if re.fullmatch(pattern, text):
            return f"hf://{organisation}/{text}"
    return f"hf://{text}" if _REPOSITORY.fullmatch(text) and not _FILE.fullmatch(text.partition("/")[2]) else None


def _hub(found: re.Match[str]) -> str:
    revision = found.groupdict().get("revision")
    return f"hf://{found['name']}" + (f"@{revision}" if revision not in (None, "main") else "")


def _did_you_mean(handle: str | None) -> str:
    return f' Did you mean "{handle}"?' if handle else ""
