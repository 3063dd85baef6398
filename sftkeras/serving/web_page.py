"""The page at the server's root: its files, and what it shows about the models.

The files are in `page/`, but for the view of each task, which is in its folder. Predictions come through the REST
interface, as everybody gets them.
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

if TYPE_CHECKING:
    from sftkeras.serving.answering import Answering

_FOLDER = Path(__file__).parent / "page"
_SCRIPT = "text/javascript; charset=utf-8"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/page.js": ("page.js", _SCRIPT),
    "/page/elements.js": ("elements.js", _SCRIPT),
    "/page/card.js": ("card.js", _SCRIPT),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
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
                found: dict[str, Any] = {"models": [self._model(name) for name in self._answering.store.models()]}
            case [name, "versions", version] if version.isascii() and version.isdigit() and len(version) < 19:
                spec = ModelSpec(name=unquote(name))
                spec.version.value = int(version)
                found = await self._version(spec)
            case _:
                raise not_found("Not Found")
        return web.Response(body=json.dumps(found).encode(), headers={"Content-Type": "application/json", **_HEADERS})

    def _model(self, name: str) -> dict[str, Any]:
        """A model and its versions, the newest first."""
        shown = [
            {
                "version": str(it.version),  # a string, since JavaScript's numbers end at 2^53
                "state": ModelVersionStatus.State.Name(it.state),
                "error": it.status.error_message,
            }
            for it in version_states(self._answering, name)
        ]
        return {"name": name, "versions": shown}

    async def _version(self, spec: ModelSpec) -> dict[str, Any]:
        inputs = self._inputs(spec)
        folder = self._answering.store.folder(spec)
        contract, card = await asyncio.to_thread(_read, folder)
        return {"inputs": inputs, "contract": contract, "card": card}

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
