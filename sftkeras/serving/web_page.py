"""The page at the server's root: its files, and what it shows about the models.

The files are in `page/`, but for the view of each task, which is in its folder. Predictions come through the REST
interface and chats through OpenAI's, as everybody gets them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from sftkeras import tasks
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import CARD, read_contract
from sftkeras.serving.errors import ServingError, not_found
from sftkeras.serving.model_names import model_spec
from sftkeras.serving.openai.served_models import generates

if TYPE_CHECKING:
    from sftkeras.serving.answering import Answering
    from sftkeras.serving.served_version import ServedVersion

_FOLDER = Path(__file__).parent / "page"
_SCRIPT = "text/javascript; charset=utf-8"
_STYLE = "text/css; charset=utf-8"
_SCRIPTS = (
    "page.js",
    "elements.js",
    "card.js",
    "server.js",
    "calls.js",
    "chat.js",
    "answer.js",
    "tokens.js",
    "options.js",
    "words.js",
    "chinese.js",
)
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/style.css": ("style.css", _STYLE),
    "/page/chat.css": ("chat.css", _STYLE),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/page/{name}": (name, _SCRIPT) for name in _SCRIPTS},
}
# The page loads its own files and asks its own server, nothing else; no other page may frame it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class WebPage:
    """The page of one server.

    Args:
        answering: its models.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._files = {path: ((_FOLDER / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
        self._files |= {path: (script, _SCRIPT) for path, script in _views().items()}

    def file(self, path: str) -> web.Response | None:
        """The page itself or a file of it, None if the path is none of them."""
        if path not in self._files:
            return None
        body, kind = self._files[path]
        return web.Response(body=body, headers={"Content-Type": kind, **_HEADERS})

    async def models(self, path: str) -> web.Response:
        """Data of the page: of all models at /page/models, of one at /page/models/NAME/versions/N.

        Raises:
            ServingError: NOT_FOUND if there is no such model or version.
        """
        match path.split("/")[3:]:
            case []:
                names = self._answering.store.models()
                found: dict[str, Any] = {"models": [await self._model(name) for name in names]}
            case [name, "versions", version] if version.isascii() and version.isdigit() and len(version) < 19:
                found = await self._version(model_spec(unquote(name), version))
            case _:
                raise not_found("Not Found")
        return web.Response(body=json.dumps(found).encode(), headers={"Content-Type": "application/json", **_HEADERS})

    async def _model(self, name: str) -> dict[str, Any]:
        """A model and its versions, the newest first."""
        shown = [
            {
                "version": str(it.version),  # a string, since JavaScript's numbers end at 2^53
                "state": ModelVersionStatus.State.Name(it.state),
                "error": it.status.error_message,
                "chats": it.state == ModelVersionStatus.AVAILABLE and self._chats(model_spec(name, str(it.version))),
            }
            for it in version_states(self._answering, name)
        ]
        return {"name": name, "versions": shown}

    def _chats(self, spec: ModelSpec) -> bool:
        """Say whether a version answers conversations."""
        try:
            with self._answering.store.use(spec) as version:
                return generates(version) and _chat(version) is not None
        except ServingError:  # it left meanwhile
            return False

    async def _version(self, spec: ModelSpec) -> dict[str, Any]:
        inputs = self._inputs(spec)
        with self._answering.store.use(spec) as version:
            folder, chat = version.folder, _chat(version)
        contract, card = await asyncio.to_thread(_read, folder)
        return {"inputs": inputs, "contract": contract, "card": card, "chat": chat}

    def _inputs(self, spec: ModelSpec) -> dict[str, dict[str, Any]] | None:
        """Name → dtype and shape of what the default signature takes, None if there is no such signature."""
        try:
            signature = self._answering.signature(spec)
        except ServingError as error:
            if error.code.name == "NOT_FOUND":
                raise
            return None
        return {
            name: {
                "dtype": DataType.Name(tensor.dtype).removeprefix("DT_").lower(),
                "shape": _shape(tensor.tensor_shape),
            }
            for name, tensor in sorted(signature.inputs.items())
        }


def version_states(answering: Answering, name: str) -> Sequence[ModelVersionStatus]:
    """The versions of a model that the server knows, the newest first; none if its folder holds none."""
    try:
        return answering.status(ModelSpec(name=name)).model_version_status
    except ServingError:
        return ()


def _views() -> dict[str, bytes]:
    """The scripts of the tasks' views, and the one that collects them by kind, in the order of the tasks."""
    folder = Path(tasks.__file__).parent
    kinds = [kind for kind in tasks.TASKS if (folder / kind / "page.js").is_file()]
    imports = "".join(f'import * as {kind} from "./tasks/{kind}.js";\n' for kind in kinds)
    collected = f"{imports}\nexport const views = {{ {', '.join(kinds)} }};\n"
    scripts = {f"/page/tasks/{kind}.js": (folder / kind / "page.js").read_bytes() for kind in kinds}
    return {"/page/views.js": collected.encode(), **scripts}


def _shape(shape: Any) -> list[int | None] | None:
    return None if shape.unknown_rank else [None if it.size < 0 else it.size for it in shape.dim]


def _read(folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The contract and the model card; None for what a version has not, as those that others exported."""
    contract: dict[str, Any] | None
    try:
        contract = read_contract(folder)
    except SFTError:
        contract = None
    try:
        card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
    except OSError:
        card = None
    return contract, card


def _chat(version: ServedVersion) -> dict[str, Any] | None:
    """System prompt and default options of a chat with a version; None if it takes no chat."""
    facts = version.generation
    if not facts or facts["chat"] is None:
        return None
    return {"system": facts["chat"]["system"], "defaults": facts["defaults"]}
