"""Whether a folder's encoder is rebuilt ("native") or trained as it is ("opaque"): the rule behind `backbone.mode`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sftkeras.errors import SFTError
from sftkeras.handles import kind_of

Mode = Literal["auto", "native", "opaque"]


@dataclass(frozen=True)
class Choice:
    """Way to load an encoder.

    Attributes:
        folder: what is to be loaded: the folder itself, or what it was converted to.
        mode: "native" or "opaque".
        notes: for the user, on the choice.
    """

    folder: Path
    mode: Literal["native", "opaque"]
    notes: tuple[str, ...] = ()


def choose_mode(folder: Path, mode: Mode) -> Choice:
    """Takes native where that proves equal to the module, else opaque, unless `mode` says which.

    Call it outside of a strategy's scope: it runs the module and what was made of it. For a folder that is no TF-Hub
    module there is nothing to choose.

    Raises:
        SFTError: SFT369 if `mode` is "opaque" but the folder is no TF-Hub module, and what
            `tfhub.native.convert` raises, but for SFT366 when `mode` is "auto".
    """
    if kind_of(folder) != "tfhub":
        if mode == "opaque":
            raise SFTError("SFT369", folder=folder)
        return Choice(folder, "native")
    if mode == "opaque":
        return Choice(folder, "opaque", ("the TF-Hub module is trained as it is (opaque), as asked for",))
    from sftkeras.backbones.tfhub.native import convert, measured_difference

    try:
        converted = convert(folder)
    except SFTError as error:
        if mode == "native" or error.code != "SFT366":
            raise
        reason = error.details["reason"]
        return Choice(folder, "opaque", (f"the TF-Hub module is trained as it is (opaque): {reason}",))
    difference = measured_difference(converted)
    return Choice(converted, "native", (f"the TF-Hub module is rebuilt (native), equal to it to {difference:.1e}",))
