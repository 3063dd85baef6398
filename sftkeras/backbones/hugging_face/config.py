"""config.json: read, and checked before anything is built."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sftkeras.backbones.hugging_face.decoders.families import DECODER_FAMILIES
from sftkeras.backbones.hugging_face.families import FAMILIES
from sftkeras.backbones.hugging_face.family import ACTIVATION_ALIASES, Family, listed
from sftkeras.errors import SFTError


def read_config(folder: Path) -> tuple[Family, dict[str, Any]]:
    """Gives the architecture of a folder and what its config.json says, with activations by one name each.

    Raises:
        SFTError: SFT354 if config.json cannot be read or a size is missing, SFT355 if it asks for something unknown,
            SFT367 if it does not say which architecture it is of.
    """
    config = read_json(folder / "config.json")
    model_type = config.get("model_type") or _model_type_of_class(config)
    known = listed((*FAMILIES, *DECODER_FAMILIES))
    if not model_type:
        if classes := config.get("architectures"):
            raise SFTError("SFT355", folder=folder, key="architectures", value=listed(classes), known=known)
        raise SFTError("SFT367", folder=folder, known=known)
    if model_type not in list(FAMILIES):  # a list also takes what no dict can have as a key
        raise SFTError("SFT355", folder=folder, key="model_type", value=model_type, known=known)
    family = FAMILIES[model_type]
    if (name := config.get(family.activation)) in list(ACTIVATION_ALIASES):
        config[family.activation] = ACTIVATION_ALIASES[name]
    for key, values in family.supported.items():
        value = config.get(key, family.defaults.get(key))
        if value not in values:
            raise SFTError("SFT355", folder=folder, key=key, value=value, known=listed(values))
    if missing := [key for key in (*family.sizes, *family.defaults) if not _is_right(config, key, family)]:
        raise SFTError("SFT354", path=folder / "config.json", problem=f"no number for {listed(missing)}")
    return family, config


def _model_type_of_class(config: dict[str, Any]) -> str | None:
    """The architecture of a class such as "BertForMaskedLM", which older files name in place of `model_type`."""
    names = [name for name in config.get("architectures") or () if isinstance(name, str)]
    prefixes = {name.replace("-", "").removesuffix("v2"): name for name in FAMILIES}  # xlmroberta, deberta
    found = {prefixes.get(re.split(r"(?:V2)?(?:For|Model)", name)[0].lower()) for name in names}
    return found.pop() if len(found) == 1 else None


def _is_right(config: dict[str, Any], key: str, family: Family) -> bool:
    """Whether a size is a whole number above zero, and a setting that is a number by default is one here."""
    if key in family.sizes:
        return isinstance(config.get(key), int) and config[key] > 0
    default = family.defaults[key]
    return not isinstance(default, int | float) or isinstance(config.get(key, default), int | float)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file that holds a JSON object.

    Raises:
        SFTError: SFT354 if it is missing, damaged, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=error) from error
    if not isinstance(content, dict):
        raise SFTError("SFT354", path=path, problem="expected an object, {…}")
    return content
